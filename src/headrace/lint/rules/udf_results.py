"""What a function or class gives back to a map operation."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.records import Function, Operation
from headrace.lint.model.values import Computed, Constant, Entries, Items, Origin, Symbol, Value, possible
from headrace.lint.rule import Category, Finding, rule

_SCALARS = {"int()", "float()", "str()", "len()", "bool()", "round()", "sum()", "abs()", "list()", "tuple()", "print()"}
_ARRAYS = {"numpy.array()", "numpy.asarray()", "numpy.stack()", "numpy.zeros()", "numpy.ones()"}
_TABLES = {"pandas.DataFrame()", "pandas.Series()", "pandas.concat()", "pyarrow.table()", "pyarrow.Table.from_pydict()"}
_NO_BATCHES = {
    "int()",
    "float()",
    "str()",
    "len()",
    "bool()",
    "print()",
    "tuple()",
    "set()",
    "zip()",
    "map()",
    "range()",
}
_OF_TEXT = ("].lower()", "].upper()", "].strip()", "].split()", "].replace()", "].mean()", "].sum()", "].tolist()")


@rule(
    id="HR020",
    name="list-from-map-batches",
    category=Category.BREAKS,
    ray=">=2.5",
    title="map_batches is given back a list",
    why="a batch is a dict of columns, a DataFrame or an Arrow table; Ray raises on a list, after the model has run",
    fix='return a dict of columns, as {"label": labels, "score": scores}',
    error="Returning a list of objects from `map_batches` is not allowed",
    bad="""
import ray

def label(batch):
    results = []
    for value in batch["id"]:
        results.append({"label": int(value) % 2})
    return results

ray.data.range(8).map_batches(label).materialize()
""",
    good="""
import ray

def label(batch):
    return {"label": batch["id"] % 2}

ray.data.range(8).map_batches(label).materialize()
""",
)
def list_from_map_batches(module: Module) -> Iterator[Finding]:
    """A list, or DataFrame.to_dict("records"), returned or yielded by what map_batches calls."""
    for operation in module.maps:
        function = operation.function
        if operation.name != "map_batches" or function is None:
            continue
        for result in function.given_back:
            if any(_is_list(v) for v in possible(result.value)):
                what = "a list of dicts" if _holds_dicts(result.value) else "a list"
                yield Finding(result.node, f"{function.qualname} gives {what} back to map_batches")  # type: ignore[arg-type]


@rule(
    id="HR063",
    name="no-batch-from-map-batches",
    category=Category.BREAKS,
    ray=">=2.4",
    title="map_batches is given back None, a tuple or one value",
    why="a batch is a dict of columns, a DataFrame or an Arrow table; Ray raises on anything else, and on the None of "
    "a function without a return",
    fix='return the batch, or a dict of columns, as {"label": labels, "score": scores}',
    error="returned a value of type <class 'NoneType'>",
    bad="""
import ray

def double(batch):
    batch["id"] = batch["id"] * 2

ray.data.range(8).map_batches(double).materialize()
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double).materialize()
""",
)
def no_batch_from_map_batches(module: Module) -> Iterator[Finding]:
    """None, a tuple, text or a number that is written as what is given back to map_batches; no return at all."""
    for operation in module.maps:
        function = operation.function
        if operation.name != "map_batches" or function is None or not function.is_undecorated:
            continue
        for result in function.given_back:
            for node in result.written:
                what = _no_batch(operation, node, module)
                if what:
                    yield Finding(node, f"{function.qualname} gives {what} back to map_batches")
        if _returns_nothing(module, function):
            yield Finding(function.node, f"{function.qualname} returns nothing, where map_batches needs the batch")


@rule(
    id="HR021",
    name="map-without-dict",
    category=Category.BREAKS,
    ray=">=2.5",
    title="map is given back something that is no dict, or flat_map something that is no list of dicts",
    why="a row is a dict of columns; Ray raises on anything else, and on the None of a function without a return; "
    "of a dict that flat_map gets, it takes each key for a row",
    fix='return a dict, as {"y": row["x"] * 2}; for flat_map a list of dicts, as [row]',
    error="Standalone Python objects are not allowed in Ray >= 2.5",
    bad="""
import ray

ray.data.range(8).map(lambda row: row["id"] * 2).materialize()
""",
    good="""
import ray

ray.data.range(8).map(lambda row: {"id": row["id"] * 2}).materialize()
""",
)
def map_without_dict(module: Module) -> Iterator[Finding]:
    """A number, text, list, array, table or nothing, from what map calls; a dict or a list of those for flat_map."""
    for operation in module.maps:
        function = operation.function
        if operation.name not in {"map", "flat_map"} or function is None or function.is_generator:
            continue
        is_flat = operation.name == "flat_map"
        gives = f"{function.qualname} gives {operation.name} {'a list of something' if is_flat else 'something'}"
        for result in function.returns:
            given = possible(result.value)
            rows = [r for v in given if isinstance(v, Items) for r in v.items] if is_flat else given
            if any(_is_no_row(p) for r in rows for p in possible(r)) and isinstance(result.node, ast.expr | ast.stmt):
                yield Finding(result.node, f"{gives} that is no dict of columns")
            elif is_flat and all(_is_one_row(operation, v) for v in given):
                yield Finding(result.node, f"{function.qualname} gives flat_map one row, not a list of rows")  # type: ignore[arg-type]
        if not is_flat and _returns_nothing(module, function):
            yield Finding(function.node, f"{function.qualname} returns nothing, where map needs the row")


def _is_list(value: Value) -> bool:
    if isinstance(value, Symbol) and value.call is not None and value.path.endswith(".to_dict()"):
        return any(getattr(a, "value", None) == "records" for a in (*value.call.args, *value.call.keywords.values()))
    if isinstance(value, Symbol):
        return value.path in {"list()", "sorted()"} or value.path.endswith((".tolist()", ".to_pylist()"))
    return isinstance(value, Items) and value.kind == "list"


def _holds_dicts(value: Value) -> bool:
    return any(isinstance(v, Items) and any(isinstance(i, Entries) for i in v.items) for v in possible(value))


def _is_no_row(value: Value) -> bool:
    if isinstance(value, Symbol) and value.origin is Origin.PARAMETER:
        return value.path.endswith(_OF_TEXT)
    if isinstance(value, Symbol):
        return (value.origin is Origin.BUILTIN and value.path in _SCALARS) or value.path in _ARRAYS | _TABLES
    if isinstance(value, Computed):
        return value.op != "BitOr"  # of dicts
    return isinstance(value, Constant | Items)


def _is_one_row(operation: Operation, value: Value) -> bool:
    """Whether a value is a dict with columns, the row itself, or a DataFrame: what has names where rows should be."""
    if isinstance(value, Entries):
        return bool(value.entries) or not value.whole
    return _is_given(operation, value) or (isinstance(value, Symbol) and value.path in _TABLES)


def _is_given(operation: Operation, value: Value | None) -> bool:
    """Whether a value is the batch or row itself: what a partial adds in front of it is not."""
    function, udf = operation.function, operation.udf
    if function is None or udf is None or udf.partials or value is None:
        return False
    return function.is_batch(value)


def _no_batch(operation: Operation, node: ast.AST, module: Module) -> str:
    """What it is that a function gives back, where that is certainly no batch and no list; or ""."""
    if isinstance(node, ast.Return) or (isinstance(node, ast.Constant) and node.value is None):
        return "None"
    if isinstance(node, ast.Tuple | ast.Set):
        return f"a {type(node).__name__.lower()}"
    if isinstance(node, ast.JoinedStr | ast.Constant) and getattr(node, "value", None) is not ...:
        return "one value"
    value = module.value(node)
    if not isinstance(value, Symbol) or value.call is None:
        return ""
    if _is_given(operation, value.base):  # batch.update(y=...), frame.drop(columns="x", inplace=True)
        in_place = value.path.endswith(".update()") or value.call.constant("inplace") is True
        return "None" if in_place else ""
    if value.origin is Origin.BUILTIN and value.path in _NO_BATCHES:
        return f"what {value.path} gives"
    return ""


def _returns_nothing(module: Module, function: Function) -> bool:
    """Whether a function does something, comes to its end and never returns: no stub, and no page's shortened code."""
    node = function.node
    if isinstance(node, ast.Lambda) or not function.analysed or function.returns or function.is_generator:
        return False
    last, parts = node.body[-1], function.parts
    elided = any(isinstance(p, ast.Constant) and p.value is ... for p in parts)
    commented = module.text.split("\n")[node.end_lineno or 0 :][:1]
    leaves = any(isinstance(p, ast.Raise | ast.While | ast.Return) for p in ast.walk(last))
    works = any(isinstance(s, ast.Assign | ast.AugAssign) for s in node.body)
    return works and not leaves and not elided and not any(c.lstrip().startswith("#") for c in commented)
