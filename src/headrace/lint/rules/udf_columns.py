"""The columns of what a function gives back to map_batches."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.knowledge import CLOCKS
from headrace.lint.model.module import Module
from headrace.lint.model.records import Function, Operation
from headrace.lint.model.values import Computed, Constant, Entries, Origin, Symbol, Value, possible
from headrace.lint.rule import Category, Finding, rule

_SINGLE = {"len()", "int()", "float()", "str()", "bool()", "zip()", "map()", "range()", "enumerate()", "filter()"}
_OF_PROCESS = {"os.getpid()", "socket.gethostname()", *(f"{clock}()" for clock in CLOCKS)}
_LITERALS = ast.JoinedStr | ast.Tuple | ast.Set | ast.GeneratorExp | ast.Dict | ast.DictComp


@rule(
    id="HR064",
    name="column-of-one-value",
    category=Category.BREAKS,
    ray=">=2.4",
    title="a column that map_batches is given back is one value, not a list or array",
    why="a column holds a value for each row; Ray raises on a number, text, None, tuple or generator",
    fix='give a list or array with a value for each row, as [text] * len(batch["id"])',
    error="expects all `dict` values to be `list` or `np.ndarray` type",
    bad="""
import ray

def double(batch):
    return {"id": batch["id"] * 2, "model": "v1"}

ray.data.range(8).map_batches(double).materialize()
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2, "model": ["v1"] * len(batch["id"])}

ray.data.range(8).map_batches(double).materialize()
""",
    notes='In a DataFrame (`batch_format="pandas"`) one value is fine: `batch["model"] = "v1"` gives it to every row.',
)
def column_of_one_value(module: Module) -> Iterator[Finding]:
    """A value that is certainly no column, in a dict that a function writes out or put into its batch of arrays."""
    for operation in module.maps:
        function = operation.function
        if operation.name != "map_batches" or function is None or not function.is_undecorated:
            continue
        if any(isinstance(p, ast.Delete) for p in function.parts):
            continue  # what is put in may be taken out
        columns = [c for r in function.given_back for node in r.written for c in _columns(module, node, function)]
        if _gets_arrays(operation, function):
            columns += _put_into(function, {s.key: s.node for s in function.stored_columns})
        for key, node in columns:
            if _is_single(node, module.value(node), function):
                yield Finding(node, f"{function.qualname} gives one value as the column {key!r}")


def _columns(module: Module, node: ast.AST, function: Function) -> Iterator[tuple[str, ast.expr]]:
    """The columns of a dict that is written where it is given back, or of one that has a name and goes nowhere else."""
    value = module.value(node)
    if isinstance(node, ast.Name) and isinstance(value, Entries):
        if not value.whole or value.node not in function.parts or not _stays(function, node.id):
            return
        later = {key: place for key, place in value.places.items() if isinstance(place, ast.Subscript)}
        yield from _put_into(function, later)
        yield from ((key, one) for key, one in _written(module, value.node) if key not in later)
    else:
        yield from _written(module, node)


def _written(module: Module, node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The columns of `{"y": ...}` and dict(y=...); of the former those that no `**rest` may put right."""
    if isinstance(node, ast.Call) and isinstance(module.value(node), Entries) and not node.args:
        yield from ((k.arg, k.value) for k in node.keywords if k.arg is not None)
    if isinstance(node, ast.Dict):
        last = max((n for n, key in enumerate(node.keys) if key is None), default=-1)
        for key, value in zip(node.keys[last + 1 :], node.values[last + 1 :], strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value), value


def _put_into(function: Function, places: dict[str, ast.Subscript]) -> list[tuple[str, ast.expr]]:
    """The columns whose last assignment is `x["key"] = ...` at one of `places`."""
    assigned = {id(t): n.value for n in function.parts if isinstance(n, ast.Assign) for t in n.targets}
    return [(key, assigned[id(place)]) for key, place in places.items() if id(place) in assigned]


def _stays(function: Function, name: str) -> bool:
    """Whether a name is only bound, indexed and given back: nothing else can change what it stands for."""
    names = {id(n) for n in function.parts if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)}
    held = (n.value for n in function.parts if isinstance(n, ast.Subscript | ast.Return | ast.Yield))
    return names <= {id(n) for n in held}


def _gets_arrays(operation: Operation, function: Function) -> bool:
    """Whether a batch is certainly a dict of arrays, and stays one: no batch_format, isinstance() or pop() tells."""
    call, udf = operation.call, operation.udf
    if call is None or call.is_open or udf is None or udf.partials:
        return False
    if any(c.name == "isinstance" or c.name.endswith(".pop") for c in function.calls):
        return False
    return call.keywords.get("batch_format", Constant("default")) in {Constant("default"), Constant("numpy")}


def _is_single(node: ast.expr, value: Value, function: Function) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is not ...
    if isinstance(node, _LITERALS):
        return True
    if isinstance(node, ast.Name) and isinstance(value, Constant):  # of the module: a parameter's may be another one
        return node.id in function.captured and isinstance(value.value, str | int | float)
    return not isinstance(value, Constant) and all(_is_scalar(v) for v in possible(value))


def _is_scalar(value: Value) -> bool:
    if isinstance(value, Computed):  # time.perf_counter() - start
        return value.op == "Not" or all(isinstance(o, Constant) or _is_scalar(o) for o in value.operands)
    if not isinstance(value, Symbol) or value.call is None:
        return False
    return value.path in (_SINGLE if value.origin is Origin.BUILTIN else _OF_PROCESS)
