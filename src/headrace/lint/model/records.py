"""What a module holds, as rules ask for it: functions, calls, operations on datasets, actors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from headrace.lint.model.values import (
    UNKNOWN,
    ActorHandle,
    ClassValue,
    Constant,
    FunctionValue,
    Origin,
    Partial,
    Symbol,
    Value,
    possible,
)

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
LoopNode = ast.For | ast.AsyncFor | ast.While | ast.comprehension | ast.Call


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A loop, comprehension or call as `map(f, rows)`; `iterates` is what it goes over (UNKNOWN for while)."""

    node: LoopNode
    iterates: Value
    function: Function | None


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """An arm (0, 1, ...) of an if, try, match or conditional expression; `test` is None where there is none."""

    node: ast.AST
    arm: int
    test: ast.expr | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """Where a call stands: outermost first. `entry` is the function it was reached from, None: the module's own run."""

    function: Function | None = None
    entry: Function | None = None
    loops: tuple[Loop, ...] = ()
    branches: tuple[Branch, ...] = ()
    withs: tuple[Value, ...] = ()

    def excludes(self, other: Context) -> bool:
        """Whether only one of the two is reached in one run: other arms of the same branch, or other entries."""
        arms = {id(b.node): b.arm for b in self.branches}
        return self.entry is not other.entry or any(arms.get(id(b.node), b.arm) != b.arm for b in other.branches)


@dataclass(eq=False, repr=False, slots=True)
class Call:
    """One call. `args` and `keywords` are values, `keyword_nodes` where each keyword is written (or spread by `**`).

    names: all paths that the callee may have, as `torch.load` or `transformers.pipeline().to`; name: the first of them,
    "" for the module's own functions.
    """

    node: ast.Call
    callee: Value
    args: tuple[Value, ...]
    keywords: dict[str, Value]
    keyword_nodes: dict[str, ast.keyword]
    is_open: bool  # it may have arguments that are not known (*args, **kw)
    context: Context
    target: Function | None = None  # the module's own function that runs, __init__ for a class
    result: Value = UNKNOWN
    names: tuple[str, ...] = field(init=False)  # kept: rules ask for them 1,000 times in 300 lines
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.names = tuple([v.path for v in possible(self.callee) if isinstance(v, Symbol)])
        self.name = self.names[0] if self.names else ""

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The loops around it in its own function."""
        return tuple(loop for loop in self.context.loops if loop.function is self.context.function)

    def constant(self, keyword: str) -> object:
        """The keyword's literal value; None where it is absent, None, or not a literal."""
        value = self.keywords.get(keyword)
        return value.value if isinstance(value, Constant) else None

    def constants(self, keyword: str) -> tuple[object, ...]:
        """All literal values that the keyword may have: of a loop over [4, 8], say."""
        value = self.keywords.get(keyword, UNKNOWN)
        return tuple(v.value for v in possible(value) if isinstance(v, Constant))


@dataclass(eq=False, repr=False, slots=True)
class Result:
    """A return or yield: `node` is the statement (a lambda's body), `value` what is given back."""

    node: ast.AST
    value: Value
    context: Context

    @property
    def written(self) -> Iterator[ast.expr | ast.stmt]:
        """The expressions that are given back, of `a if x else b` both; the statement for a return without one.

        Nothing for a bare yield: it may only be there to make the function a generator.
        """
        node = self.node.value if isinstance(self.node, ast.Expr) else self.node  # an Expr is a yield
        left = [node.value if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) else node]
        while left:
            one = left.pop()
            if isinstance(one, ast.IfExp):
                left += [one.orelse, one.body]
            elif isinstance(one, ast.expr):
                yield one
            elif isinstance(self.node, ast.Return):
                yield self.node


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Stored:
    """`batch["key"] = value`, of the batch that a function was given."""

    node: ast.Subscript
    key: str
    value: Value


@dataclass(eq=False, repr=False, slots=True)
class Handler:
    """An except clause; `catches` are the exceptions' values, empty for a bare except."""

    node: ast.ExceptHandler
    catches: tuple[Value, ...]
    context: Context


@dataclass(eq=False, repr=False)
class Function:
    """A function, method or lambda of the module, with what its body does in order."""

    name: str
    node: FunctionNode
    owner: ClassInfo | None
    decorators: tuple[Value, ...]
    scope: object  # the environment it was defined in
    calls: list[Call] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    returns: list[Result] = field(default_factory=list)
    yields: list[Result] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)
    captured: dict[str, Value] = field(default_factory=dict)  # what it uses of the scopes around it
    result: Value = UNKNOWN
    analysed: bool = False

    @cached_property
    def parts(self) -> tuple[ast.AST, ...]:
        """All nodes of it, itself first, decorators among them."""
        return tuple(ast.walk(self.node))

    @property
    def parameters(self) -> tuple[ast.arg, ...]:
        """Its positional parameters, `self` among them."""
        return (*self.node.args.posonlyargs, *self.node.args.args)

    @property
    def batch_parameter(self) -> str:
        """The name of what a UDF gets: the first parameter, after self for a method; "" when there is none."""
        names = [a.arg for a in self.parameters][1 if self.owner is not None and not self.is_static else 0 :]
        return names[0] if names else ""

    @property
    def qualname(self) -> str:
        """Its name with its class's: `Predict.__call__`."""
        return f"{self.owner.name}.{self.name}" if self.owner is not None else self.name

    def is_batch(self, value: Value) -> bool:
        """Whether a value is the batch or row itself that it gets, or its copy."""
        if not isinstance(value, Symbol) or value.origin is not Origin.PARAMETER or value.function is not self:
            return False
        return value.path in {self.batch_parameter, f"{self.batch_parameter}.copy()"}

    @property
    def stored_columns(self) -> list[Stored]:
        """What it puts into its batch, where it gives that batch back."""
        results = (v for r in (*self.returns, *self.yields) for v in possible(r.value))
        return self.stored if any(self.is_batch(v) for v in results) else []

    @property
    def is_undecorated(self) -> bool:
        """Whether its callers get what it gives back: torch's decorators see to that, others may change it."""
        return all(isinstance(d, Symbol) and d.path.startswith("torch.") for d in self.decorators)

    @cached_property
    def is_generator(self) -> bool:
        """Whether it yields: a call of it gives a generator then, whatever it returns."""
        yields = [n for n in self.parts if isinstance(n, ast.Yield | ast.YieldFrom)]
        if not yields:
            return False
        inner = (f for f in self.parts if isinstance(f, FunctionNode) and f is not self.node)
        others = {id(n) for f in inner for n in ast.walk(f)}
        return any(id(n) not in others for n in yields)

    @property
    def given_back(self) -> list[Result]:
        """What it returns; of a generator what it yields one by one."""
        if not self.is_generator:
            return self.returns
        return [y for y in self.yields if not isinstance(getattr(y.node, "value", None), ast.YieldFrom)]

    @property
    def is_static(self) -> bool:
        """Whether it is a staticmethod."""
        return any(isinstance(d, Symbol) and d.path == "staticmethod" for d in self.decorators)

    @property
    def is_cached(self) -> bool:
        """Whether its result is kept: functools.cache, lru_cache or cached_property."""
        names = {part for d in self.decorators if isinstance(d, Symbol) for part in d.path.replace("()", "").split(".")}
        return bool(names & {"cache", "lru_cache", "cached_property", "cached"})


@dataclass(eq=False, repr=False)
class ClassInfo:
    """A class of the module; `attributes` are what its methods assign to self and its body binds."""

    name: str
    node: ast.ClassDef
    bases: tuple[Value, ...]
    decorators: tuple[Value, ...]
    methods: dict[str, Function] = field(default_factory=dict)
    attributes: dict[str, Value] = field(default_factory=dict)

    def lineage(self) -> Iterator[ClassInfo]:
        """Itself and the module's own classes that it inherits from."""
        yield self
        for base in self.bases:
            if isinstance(base, ClassValue) and base.cls is not self:
                yield from base.cls.lineage()

    def method(self, name: str) -> Function | None:
        """Its own or inherited method, where the module defines it."""
        return next((c.methods[name] for c in self.lineage() if name in c.methods), None)

    def outer_bases(self) -> tuple[str, ...]:
        """The paths of the classes from outside that it inherits from, as `torch.nn.Module`."""
        return tuple(b.path for c in self.lineage() for b in c.bases if isinstance(b, Symbol))


class Kind(Enum):
    """What an operation is to its dataset."""

    SOURCE = "source"  # reads, from_*, range, or a dataset of unknown origin ("source")
    LAZY = "lazy"  # gives another dataset
    RUN = "run"  # runs the pipeline: take, write_*, count, materialize, iterating
    LOOK = "look"  # schema, stats, num_blocks: about the dataset


@dataclass(eq=False, repr=False)
class Udf:
    """What a map operation runs. `function` is called per batch or row: the function, or the class's __call__."""

    value: Value
    name: str
    function: Function | None = None
    cls: ClassInfo | None = None
    partials: tuple[Partial, ...] = ()

    @property
    def init(self) -> Function | None:
        """The class's __init__, or a dataclass's __post_init__."""
        if self.cls is None:
            return None
        return self.cls.method("__init__") or self.cls.method("__post_init__")


@dataclass(eq=False, repr=False)
class Operation:
    """One step of a pipeline: `call` made it (None: a dataset of unknown origin), on what `upstream` gave."""

    name: str
    kind: Kind
    call: Call | None
    context: Context
    upstream: Operation | None = None
    others: tuple[Operation, ...] = ()  # of union, zip, join
    udf: Udf | None = None
    downstream: list[Operation] = field(default_factory=list)

    @property
    def chain(self) -> tuple[Operation, ...]:
        """The pipeline up to and with this operation, the source first."""
        found = [self]
        while found[-1].upstream is not None:
            found.append(found[-1].upstream)
        return tuple(reversed(found))

    @property
    def function(self) -> Function | None:
        """What is called for each batch or row: a function, or a class's __call__; None where the module has none."""
        return self.udf.function if self.udf is not None else None

    @property
    def maps(self) -> bool:
        """Whether it runs a function or class on rows or batches."""
        return self.name in {"map", "map_batches", "flat_map", "filter", "map_groups"}


@dataclass(eq=False, repr=False)
class ActorClass:
    """A class that is made a Ray actor; `options` is the call ray.remote(...), where there is one."""

    cls: ClassInfo
    options: Call | None
    created: list[Call] = field(default_factory=list)
    calls: list[ActorCall] = field(default_factory=list)


@dataclass(frozen=True, eq=False, repr=False)
class ActorCall:
    """`handle.method.remote(...)`."""

    handle: ActorHandle
    method: str
    call: Call


def udf_of(value: Value) -> Udf:
    """What `value` is when a map operation is given it; partials are looked through."""
    partials: list[Partial] = []
    value = possible(value)[0]
    while isinstance(value, Partial):
        partials.append(value)
        value = possible(value.target)[0]
    kept = tuple(partials)
    if isinstance(value, FunctionValue):
        return Udf(value, value.function.name, value.function, None, kept)
    cls = getattr(value, "cls", None)
    if isinstance(cls, ClassInfo):
        return Udf(value, cls.name, cls.method("__call__"), cls, kept)
    return Udf(value, value.path if isinstance(value, Symbol) else "", None, None, kept)
