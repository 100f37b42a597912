"""A module as rules query it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar, cast

from headrace.lint.model.records import (
    ActorCall,
    ActorClass,
    Branch,
    Call,
    ClassInfo,
    Function,
    Handler,
    Kind,
    Loop,
    Operation,
)
from headrace.lint.model.values import UNKNOWN, Flow, Origin, Remote, Symbol, Value, inputs, possible

Node = TypeVar("Node", bound=ast.AST)


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
    _nodes: dict[type[ast.AST], list[ast.AST]] = field(default_factory=dict)

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

    def nodes(self, kind: type[Node]) -> Sequence[Node]:
        """All nodes of a kind, in no order that matters; the tree is walked once for all who ask."""
        if not self._nodes:
            self._nodes = _by_kind(self.tree)
        return cast("list[Node]", self._nodes.get(kind, []))

    def written(self, node: ast.expr | ast.stmt | ast.keyword) -> str:
        """The text of an expression or argument, as it is written."""
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


def _by_kind(tree: ast.Module) -> dict[type[ast.AST], list[ast.AST]]:
    found: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        found[type(node)].append(node)
        for name in node._fields:  # half the time of ast.iter_child_nodes
            part = getattr(node, name)
            if isinstance(part, list):
                left += [p for p in part if isinstance(p, ast.AST)]
            elif isinstance(part, ast.AST):
                left.append(part)
    return dict(found)


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

    @property
    def is_remote(self) -> bool:
        """Whether it runs in another worker: of an actor or a remote function."""
        return any(isinstance(v, Remote) for c in (*self.via, self.call) for v in possible(c.callee))


def reached(function: Function) -> Iterator[Reached]:
    """The calls that a call of `function` makes, through functions and classes of the module too: the first 2,000.

    Eight helpers that call one another eight times over would be ten million.
    """
    yield from islice(_all_reached(function, ()), 2_000)


def _all_reached(function: Function, via: tuple[Call, ...]) -> Iterator[Reached]:
    for call in function.calls:
        yield Reached(call, via)
        seen = {id(function), *(id(c.target) for c in via)}
        if call.target is not None and id(call.target) not in seen and len(via) < 8:
            yield from _all_reached(call.target, (*via, call))


def is_over_batches(loop: Loop) -> bool:
    """Whether a loop goes over a dataset's batches or rows in the driver: `for batch in ds.iter_batches():`."""
    parts = (v for v in inputs(loop.iterates) if isinstance(v, Symbol))
    return any(v.path.startswith("ray.data.Dataset.iter_") and isinstance(v.base, Flow) for v in parts)


def is_of_batch(call: Call, function: Function) -> bool:
    """Whether what a call is given depends on the batch or row that `function` gets, as `torch.load(row["path"])`."""
    given = (v for a in (*call.args, *call.keywords.values()) for v in inputs(a) if isinstance(v, Symbol))
    batch = (v.path for v in given if v.origin is Origin.PARAMETER and v.function is function)
    return any(re.match(r"\w*", path)[0] == function.batch_parameter for path in batch)  # type: ignore[index]


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
