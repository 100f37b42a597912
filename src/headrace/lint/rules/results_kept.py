"""Where a pipeline's rows end up."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.records import Call, Operation
from headrace.lint.model.values import Constant, Entries, Flow, Items, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_FEW_ROWS = 1000  # a limit() up to this is a look or a trial
_FEWER = frozenset({"aggregate", "filter", "groupby", "map_groups", "random_sample", "count", "unique"})
_ALL_ROWS = frozenset(f"ray.data.Dataset.{name}()" for name in ("take_all", "to_pandas", "iter_rows"))
_SLOW_FORMATS = {"write_json": "JSON", "write_csv": "CSV"}
_DUMPS = {"json.dump": "JSON", "pickle.dump": "pickle", "cloudpickle.dump": "pickle", "joblib.dump": "pickle"}
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
        if run.name not in {"take_all", "to_pandas"} or run.call is None or _is_small(run):
            continue
        maps = [o.name for o in run.chain if o.maps]
        if maps and not run.call.args and "limit" not in run.call.keywords and not run.call.is_open:
            yield Finding(run.call.node, f"{run.name}() brings every row of {maps[-1]} into the driver's memory")


@rule(
    id="HR037",
    name="slow-output-format",
    category=Category.SLOW,
    title="results are written as JSON, CSV or pickle",
    why="text is larger and slower to write and read than Parquet, loses types, and pickle is read only by Python",
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


def _dumped_as(call: Call) -> str | None:
    """The format in which a call writes all the rows of a pipeline; None where it does not."""
    if call.name in _DUMPS and call.args:
        return _DUMPS[call.name] if _holds_all_rows(call.args[0]) else None
    method = call.name.rpartition(".")[2]
    if call.name.startswith("ray.data.Dataset.to_pandas()") and method in _FRAME_METHODS:
        return _FRAME_METHODS[method] if _is_of_large_output(call.callee) else None
    return None


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
