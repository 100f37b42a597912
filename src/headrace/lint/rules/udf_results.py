"""What a function or class gives back to a map operation."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.values import Computed, Constant, Entries, Items, Origin, Symbol, Value, possible
from headrace.lint.rule import Category, Finding, rule

_SCALARS = {"int()", "float()", "str()", "len()", "bool()", "round()", "sum()", "abs()", "list()", "tuple()", "print()"}
_ARRAYS = {"numpy.array()", "numpy.asarray()", "numpy.stack()", "numpy.zeros()", "numpy.ones()"}
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
        for result in (*function.returns, *function.yields):
            if any(_is_list(v) for v in possible(result.value)):
                what = "a list of dicts" if _holds_dicts(result.value) else "a list"
                yield Finding(result.node, f"{function.qualname} gives {what} back to map_batches")  # type: ignore[arg-type]


@rule(
    id="HR021",
    name="map-without-dict",
    category=Category.BREAKS,
    ray=">=2.5",
    title="map or flat_map is given back something that is no dict",
    why="a row is a dict of columns; Ray raises on anything else, and on the None of a function without a return",
    fix='return a dict, as {"y": row["x"] * 2}',
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
    """A number, text, list, array or nothing, returned by what map calls; a list of them by what flat_map calls."""
    for operation in module.maps:
        function = operation.function
        if operation.name not in {"map", "flat_map"} or function is None or function.yields:
            continue
        is_flat = operation.name == "flat_map"
        gives = f"{function.qualname} gives {operation.name} {'a list of something' if is_flat else 'something'}"
        for result in function.returns:
            given = possible(result.value)
            rows = [r for v in given if isinstance(v, Items) for r in v.items] if is_flat else given
            if any(_is_no_row(p) for r in rows for p in possible(r)) and isinstance(result.node, ast.expr | ast.stmt):
                yield Finding(result.node, f"{gives} that is no dict of columns")
        node = function.node
        if not is_flat and not function.returns and isinstance(node, ast.FunctionDef) and _works(node):
            yield Finding(node, f"{function.qualname} returns nothing, where map needs the row")


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
        return (value.origin is Origin.BUILTIN and value.path in _SCALARS) or value.path in _ARRAYS
    if isinstance(value, Computed):
        return value.op != "BitOr"  # of dicts
    return isinstance(value, Constant | Items)


def _works(node: ast.FunctionDef) -> bool:
    """Whether a body does something and comes to its end: no stub, and not one that only raises."""
    last = node.body[-1]
    return any(isinstance(s, ast.Assign | ast.AugAssign) for s in node.body) and not isinstance(last, ast.Raise)
