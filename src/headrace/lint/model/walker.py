"""The state of the walk through a module: names in scope, where it stands, what it has recorded."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from headrace.lint.model.module import Module
from headrace.lint.model.records import Branch, ClassInfo, Context, Function, Kind, Loop, Operation
from headrace.lint.model.values import Computed, Either, Flow, Origin, Symbol, Value
from headrace.lint.model.vocabulary import BUILTINS, OTHERS

_DEEPEST = 12  # calls followed into each other
_AGAIN = 400  # calls of functions that are followed once more with other datasets
_ENDS = ast.Return | ast.Raise | ast.Continue | ast.Break


@dataclass(eq=False, repr=False)
class Scope:
    """The names of a module, class body or function."""

    names: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None
    function: Function | None = None
    cls: ClassInfo | None = None
    outer: set[str] = field(default_factory=set)  # declared global or nonlocal


class Walker(ABC):
    """What expressions and statements are walked with. `guessed`: unbound names that hold datasets, by what is
    called on them."""

    def __init__(self, module: Module, guessed: frozenset[str]) -> None:
        self.module = module
        self.guessed = guessed
        self.globals = Scope()
        self.scope = self.globals
        self.context = Context()
        self.recording = True
        self.running: list[Function] = []
        self.again = _AGAIN
        self._sources: dict[tuple[str, Function | None], Flow] = {}

    @abstractmethod
    def evaluate(self, node: ast.expr) -> Value:
        """What `node` stands for; records the calls in it."""

    @abstractmethod
    def run(self, function: Function, args: Sequence[Value], keywords: Mapping[str, Value]) -> Value:
        """Walks `function`'s body with these arguments and gives what it returns."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value) -> None:
        """Binds `target` to `value`."""

    @abstractmethod
    def define(self, node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
        """A function of the module."""

    def attributes_of(self, cls: ClassInfo) -> dict[str, Value]:
        """What is known of an object's attributes; what prepares it is walked first, if it was not yet."""
        for name in ("__init__", "__post_init__"):  # the latter of a dataclass
            init = cls.methods.get(name)
            if init is not None and not init.analysed and init not in self.running:
                self.run(init, (), {})
        return cls.attributes

    def lookup(self, name: str) -> Value:
        """What a name stands for, here."""
        scope: Scope | None = self.scope
        while scope is not None:
            if name in scope.names and not (scope.cls is not None and scope is not self.scope):
                value = scope.names[name]
                self._note_captured(name, value, scope)
                return value
            scope = scope.parent
        return self.unbound(name)

    def unbound(self, name: str) -> Value:
        """A name that nothing binds: a builtin, Ray itself (pages leave its import out), a dataset, or unknown."""
        if name in self.guessed:
            return self.source(name, None)
        if name in BUILTINS:
            return Symbol(name, Origin.BUILTIN)
        return Symbol(name, Origin.IMPORTED if name == "ray" else Origin.UNBOUND)

    def source(self, name: str, function: Function | None) -> Flow:
        """A dataset of unknown origin, the same one for the same name."""
        key = (name, function)
        if key not in self._sources:
            self._sources[key] = Flow(Operation("source", Kind.SOURCE, None, self.context))
        return self._sources[key]

    def bind(self, name: str, value: Value) -> None:
        """Binds a name in the scope that it belongs to."""
        scope = self.scope
        if name in scope.outer:
            scope = scope.parent if scope.parent is not None else self.globals
            while name not in scope.names and scope.parent is not None:
                scope = scope.parent
        scope.names[name] = value

    def may_go_on(self, function: Function) -> bool:
        """Whether a call of `function` is followed: not into itself, not too deep, not too often."""
        if function in self.running or len(self.running) >= _DEEPEST:
            return False
        if function.analysed:
            self.again -= 1
        return self.again > 0

    @contextmanager
    def in_loop(self, loop: Loop) -> Iterator[None]:
        """Stands in `loop`."""
        if self.recording and loop.function is not None:
            loop.function.loops.append(loop)
        with self._standing(replace(self.context, loops=(*self.context.loops, loop))):
            yield

    @contextmanager
    def in_branch(self, branch: Branch) -> Iterator[None]:
        """Stands in an arm of a branch."""
        with self._standing(replace(self.context, branches=(*self.context.branches, branch))):
            yield

    @contextmanager
    def in_with(self, managers: Sequence[Value]) -> Iterator[None]:
        """Stands in a with."""
        with self._standing(replace(self.context, withs=(*self.context.withs, *managers))):
            yield

    @contextmanager
    def _standing(self, context: Context) -> Iterator[None]:
        before, self.context = self.context, context
        try:
            yield
        finally:
            self.context = before

    def _note_captured(self, name: str, value: Value, scope: Scope) -> None:
        here = self.context.function
        if here is None or scope is self.scope or scope.function is here or not self.recording:
            return
        if self.scope.function is here:
            here.captured.setdefault(name, value)


def annotates_dataset(value: Value) -> bool:
    """Whether an annotation says that something is a Ray dataset: Dataset, `Dataset | None`, Optional[Dataset]."""
    if isinstance(value, Symbol):
        inside = value.path.removeprefix("typing.Optional[").removesuffix("]")
        return inside in _DATASETS
    if isinstance(value, Computed):
        return any(annotates_dataset(v) for v in value.operands)
    return isinstance(value, Either) and any(annotates_dataset(v) for v in value.values)


def annotates_other(annotation: ast.expr | None) -> bool:
    """Whether an annotation says that something is of a library with a map_batches of its own: `pl.LazyFrame`."""
    return annotation is not None and ast.unparse(annotation).strip("\"'").startswith(OTHERS)


def leaves(body: Sequence[ast.stmt]) -> bool:
    """Whether what follows `body` is not reached from it."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.If):
        return leaves(last.body) and leaves(last.orelse)
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return ast.unparse(last.value.func) in {"sys.exit", "exit", "quit", "os._exit"}
    return isinstance(last, _ENDS)


_DATASETS = {
    "ray.data.Dataset",
    "ray.data.dataset.Dataset",
    "ray.data.MaterializedDataset",
    "ray.data.dataset.MaterializedDataset",
}
