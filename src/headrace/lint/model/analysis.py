"""From a module's text to what it does: one parse, one walk."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache

from headrace.lint.model.module import Module
from headrace.lint.model.records import Function
from headrace.lint.model.statements import Statements
from headrace.lint.model.values import Instance, Value
from headrace.lint.model.vocabulary import kind_of
from headrace.lint.model.walker import annotates_other

_RAY = re.compile(r"\bray\b")


@lru_cache(maxsize=1)
def parsed(text: str) -> ast.Module:
    """`text` as a tree. The last one is kept: it is asked for again.

    Raises SyntaxError, ValueError (null bytes), RecursionError and MemoryError (nested too deeply).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the user's own strings: invalid escapes and the like
        return ast.parse(text)


def concerns_ray(text: str) -> bool:
    """Whether a module names Ray at all; others are not analysed."""
    return _RAY.search(text) is not None


def analysed(tree: ast.Module, text: str) -> Module:
    """What the module does, followed from its first statement; then each function and method that nothing called.

    Raises RecursionError where it is nested too deeply.
    """
    module = Module(tree, text)
    walk = Statements(module, _called_map_batches(module))
    walk.block(tree.body)
    walk.calling = False
    for operation in list(module.operations):  # first, so that helpers are known by what UDFs give them
        udf = operation.udf
        if udf is not None and udf.function is not None:
            _walk(udf.function, walk, (Instance(udf.cls),) if udf.cls is not None else ())
    number = 0
    while number < len(module.functions):  # grows: functions may hold functions
        _walk(module.functions[number], walk)
        number += 1
    return module


def _walk(function: Function, walk: Statements, args: tuple[Value, ...] = ()) -> None:
    if not function.analysed and function.owner is not None:
        walk.attributes_of(function.owner)
    if not function.analysed:
        walk.run(function, args, {})


def _called_map_batches(module: Module) -> frozenset[str]:
    """The names on which, perhaps after other methods, map_batches is called: pages leave out their origin."""
    called = (n.value for n in module.nodes(ast.Attribute) if n.attr == "map_batches")
    others = {a.arg for a in module.nodes(ast.arg) if annotates_other(a.annotation)}
    return frozenset(name for name in map(_first_name, called) if name is not None and name not in others)


def _first_name(base: ast.expr) -> str | None:
    while isinstance(base, ast.Call) and isinstance(base.func, ast.Attribute) and kind_of(base.func.attr) is not None:
        base = base.func.value
    return base.id if isinstance(base, ast.Name) else None
