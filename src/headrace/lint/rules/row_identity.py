"""Which row a result is of: ids that mean the same row everywhere, and keys that stay with their answers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from headrace.lint.knowledge import CLOCKS, columns, columns_given, may_ask_for_gpu, place_of
from headrace.lint.model.module import Module
from headrace.lint.model.records import Call, Function, Operation
from headrace.lint.model.values import Computed, Constant, Entries, Items, Origin, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_NAMES = re.compile(r"(^|_)(id|uuid|path|uri|url|key|file|filename)$")
_ID = re.compile(r"(^|_)(id|ids|idx|index|key|row|number|no)$")
_COUNTERS = {"range()", "numpy.arange()", "torch.arange()", "itertools.count()"}
_KEPT = {"next()", "str()", "int()", "list()", "tuple()", "numpy.array()", "numpy.asarray()"}  # of a counter: still one


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
        function = operation.function
        if operation.name != "map_batches" or function is None:
            continue
        for entries in columns_given(function):
            ids = {k: v for k, v in entries.entries.items() if _ID.search(k.lower())}
            counted = [k for k, v in ids.items() if _is_counter(v)]
            if len(counted) == len(ids):  # beside a real id, a counter is a position: {"id": ..., "chunk_index": ...}
                for key in counted:
                    yield Finding(place_of(entries, key), _counted(key))
        for target, key in _assigned(module, function):
            yield Finding(target, _counted(key))
        for call in function.calls:  # frame.insert(0, "id", range(len(frame)))
            column = call.args[1].value if len(call.args) > 2 and isinstance(call.args[1], Constant) else None
            is_insert = call.name == f"{function.batch_parameter}.insert"
            if is_insert and isinstance(column, str) and _ID.search(column.lower()) and _is_counter(call.args[2]):
                yield Finding(call.node, _counted(column))


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
        function = operation.function
        keys = _keys(operation) if operation.name in {"map", "map_batches", "flat_map"} else frozenset()
        if function is None or not keys or not all(_passes_on(o, keys) for o in operation.chain[1:-1]):
            continue
        for result in (*function.returns, *function.yields):
            dicts = list(columns(result.value))
            if dicts and not any(_keeps(d, keys) for d in dicts) and isinstance(result.node, ast.expr | ast.stmt):
                key = " or ".join(sorted(keys))
                yield Finding(result.node, f"{function.qualname} drops the column {key}, which names the row")


@rule(
    id="HR029",
    name="results-without-names",
    category=Category.WRONG_RESULT,
    ray=">=2.3",
    title="the results do not say which file they are of",
    why="a row of read_images holds the image alone and rows are written in no fixed order, so no answer can be "
    "matched with its file",
    fix='say include_paths=True where the files are read, and return "path": batch["path"] beside the answers',
    bad="""
import ray

class Brightness:
    def __call__(self, batch):
        return {"brightness": [image.mean() for image in batch["image"]]}

ds = ray.data.read_images("photos/")
ds.map_batches(Brightness, batch_size=32).write_parquet("out/")
""",
    good="""
import ray

class Brightness:
    def __call__(self, batch):
        return {"path": batch["path"], "brightness": [image.mean() for image in batch["image"]]}

ds = ray.data.read_images("photos/", include_paths=True)
ds.map_batches(Brightness, batch_size=32).write_parquet("out/")
""",
    notes="Left alone: results that keep the image itself, or have a column that is called a path, name, id, key or "
    "hash; and functions of other modules, unless one of them gets a GPU.",
)
def results_without_names(module: Module) -> Iterator[Finding]:
    """A read of one file a row, without paths, whose mapped rows are written with nothing that says which it was."""
    for run in module.runs:
        read, steps = run.chain[0].call, run.chain[1:-1]
        if not run.name.startswith("write_") or run.name == "write_images":
            continue
        if read is None or run.chain[0].name not in _FILE_A_ROW or not _leaves_out_paths(read):
            continue
        maps = [step for step in steps if step.maps]
        if all(o.name in _ONLY_ROWS for o in steps) and any(map(_loses_image, maps)) and not any(map(_may_name, maps)):
            yield Finding(read.node, f"no row that {run.name}() writes says which file it is of")


_FILE_A_ROW = {"read_images", "read_binary_files", "read_audio"}
_ONLY_ROWS = {"map", "map_batches", "filter", "limit", "repartition", "random_shuffle", "random_sample", "materialize"}
_NAME = re.compile(r"(^|_)(id|ids|key|name|names|path|paths|file|files|filename|uri|url|hash|sha256|md5|uuid)$")
_IMAGE = re.compile(r"image|img|pixel|thumbnail|crop|frame|audio")


def _leaves_out_paths(read: Call) -> bool:
    if read.is_open or "partitioning" in read.keywords:
        return False
    return "include_paths" not in read.keywords or read.constant("include_paths") is False


def _loses_image(operation: Operation) -> bool:
    """Whether the content that was read is gone: by the dicts given back, or for a model on a GPU."""
    function = operation.function
    if function is None:
        return operation.call is not None and may_ask_for_gpu(operation.call)
    results = (*function.returns, *function.yields)
    parts = [p for r in results for v in possible(r.value) for p in _parts(v)]
    return bool(parts) and all(isinstance(p, Entries) and p.whole and not _has_content(p) for p in parts)


def _parts(value: Value) -> list[Value]:
    return [p for item in value.items for p in possible(item)] if isinstance(value, Items) else [value]


def _has_content(entries: Entries) -> bool:
    """Whether one of the columns is what was read: a column of the batch, arithmetic on it, or an image by its name."""
    if any(_IMAGE.search(k.lower()) for k in entries.entries):
        return True
    values = [v for e in entries.entries.values() for v in possible(e)]
    values += [p for v in values if isinstance(v, Computed) for p in v.operands]
    return any(isinstance(v, Symbol) and v.origin is Origin.PARAMETER and "()" not in v.path for v in values)


def _may_name(operation: Operation) -> bool:
    """Whether a function gives something back that is called a name, or is not known to give only other columns."""
    function = operation.function
    if function is None or operation.name == "filter":
        return False
    dicts = list(columns_given(function))
    return not dicts or any(not d.whole or any(_NAME.search(k.lower()) for k in d.entries) for d in dicts)


@rule(
    id="HR058",
    name="clock-as-duration",
    category=Category.WRONG_RESULT,
    title="a duration's column holds the time of day",
    why="time.time() alone is no duration: the column says 1.7e9 of every row, and no two runs write the same rows",
    fix="take the clock before and after and return the difference, or leave the column out",
    bad="""
import time

import ray

def double(batch):
    return {"id": batch["id"] * 2, "processing_time": [time.time()] * len(batch["id"])}

ray.data.range(8).map_batches(double).write_parquet("out/")
""",
    good="""
import time

import ray

def double(batch):
    start = time.perf_counter()
    doubled = batch["id"] * 2
    return {"id": doubled, "processing_time": [time.perf_counter() - start] * len(doubled)}

ray.data.range(8).map_batches(double).write_parquet("out/")
""",
)
def clock_as_duration(module: Module) -> Iterator[Finding]:
    """A column that is called a duration, and whose values are a clock's reading as it is."""
    for operation in module.maps:
        function = operation.function
        for entries in columns_given(function) if function is not None else ():
            for key, value in entries.entries.items():
                if _DURATION.search(key.lower()) and _is_clock(value):
                    yield Finding(place_of(entries, key), f'"{key}" is the time of day, not how long it took')


_DURATION = re.compile(
    r"(^|_)(duration|elapsed|latency|took)(_|$)|(batch|compute|infer|inference|load|model|predict|prediction|process"
    r"|processing|wall)_(time|seconds|secs?|s|ms)$"
)


def _is_clock(value: Value) -> bool:
    """Whether a value is a clock's reading, alone or repeated: `[time.time()] * n`."""
    if isinstance(value, Computed):
        return value.op == "Mult" and isinstance(value.operands[0], Items) and _is_clock(value.operands[0])
    if isinstance(value, Items):
        return bool(value.items) and all(_is_clock(v) for v in value.items)
    return isinstance(value, Symbol) and value.path.removesuffix("()") in CLOCKS


_RESHAPES = {
    "drop_columns", "flat_map", "groupby", "join", "map", "map_batches", "map_groups", "rename_columns",
    "select_columns", "aggregate",
}  # fmt: skip


def _passes_on(step: Operation, keys: frozenset[str]) -> bool:
    """Whether a step certainly gives the key on under its own name."""
    if step.name not in _RESHAPES:
        return True
    function = step.function
    if function is None or step.name not in {"map", "map_batches"}:
        return False
    given = [v for r in (*function.returns, *function.yields) for v in possible(r.value)]
    return bool(given) and all(isinstance(v, Entries) and keys & v.entries.keys() for v in given)


def _counted(key: str) -> str:
    return f'"{key}" is counted by each batch or worker for itself: other rows get the same'


def _is_counter(value: Value) -> bool:
    """Whether a value depends on nothing but a position in the batch, or on the batch's length."""
    counts = any(isinstance(v, Symbol) and _counts(v) for v in inputs(value))
    return counts and _is_local(value)


def _counts(symbol: Symbol) -> bool:
    return symbol.path == "enumerate()[0]" or symbol.path in _COUNTERS or _is_index(symbol)


def _is_index(symbol: Symbol) -> bool:
    """Whether it is the index of the DataFrame that a UDF gets: it starts at 0 in every batch."""
    function = symbol.function
    return function is not None and symbol.path == f"{function.batch_parameter}.index"


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
    if path == "len()" or path.endswith((".shape[0]", ".num_rows")) or _is_index(value):
        return True
    return path in _COUNTERS | _KEPT and call is not None and all(_is_local(v) for v in call.args)


def _assigned(module: Module, function: Function) -> Iterator[tuple[ast.expr, str]]:
    """`batch["id"] = range(len(batch))`, of a dict or DataFrame, in the UDF itself."""
    for node in function.parts:
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


def _is_empty(value: Value) -> bool:
    return isinstance(value, Items) and not value.items


def _keeps(entries: Entries, keys: frozenset[str]) -> bool:
    """Whether a dict has the key, something made of it, columns that are not known, or no rows at all."""
    if not entries.whole or keys & entries.entries.keys() or all(map(_is_empty, entries.entries.values())):
        return True
    if any(_NAMES.search(key.lower()) and _is_of_row(value) for key, value in entries.entries.items()):
        return True  # another column names the row as well
    made = [v.path for value in entries.entries.values() for v in inputs(value) if isinstance(v, Symbol)]
    return any(f'["{key}"]' in path for key in keys for path in made)


def _is_of_row(value: Value) -> bool:
    """Whether a column of the batch or row is passed on as it is."""
    return all(isinstance(v, Symbol) and v.origin is Origin.PARAMETER and v.path.endswith("]") for v in possible(value))
