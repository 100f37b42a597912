"""Where a pipeline's rows end up."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.knowledge import columns
from headrace.lint.model.module import Module
from headrace.lint.model.records import Call, Operation
from headrace.lint.model.values import Constant, Entries, Flow, Items, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_FEW_ROWS = 1000  # a limit() up to this is a look or a trial
_FEWER = frozenset({"aggregate", "filter", "groupby", "map_groups", "random_sample", "count", "unique"})
_MANY_ROWS = 100_000  # take() of more is take_all()
_TAKES_ALL = frozenset({"take_all", "to_pandas"})
_ALL_ROWS = frozenset(f"ray.data.Dataset.{name}()" for name in ("take_all", "to_pandas", "iter_rows"))
_SLOW_FORMATS = {"write_json": "JSON", "write_csv": "CSV"}
_DUMPS = {"json.dump": "JSON", "pickle.dump": "pickle", "cloudpickle.dump": "pickle", "joblib.dump": "pickle"}
_FILE_METHODS = {"write": "JSON", "write_text": "JSON", "writelines": "JSON", "writerow": "CSV", "writerows": "CSV"}
_FRAME_METHODS = {"to_csv": "CSV", "to_json": "JSON", "to_pickle": "pickle"}


@rule(
    id="HR031",
    name="everything-in-the-driver",
    category=Category.WASTES_MEMORY,
    title="all results are taken into the driver",
    why="take_all() and to_pandas() hold every row in one process, which ends when its memory does",
    fix="write the results with write_parquet(), or go through them with iter_batches()",
    bad="""
import ray

rows = ray.data.read_parquet("in/").map_batches(lambda batch: {"id": batch["id"] * 2}).take_all()
""",
    good="""
import ray

ray.data.read_parquet("in/").map_batches(lambda batch: {"id": batch["id"] * 2}).write_parquet("out/")
""",
    notes="""
`limit()` of up to 1,000 rows before it, or `take_all(limit=...)`, is taken to be a trial; so is a dataset of
`from_items` and the like, whose rows were in the driver to begin with.
""",
)
def everything_in_the_driver(module: Module) -> Iterator[Finding]:
    """take_all or to_pandas of what a map operation gave, with nothing on the way that leaves few rows."""
    for run in module.runs:
        if run.call is None or _is_small(run) or not (run.name in _TAKES_ALL or _takes_many(run)):
            continue
        if _asked_for_size(run, module) or any(_is_one_row_a_batch(o) for o in run.chain):
            continue
        maps = [o.name for o in run.chain if o.maps]
        is_limited = run.name != "take" and (run.call.args or "limit" in run.call.keywords or run.call.is_open)
        if maps and not is_limited:
            yield Finding(run.call.node, f"{run.name}() brings every row of {maps[-1]} into the driver's memory")
    for call in module.calls:
        if call.name == "list" and call.args and _is_iterated(call.args[0]):
            yield Finding(call.node, "list() of all batches or rows keeps every one of them in the driver's memory")


@rule(
    id="HR037",
    name="slow-output-format",
    category=Category.SLOW,
    title="results are written as JSON, CSV or pickle",
    why="text is larger and slower to write and read than Parquet and loses types; pickle is read only by Python",
    fix="write Parquet: write_parquet()",
    bad="""
import ray

ray.data.read_parquet("in/").map_batches(lambda batch: {"id": batch["id"] * 2}).write_json("out/")
""",
    good="""
import ray

ray.data.read_parquet("in/").map_batches(lambda batch: {"id": batch["id"] * 2}).write_parquet("out/")
""",
    notes="""
Where somebody else's program asks for JSON or CSV, say so with `# noqa: HR037`. What is aggregated, filtered or
limited to 1,000 rows is not looked at: a small report may be CSV.
""",
)
def slow_output_format(module: Module) -> Iterator[Finding]:
    """write_json or write_csv after map_batches, and a dump of all that such a pipeline gave."""
    for run in module.runs:
        if run.name in _SLOW_FORMATS and run.call is not None and _has_large_output(run):
            what = f"{run.name}() writes the output of map_batches as {_SLOW_FORMATS[run.name]}"
            yield Finding(run.call.node, what)
    for call in module.calls:
        style = _dumped_as(call)
        if style is not None:
            yield Finding(call.node, f"the output of map_batches is written as {style}, by the driver alone")


def _takes_many(run: Operation) -> bool:
    """Whether it is take() of the whole dataset, by its count or by a number that is as good as that."""
    given = run.call.args[0] if run.name == "take" and run.call is not None and run.call.args else None
    if isinstance(given, Symbol):
        return given.path == "ray.data.Dataset.count()"
    return isinstance(given, Constant) and isinstance(given.value, int) and given.value > _MANY_ROWS


def _is_iterated(value: Value) -> bool:
    """Whether it is iter_rows() or iter_batches() of many rows of a map operation."""
    if not isinstance(value, Symbol) or not value.path.startswith("ray.data.Dataset.iter_") or value.call is None:
        return False
    flows = [v for v in possible(value.base) if isinstance(v, Flow)] if value.base is not None else []
    return any(any(o.maps for o in f.last.chain) and not _is_small(f.last) for f in flows)


def _asked_for_size(run: Operation, module: Module) -> bool:
    """Whether it stands behind an `if` that asks how much there is: `if ds.count() < 10_000:`."""
    tests = [b.node.test for b in run.context.branches if isinstance(b.node, ast.If | ast.IfExp)]
    asked = (v for t in tests for n in ast.walk(t) if isinstance(n, ast.expr) for v in inputs(module.value(n)))
    return any(isinstance(v, Symbol) and v.path.endswith((".count()", ".size_bytes()")) for v in asked)


def _is_one_row_a_batch(operation: Operation) -> bool:
    """Whether map_batches makes one row of each batch, a part of a sum: `{"total": [batch["x"].sum()]}`."""
    function = operation.function
    if operation.name != "map_batches" or function is None or not function.returns or function.yields:
        return False
    given = [list(columns(r.value)) for r in function.returns]
    values = [v for tables in given for table in tables for v in table.entries.values()]
    return all(given) and all(isinstance(v, Items) and v.whole and len(v.items) == 1 for v in values)


def _dumped_as(call: Call) -> str | None:
    """The format in which a call writes all the rows of a pipeline; None where it does not."""
    if call.name in _DUMPS and call.args:
        return _DUMPS[call.name] if _holds_all_rows(call.args[0]) else None
    method = call.name.rpartition(".")[2]
    if method in _FILE_METHODS and call.args:
        return _FILE_METHODS[method] if _holds_text_of_rows(call.args[0], method) else None
    if call.name.startswith("ray.data.Dataset.to_pandas()") and method in _FRAME_METHODS:
        return _FRAME_METHODS[method] if _is_of_large_output(call.callee) else None
    return None


def _holds_text_of_rows(value: Value, method: str) -> bool:
    """Whether what is written to a file is made of all the rows: json.dumps(row) + a line's end, or a row of CSV."""
    if method.startswith("writerow"):
        return _holds_all_rows(value)
    dumps = [v.call for v in inputs(value) if isinstance(v, Symbol) and v.path == "json.dumps()"]
    return any(_holds_all_rows(a) for call in dumps if call is not None for a in call.args[:1])


def _holds_all_rows(value: Value) -> bool:
    for one in possible(value):
        if isinstance(one, Items) and any(_holds_all_rows(v) for v in one.items):
            return True
        if isinstance(one, Entries) and any(_holds_all_rows(v) for v in one.entries.values()):
            return True
        if not isinstance(one, Symbol):
            continue
        if one.path.removesuffix("[*]") in _ALL_ROWS and _is_of_large_output(one):
            return True
        if one.path == "list()" and one.call is not None and any(_holds_all_rows(a) for a in one.call.args):
            return True
    return False


def _is_of_large_output(value: Value) -> bool:
    return any(isinstance(v, Flow) and _has_large_output(v.last) for v in inputs(value))


def _has_large_output(operation: Operation) -> bool:
    return any(o.name == "map_batches" for o in operation.chain) and not _is_small(operation)


def _is_small(operation: Operation) -> bool:
    """Whether few rows are left by then, as far as the pipeline says."""
    source = operation.chain[0]
    if source.name.startswith("from_") or (source.name.startswith("range") and _first_number(source) <= _FEW_ROWS):
        return True
    return any(o.name in _FEWER or (o.name == "limit" and _first_number(o) <= _FEW_ROWS) for o in operation.chain)


def _first_number(operation: Operation) -> float:
    """An operation's first argument; infinity where it is no literal number."""
    given = operation.call.args[0] if operation.call is not None and operation.call.args else None
    value = given.value if isinstance(given, Constant) else None
    return value if isinstance(value, int | float) else float("inf")
