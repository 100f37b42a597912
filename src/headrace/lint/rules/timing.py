"""What a stopwatch round a pipeline really measures."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from headrace.lint.knowledge import CLOCKS
from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import Call, Function, Kind, Operation
from headrace.lint.model.values import Computed, Constant, Flow, Instance, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_LOOKS = frozenset({"take", "take_batch", "show"})
_DEFAULT_ROWS = 20  # of take, take_batch and show on Ray 2.60
_WHOLE = frozenset({"sort", "groupby", "map_groups", "random_shuffle", "repartition", "materialize", "aggregate"})
_WAITS = frozenset({"ray.get", "ray.wait"})  # for tasks and actors that may run anything
_SECONDS = frozenset({1, 60, 3600, 86_400})  # over a time: runs per second, minute, hour, day
_HARMLESS = frozenset({"print", "str", "repr", "type", "isinstance", "id"})


@rule(
    id="HR032",
    name="timing-of-construction",
    category=Category.WRONG_RESULT,
    title="a timing covers the building of a pipeline, not its run",
    why="map_batches only notes what is to be done and returns at once, so the time is that of building a plan",
    fix="run the pipeline between the two clock readings: write_parquet(), or materialize() when only time counts",
    bad="""
import time

import ray

start = time.time()
doubled = ray.data.range(1000).map_batches(lambda batch: {"id": batch["id"] * 2})
print(f"{time.time() - start:.2f} s")
doubled.write_parquet("out/")
""",
    good="""
import time

import ray

start = time.time()
ray.data.range(1000).map_batches(lambda batch: {"id": batch["id"] * 2}).write_parquet("out/")
print(f"{time.time() - start:.2f} s")
""",
)
def timing_of_construction(module: Module) -> Iterator[Finding]:
    """Lazy operations, and nothing that might run them, between two clock readings or in a stopwatch's `with`."""
    found = list(_differences(module))
    runs_from = {i.start for _, i in found if i.runs}  # the run is timed too, from where the building ends
    for node, interval in found:
        lazy = [o.name for o in interval.operations if o.kind is Kind.LAZY]
        if lazy and not interval.may_run and interval.end not in runs_from:
            yield Finding(node, f"this is the time to build {lazy[-1]}, which has not run yet")
    for watch, interval in _stopwatches(module):
        lazy = [o.name for o in interval.operations if o.kind is Kind.LAZY]
        if lazy and not interval.may_run:
            yield Finding(watch, f"this takes the time to build {lazy[-1]}, which has not run yet")


@rule(
    id="HR033",
    name="timing-of-first-rows",
    category=Category.WRONG_RESULT,
    title="a timing stops at the first rows",
    why="take() stops the pipeline at the rows it was asked for, so the time is mostly start-up and model loading",
    fix="time a run of the whole input or of a fixed limit(): materialize() or write_parquet()",
    bad="""
import time

import ray

start = time.time()
rows = ray.data.range(1000).map_batches(lambda batch: {"id": batch["id"] * 2}).take(20)
print(f"{time.time() - start:.2f} s")
""",
    good="""
import time

import ray

start = time.time()
ray.data.range(1000).map_batches(lambda batch: {"id": batch["id"] * 2}).materialize()
print(f"{time.time() - start:.2f} s")
""",
)
def timing_of_first_rows(module: Module) -> Iterator[Finding]:
    """Clock readings round take, take_batch or show of fewer rows than the pipeline may have, and no other run."""
    for _, interval in _differences(module):
        if interval.has_unknown or not all(r.name in _LOOKS for r in interval.runs):
            continue
        for run in interval.runs:
            rows, limit = _rows_taken(run), _limit(run)
            if rows is None or run.call is None or not _streams(run) or (limit is not None and limit <= rows):
                continue
            of = f" of {limit}" if limit is not None else ""
            yield Finding(run.call.node, f"{run.name}() ends the timed run after {rows}{of} rows")


@rule(
    id="HR034",
    name="throughput-of-other-rows",
    category=Category.WRONG_RESULT,
    title="a throughput divides by the wrong number of rows",
    why="the time is that of one number of rows and the count is another's, so rows per second come out wrong",
    fix="divide the number of rows that ran between the two clock readings, as limit() says or the output counts",
    bad="""
import time

import ray

start = time.time()
ray.data.range(1000).map_batches(lambda batch: {"id": batch["id"] * 2}).write_parquet("out/")
sample = ray.data.read_parquet("out/").take(100)
elapsed = time.time() - start
print(f"{len(sample) / elapsed:.1f} rows/s")
""",
    good="""
import time

import ray

start = time.time()
ray.data.range(1000).map_batches(lambda batch: {"id": batch["id"] * 2}).write_parquet("out/")
elapsed = time.time() - start
print(f"{ray.data.read_parquet('out/').count() / elapsed:.1f} rows/s")
""",
)
def throughput_of_other_rows(module: Module) -> Iterator[Finding]:
    """Rows over a difference of clock readings: of a take beside a whole run, or a literal that no run fits."""
    walked = _Walked(module)
    for node in module.nodes(ast.BinOp):
        value = module.value(node)
        if not isinstance(value, Computed) or value.op != "Div":
            continue
        above, below = value.operands
        for interval in _intervals(below, walked):
            message = _mismatch(above, interval)
            if message is not None and not interval.has_unknown:
                yield Finding(node, message)
                break


def _mismatch(above: Value, interval: Interval) -> str | None:
    """What is wrong with this count of rows for what ran in this time; None where nothing is known to be."""
    whole = [r for r in interval.runs if r.name not in _LOOKS and any(o.maps for o in r.chain)]
    for one in possible(above):
        taken = _taken_by(one)
        if taken is not None and whole:
            return f"these are the rows of {taken.rpartition('.')[2]}, the time is also that of {whole[0].name}()"
        if whole and _is_count_before_limit(one, whole[0]):
            return f"these are all the rows of the input, {whole[0].name}() runs up to {_limit(whole[0])}"
        if not isinstance(one, Constant) or not isinstance(one.value, int) or one.value in _SECONDS:
            continue
        if len(whole) == 1 and whole[0].name not in {"count", "to_pandas"}:
            limit = _limit(whole[0])
            if limit is not None and limit != one.value:
                return f"{one.value} rows are counted, {whole[0].name}() runs up to {limit}"
        if not whole and len(interval.runs) == 1:
            rows = _rows_taken(interval.runs[0])
            if rows is not None and rows != one.value:
                return f"{one.value} rows are counted, {interval.runs[0].name}() gives up to {rows}"
    return None


def _is_count_before_limit(value: Value, run: Operation) -> bool:
    """Whether it is the count() of a step of the pipeline that run, from before its limit()."""
    counted = value.base if isinstance(value, Symbol) and value.path == "ray.data.Dataset.count()" else None
    limits = [n for n, step in enumerate(run.chain) if step.name == "limit"]
    return isinstance(counted, Flow) and bool(limits) and counted.last in run.chain[: limits[0]]


def _taken_by(value: Value) -> str | None:
    """The path of the take() whose result len() is asked of."""
    if not isinstance(value, Symbol) or value.path != "len()" or value.call is None or not value.call.args:
        return None
    for one in possible(value.call.args[0]):
        if isinstance(one, Symbol) and one.path in {"ray.data.Dataset.take()", "ray.data.Dataset.take_batch()"}:
            return one.path
    return None


@dataclass(frozen=True, eq=False)
class Interval:
    """What stands between two readings of a clock. `has_unknown`: a dataset is given to code that is not known."""

    operations: tuple[Operation, ...]
    has_unknown: bool
    start: Call | None = None
    end: Call | None = None

    @property
    def runs(self) -> tuple[Operation, ...]:
        """The operations in it that run a pipeline."""
        return tuple(o for o in self.operations if o.kind is Kind.RUN)

    @property
    def may_run(self) -> bool:
        """Whether something in it runs, or may run, a pipeline."""
        return self.has_unknown or bool(self.runs) or any(o.name == "iterator" for o in self.operations)


class _Walked:
    """A module's calls and operations by where they are written: one pass, however many clock readings there are."""

    def __init__(self, module: Module) -> None:
        self.calls = module.calls
        self.order = {c.node: n for n, c in enumerate(module.calls)}
        self.operations: dict[ast.AST, list[Operation]] = defaultdict(list)
        for one in module.operations:
            if one.call is not None:
                self.operations[one.call.node].append(one)

    def between(self, start: Call, end: Call) -> Interval:
        """What runs after one call and before another, functions of the module gone into."""
        found = self.of(self.calls[self.order[start.node] + 1 : self.order[end.node]])
        return replace(found, start=start, end=end)

    def of(self, calls: list[Call]) -> Interval:
        """What these calls do."""
        nodes = dict.fromkeys(c.node for c in calls)
        for call in calls:
            if call.target is not None:
                nodes |= dict.fromkeys(r.call.node for r in reached(call.target))
        operations = [o for n in nodes for o in self.operations.get(n, ())]
        strange = (c for c in calls if c.target is None and c.node not in self.operations and c.name not in _HARMLESS)
        return Interval(tuple(operations), any(c.name in _WAITS or _gets_dataset(c) for c in strange))


def _stopwatches(module: Module) -> Iterator[tuple[ast.expr, Interval]]:
    """The bodies of `with timer():`, of a context manager of the module's own that reads a clock before and after."""
    made = {c.node: c for c in module.calls}
    watches = [(n, i.context_expr) for n in module.nodes(ast.With) for i in n.items]
    watches = [(n, e) for n, e in watches if isinstance(e, ast.Call) and e in made and _is_stopwatch(made[e])]
    walked = _Walked(module) if watches else None
    for node, expression in watches:
        inside = {n for s in node.body for n in ast.walk(s)}
        if walked is not None:
            yield expression, walked.of([c for c in module.calls if c.node in inside])


def _is_stopwatch(call: Call) -> bool:
    for one in possible(call.result):
        if isinstance(one, Instance):
            enter, leave = (one.cls.method(n) for n in ("__enter__", "__exit__"))
            return enter is not None and leave is not None and _readings(enter) > 0 and _readings(leave) > 0
    function = call.target
    manages = function is not None and any("contextmanager" in getattr(d, "path", "") for d in function.decorators)
    return manages and function is not None and _readings(function) > 1


def _readings(function: Function) -> int:
    return sum(c.name in CLOCKS for c in function.calls)


def _differences(module: Module) -> Iterator[tuple[ast.BinOp, Interval]]:
    walked = _Walked(module)
    for node in module.nodes(ast.BinOp):
        for interval in _intervals(module.value(node), walked):
            yield node, interval


def _intervals(value: Value, walked: _Walked) -> Iterator[Interval]:
    """What a value that is a time took: the differences of clock readings that it may be."""
    for one in possible(value):
        if not isinstance(one, Computed) or one.op != "Sub":
            continue
        end, start = (_reading(v) for v in one.operands)
        if end is not None and start is not None and end.context.function is start.context.function:
            yield walked.between(start, end)


def _reading(value: Value) -> Call | None:
    found = possible(value)
    one = found[0]
    return one.call if len(found) == 1 and isinstance(one, Symbol) and one.path.removesuffix("()") in CLOCKS else None


def _gets_dataset(call: Call) -> bool:
    given = (v for a in (call.callee, *call.args, *call.keywords.values()) for v in inputs(a))
    return any(isinstance(v, Flow) for v in given)


def _rows_taken(run: Operation) -> int | None:
    """How many rows take, take_batch or show asks for; None where it is not known."""
    if run.name not in _LOOKS or run.call is None or run.call.is_open:
        return None
    given = [*run.call.args[:1], *(run.call.keywords[k] for k in ("limit", "batch_size") if k in run.call.keywords)]
    if not given:
        return _DEFAULT_ROWS
    value = given[0].value if isinstance(given[0], Constant) else None
    return value if isinstance(value, int) else None


def _limit(run: Operation) -> int | None:
    """The smallest literal limit() before a run."""
    calls = [o.call for o in run.chain if o.name == "limit" and o.call is not None and o.call.args]
    values = [c.args[0].value for c in calls if isinstance(c.args[0], Constant)]
    return min((v for v in values if isinstance(v, int)), default=None)


def _streams(run: Operation) -> bool:
    """Whether rows reach the run one after the other, through a function, since the last step that takes all."""
    names = [o.name for o in run.chain]
    return any(o.maps for o in run.chain) and not _WHOLE & set(names)
