"""What an expression may stand for, as far as the module itself tells.

`Symbol` is the workhorse: a dotted path from a name that the module imports, takes as a parameter or never binds, as
`torch.load().eval`, `batch["image"][*]` (`[*]`: an element of a loop over it).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.lint.model.records import ActorCall, ActorClass, Call, ClassInfo, Function, Operation


class Value:
    """The base of all values; itself it is what nothing is known of."""

    __slots__ = ()


UNKNOWN = Value()


class Origin(Enum):
    """Where a symbol's first name comes from."""

    IMPORTED = "imported"
    BUILTIN = "builtin"
    PARAMETER = "parameter"
    UNBOUND = "unbound"


@dataclass(frozen=True, slots=True)
class Symbol(Value):
    """Something from outside: `path` says how it is reached, `base` what it was taken from, `call` what returned it."""

    path: str
    origin: Origin = Origin.IMPORTED
    function: Function | None = field(default=None, compare=False)  # whose parameter it is
    base: Value | None = field(default=None, compare=False)
    call: Call | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Constant(Value):
    """A literal: text, bytes, a number, True, False or None."""

    value: object


@dataclass(frozen=True, slots=True)
class Computed(Value):
    """The result of an operator, or an f-string (`op` is then "f")."""

    op: str
    operands: tuple[Value, ...]


@dataclass(slots=True, eq=False)
class Items(Value):
    """A list, tuple, set or generator that the module builds; not `whole`: more of the same may be in it."""

    kind: str
    items: list[Value]
    whole: bool
    node: ast.expr


@dataclass(slots=True, eq=False)
class Entries(Value):
    """A dict that the module builds; not `whole`: it may have other keys too. `places`: of keys put in later."""

    entries: dict[str, Value]
    whole: bool
    node: ast.expr
    places: dict[str, ast.expr] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Either(Value):
    """One of several values: of branches, say."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class FunctionValue(Value):
    """A function or lambda of the module; with `bound`, a method and its object."""

    function: Function
    bound: Value | None = None


@dataclass(frozen=True, slots=True)
class ClassValue(Value):
    """A class of the module."""

    cls: ClassInfo


@dataclass(frozen=True, slots=True)
class Instance(Value):
    """An object of a class of the module."""

    cls: ClassInfo


@dataclass(frozen=True, slots=True)
class Partial(Value):
    """functools.partial; `call` is that call, whose first argument is `target`."""

    target: Value
    call: Call


@dataclass(frozen=True, slots=True)
class Flow(Value):
    """A Ray dataset, by the operation that made it; `grouped`: after groupby."""

    last: Operation
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class FlowMethod(Value):
    """A method of a dataset, not called yet."""

    flow: Flow
    name: str


@dataclass(frozen=True, slots=True)
class ActorClassValue(Value):
    """A Ray actor class, with the options that its decorator and `.options()` give."""

    actor: ActorClass
    options: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class ActorHandle(Value):
    """What `Actor.remote()` returns; `created` is that call."""

    actor: ActorClass
    created: Call = field(compare=False)


@dataclass(frozen=True, slots=True)
class ActorMethod(Value):
    """`handle.method`, before `.remote`."""

    handle: ActorHandle
    name: str


@dataclass(frozen=True, slots=True)
class RemoteFunction(Value):
    """A function decorated by ray.remote."""

    function: Function | None
    options: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Remote(Value):
    """`.remote` or `.options` of an actor class, an actor's method or a remote function, not called yet."""

    target: Value
    name: str


@dataclass(frozen=True, slots=True)
class ObjectRef(Value):
    """What `.remote()` of a method (then `actor_call` says which) or of a remote function returns."""

    call: Call
    actor_call: ActorCall | None = None


_MOST = 8  # values that one expression is followed with
_MOST_PARTS = 1_000
LONGEST_PATH = 200  # characters


def possible(value: Value) -> tuple[Value, ...]:
    """All that `value` may be."""
    return value.values if isinstance(value, Either) else (value,)


def either(*values: Value) -> Value:
    """One of `values`; what is said twice counts once."""
    found: list[Value] = []
    for value in values:
        for one in possible(value):
            if one not in found:
                found.append(one)
    return found[0] if len(found) == 1 else Either(tuple(found[:_MOST]))


def element(value: Value) -> Value:
    """What a loop over `value` binds."""
    value = possible(value)[0]
    if isinstance(value, Items):
        return either(*value.items) if value.items else UNKNOWN
    if not isinstance(value, Symbol):
        return UNKNOWN
    if value.call is not None and value.origin is Origin.BUILTIN and value.path in {"enumerate()", "zip()"}:
        parts = [element(a) for a in value.call.args[: 1 if value.path == "enumerate()" else None]]
        if value.path == "enumerate()":
            parts.insert(0, Symbol("enumerate()[0]", Origin.BUILTIN, base=value))
        return Items("tuple", parts, whole=True, node=value.call.node)
    return Symbol(f"{value.path}[*]"[:LONGEST_PATH], value.origin, value.function, value, value.call)


def is_large(value: Value) -> bool:
    """Whether a value has more than 1,000 parts, each counted wherever it occurs: after `x = [x, x]` ten times over.

    Larger ones, and those that hold themselves, stand for nothing: what looks into them would not end.
    """
    left, parts = [value], 0
    while left and parts <= _MOST_PARTS:
        one = left.pop()
        parts += 1
        if isinstance(one, Computed):
            left += one.operands
        elif isinstance(one, Either):
            left += one.values
        elif isinstance(one, Items):
            left += one.items
        elif isinstance(one, Entries):
            left += one.entries.values()
    return parts > _MOST_PARTS


def inputs(value: Value, _seen: set[int] | None = None) -> Iterator[Value]:
    """`value` and all that it was made of: operands, arguments, the object a method was called on, elements."""
    seen = set() if _seen is None else _seen
    if id(value) in seen:
        return
    seen.add(id(value))
    yield value
    parts: list[Value] = []
    if isinstance(value, Either):
        parts += value.values
    elif isinstance(value, Computed):
        parts += value.operands
    elif isinstance(value, Items):
        parts += value.items
    elif isinstance(value, Entries):
        parts += value.entries.values()
    elif isinstance(value, Symbol):
        parts += [value.base] if value.base is not None else []
        parts += [*value.call.args, *value.call.keywords.values()] if value.call is not None else []
    for part in parts:
        yield from inputs(part, seen)
