"""A module as rules query it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from headrace.lint.model.records import (
    ActorCall,
    ActorClass,
    Branch,
    Call,
    ClassInfo,
    Function,
    Handler,
    Kind,
    Operation,
)
from headrace.lint.model.values import UNKNOWN, Value


@dataclass(frozen=True, slots=True)
class Import:
    """A name that an import binds: `name` stands for `path`, in `function` (None: the whole module)."""

    name: str
    path: str
    function: Function | None


@dataclass(eq=False, repr=False)
class Module:
    """What was understood of one module. Lists are in the order in which the module runs."""

    tree: ast.Module
    text: str
    functions: list[Function] = field(default_factory=list)
    classes: list[ClassInfo] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    actors: list[ActorClass] = field(default_factory=list)
    actor_calls: list[ActorCall] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    values: dict[ast.AST, Value] = field(default_factory=dict)
    _lines: list[bytes] = field(default_factory=list)

    @property
    def maps(self) -> Iterator[Operation]:
        """The operations that run a function or class: map, map_batches, flat_map, filter, map_groups."""
        return (o for o in self.operations if o.maps)

    @property
    def runs(self) -> Iterator[Operation]:
        """The operations that run a pipeline."""
        return (o for o in self.operations if o.kind is Kind.RUN)

    @property
    def pipelines(self) -> Iterator[tuple[Operation, ...]]:
        """Every chain of operations, from its source to an operation that nothing follows."""
        return (o.chain for o in self.operations if not o.downstream)

    def value(self, node: ast.AST) -> Value:
        """What an expression stands for; UNKNOWN where nothing is known."""
        return self.values.get(node, UNKNOWN)

    def written(self, node: ast.expr) -> str:
        """The text of an expression, as it is written."""
        if not self._lines:
            self._lines += self.text.encode().split(b"\n")
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        lines = self._lines[first : last + 1]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"\n".join(lines).decode()

    def calls_named(self, *names: str) -> Iterator[Call]:
        """The calls of these paths, as `ray.get`."""
        return (c for c in self.calls if any(n in names for n in c.names))

    def spell(self, path: str, function: Function | None = None) -> str | None:
        """How `path` (as `ray.data.ActorPoolStrategy`) is written in `function` by the imports there are; or None."""
        best: str | None = None
        for one in self.imports:
            rest = path[len(one.path) :]
            if path.startswith(one.path) and rest[:1] in {"", "."} and one.function in {None, function}:
                said = one.name + rest
                best = said if best is None or len(said) < len(best) else best
        return best


@dataclass(frozen=True, slots=True)
class Reached:
    """A call that a function makes, itself or (then `via` says how) through functions of the same module."""

    call: Call
    via: tuple[Call, ...] = ()

    @property
    def is_guarded(self) -> bool:
        """Whether it runs once at most: behind `if self.x is None` and the like, or in a cached function."""
        calls = (*self.via, self.call)
        if any(_is_cached(c.context.function) for c in calls):
            return True
        return any(_asks_whether_there(b) for c in calls for b in c.context.branches)


def reached(function: Function, _via: tuple[Call, ...] = ()) -> Iterator[Reached]:
    """All calls that a call of `function` makes, through functions and classes of the module too."""
    for call in function.calls:
        yield Reached(call, _via)
        seen = {id(function), *(id(c.target) for c in _via)}
        if call.target is not None and id(call.target) not in seen and len(_via) < 8:
            yield from reached(call.target, (*_via, call))


def _is_cached(function: Function | None) -> bool:
    return function is not None and function.is_cached


def _asks_whether_there(branch: Branch) -> bool:
    """`if x is None`, `if not x`, `if key not in cache`, `if not hasattr(self, "x")`; `except AttributeError`."""
    if isinstance(branch.node, ast.Try):
        return branch.arm > 0
    if branch.test is None:
        return False
    tests = branch.test.values if isinstance(branch.test, ast.BoolOp) else [branch.test]
    for test in tests:
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is | ast.NotIn | ast.Eq):
            absent = test.comparators[0]
            if isinstance(test.ops[0], ast.NotIn) or (isinstance(absent, ast.Constant) and absent.value is None):
                return True
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return isinstance(test.operand, ast.Name | ast.Attribute | ast.Call)
    return False
