"""From a module's text to what it does: one parse, one walk."""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_left
from functools import lru_cache

from headrace.lint.model.module import Module
from headrace.lint.model.statements import Statements
from headrace.lint.model.vocabulary import kind_of

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
    guessed = _called_map_batches(tree, text)
    walk = Statements(module, guessed)
    walk.block(tree.body)
    walk.calling = False
    number = 0
    while number < len(module.functions):  # grows: functions may hold functions
        function = module.functions[number]
        number += 1
        if not function.analysed:
            if function.owner is not None:
                walk.attributes_of(function.owner)
            if not function.analysed:
                walk.run(function, (), {})
    return module


def _called_map_batches(tree: ast.Module, text: str) -> frozenset[str]:
    """The names on which, perhaps after other methods, map_batches is called: pages leave out their origin."""
    found = set()
    lines = [n for n, line in enumerate(text.split("\n"), 1) if "map_batches" in line]
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        for child in ast.iter_child_nodes(node):
            first = getattr(child, "lineno", None)
            if first is None:
                left.append(child)
                continue
            near = bisect_left(lines, first)
            if near < len(lines) and lines[near] <= (getattr(child, "end_lineno", None) or first):
                left.append(child)
        if isinstance(node, ast.Attribute) and node.attr == "map_batches" and (name := _first_name(node.value)):
            found.add(name)
    return frozenset(found)


def _first_name(base: ast.expr) -> str | None:
    while isinstance(base, ast.Call) and isinstance(base.func, ast.Attribute) and kind_of(base.func.attr) is not None:
        base = base.func.value
    return base.id if isinstance(base, ast.Name) else None
