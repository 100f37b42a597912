"""What a UDF's results must hold: columns at all, and ids that mean the same row everywhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.records import Function, Operation
from headrace.lint.model.values import Computed, Constant, Entries, Items, Origin, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_ID = re.compile(r"(^|_)(id|ids|idx|index|key|row|number|no)$")
_SCALARS = {"int()", "float()", "str()", "len()", "bool()", "round()", "sum()", "abs()", "list()", "tuple()"}
_ARRAYS = {"numpy.array()", "numpy.asarray()", "numpy.stack()", "numpy.zeros()", "numpy.ones()"}
_COUNTERS = {"range()", "numpy.arange()", "torch.arange()", "itertools.count()"}
_KEPT = {"str()", "int()", "list()", "tuple()", "numpy.array()", "numpy.asarray()"}  # of a counter: still one


@rule(
    id="HR021",
    name="map-without-dict",
    category=Category.BREAKS,
    ray=">=2.5",
    title="map is given back something that is no dict",
    why="a row is a dict of columns; Ray raises on anything else, None of a function that returns nothing among it",
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
    """A number, text, list, array or nothing, returned by what map calls."""
    for operation in module.maps:
        function = operation.udf.function if operation.udf is not None else None
        if operation.name != "map" or function is None or function.yields:
            continue
        for result in function.returns:
            if any(_is_no_row(v) for v in possible(result.value)) and isinstance(result.node, ast.expr | ast.stmt):
                yield Finding(result.node, f"{function.name} gives map something that is no dict of columns")
        if not function.returns and isinstance(function.node, ast.FunctionDef) and _works(function.node):
            yield Finding(function.node, f"{function.name} returns nothing, where map needs the row")


@rule(
    id="HR026",
    name="batch-local-id",
    category=Category.WRONG_RESULT,
    title="a counter within the batch is used as an id",
    why="it starts at 0 again in every batch, so many rows share an id, and another batch size gives other ids",
    fix="carry a column that names the row through, as the path of read_images(include_paths=True)",
    bad="""
import ray

def label(batch):
    return {"id": list(range(len(batch["text"]))), "length": [len(t) for t in batch["text"]]}

ray.data.read_parquet("in/").map_batches(label).write_parquet("out/")
""",
    good="""
import ray

def label(batch):
    return {"id": batch["id"], "length": [len(t) for t in batch["text"]]}

ray.data.read_parquet("in/").map_batches(label).write_parquet("out/")
""",
)
def batch_local_id(module: Module) -> Iterator[Finding]:
    """A column named like an id whose values come of enumerate, range or arange over the batch alone."""
    for operation in module.maps:
        function = operation.udf.function if operation.udf is not None else None
        if operation.name != "map_batches" or function is None:
            continue
        for entries in _dicts(function):
            ids = {k: v for k, v in entries.entries.items() if _ID.search(k.lower())}
            counted = [k for k, v in ids.items() if _is_counter(v)]
            if len(counted) == len(ids):  # beside a real id, a counter is a position: {"id": ..., "chunk_index": ...}
                for key in counted:
                    yield Finding(_at(entries, key), f'"{key}" counts within one batch: it is the same in every batch')
        for target, key in _assigned(module, function):
            yield Finding(target, f'"{key}" counts within one batch: it is the same in every batch')


@rule(
    id="HR027",
    name="key-dropped",
    category=Category.WRONG_RESULT,
    title="the column that names the row is dropped",
    why="rows come back in no fixed order, so a result without its key belongs to no input",
    fix='pass it on, as {"path": batch["path"], "label": labels}',
    bad="""
import ray

def brightness(batch):
    return {"brightness": [image.mean() for image in batch["image"]]}

ds = ray.data.read_images("photos/", include_paths=True)
ds.map_batches(brightness, batch_size=32).write_parquet("out/")
""",
    good="""
import ray

def brightness(batch):
    return {"path": batch["path"], "brightness": [image.mean() for image in batch["image"]]}

ds = ray.data.read_images("photos/", include_paths=True)
ds.map_batches(brightness, batch_size=32).write_parquet("out/")
""",
    notes="Found where the script itself asks for the key: `include_paths=True`, or `columns=[...]` of a read that "
    "names an id or a path.",
)
def key_dropped(module: Module) -> Iterator[Finding]:
    """A dict given back that lacks the key which the read asked for, in any form."""
    for operation in module.maps:
        function = operation.udf.function if operation.udf is not None else None
        keys = _keys(operation) if operation.name in {"map", "map_batches", "flat_map"} else frozenset()
        if function is None or not keys or any(o.name in _RESHAPES for o in operation.chain[1:-1]):
            continue
        for result in (*function.returns, *function.yields):
            dicts = [v for v in possible(result.value) if isinstance(v, Entries)]
            if dicts and not any(_keeps(d, keys) for d in dicts) and isinstance(result.node, ast.expr | ast.stmt):
                key = " or ".join(sorted(keys))
                yield Finding(result.node, f"{function.name} drops the column {key}, which names the row")


_RESHAPES = {
    "drop_columns", "flat_map", "groupby", "join", "map", "map_batches", "map_groups", "rename_columns",
    "select_columns", "aggregate",
}  # fmt: skip


def _is_no_row(value: Value) -> bool:
    if isinstance(value, Symbol):
        return (value.origin is Origin.BUILTIN and value.path in _SCALARS) or value.path in _ARRAYS
    if isinstance(value, Computed):
        return value.op != "BitOr"  # of dicts
    return isinstance(value, Constant | Items)


def _works(node: ast.FunctionDef) -> bool:
    """Whether a body does something and comes to its end: no stub, and not one that only raises."""
    last = node.body[-1]
    return any(isinstance(s, ast.Assign | ast.AugAssign) for s in node.body) and not isinstance(last, ast.Raise)


def _dicts(function: Function) -> Iterator[Entries]:
    """The dicts that a function gives back, those in a list too."""
    for result in (*function.returns, *function.yields):
        for value in possible(result.value):
            parts = value.items if isinstance(value, Items) else [value]
            yield from (p for part in parts for p in possible(part) if isinstance(p, Entries))


def _is_counter(value: Value) -> bool:
    """Whether a value depends on nothing but a position in the batch, or on the batch's length."""
    counts = any(isinstance(v, Symbol) and _counts(v) for v in inputs(value))
    return counts and _is_local(value)


def _counts(symbol: Symbol) -> bool:
    return symbol.path == "enumerate()[0]" or symbol.path in _COUNTERS


def _is_local(value: Value) -> bool:
    if isinstance(value, Computed):
        return all(_is_local(v) for v in value.operands)
    if isinstance(value, Items):
        return bool(value.items) and all(_is_local(v) for v in value.items)
    if not isinstance(value, Symbol):
        return isinstance(value, Constant)
    path, call = value.path.removesuffix("[*]"), value.call
    if path == "enumerate()[0]":
        start = value.base.call if isinstance(value.base, Symbol) else None
        return start is None or all(_is_local(v) for v in (*start.args[1:], *start.keywords.values()))
    if path == "len()" or path.endswith((".shape[0]", ".num_rows")):
        return True
    return path in _COUNTERS | _KEPT and call is not None and all(_is_local(v) for v in call.args)


def _at(entries: Entries, key: str) -> ast.expr:
    """The value of `key` where the dict is written."""
    if isinstance(entries.node, ast.Dict):
        for name, value in zip(entries.node.keys, entries.node.values, strict=True):
            if isinstance(name, ast.Constant) and name.value == key:
                return value
    return entries.node


def _assigned(module: Module, function: Function) -> Iterator[tuple[ast.expr, str]]:
    """`batch["id"] = range(len(batch))`, of a dict or DataFrame, in the UDF itself."""
    for node in ast.walk(function.node):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Subscript):
            continue
        target = node.targets[0]
        key = target.slice.value if isinstance(target.slice, ast.Constant) else None
        if not isinstance(key, str) or not _ID.search(key.lower()) or not isinstance(target.value, ast.Name):
            continue
        if isinstance(module.value(node.value), Symbol | Items) and _is_counter(module.value(node.value)):
            yield target, key


def _keys(operation: Operation) -> frozenset[str]:
    """The columns that the pipeline's read was asked for and that name its rows."""
    call = operation.chain[0].call
    if call is None:
        return frozenset()
    if call.constant("include_paths") is True:
        return frozenset({"path"})
    columns = call.keywords.get("columns")
    names = [v.value for v in columns.items if isinstance(v, Constant)] if isinstance(columns, Items) else []
    return frozenset(n for n in names if isinstance(n, str) and re.search(r"(^|_)(id|path|uri|url|key)$", n.lower()))


def _keeps(entries: Entries, keys: frozenset[str]) -> bool:
    """Whether a dict has the key, something made of it, or columns that are not known."""
    if not entries.whole or keys & entries.entries.keys():
        return True
    made = [v.path for value in entries.entries.values() for v in inputs(value) if isinstance(v, Symbol)]
    return any(f'["{key}"]' in path for key in keys for path in made)
