"""How often a pipeline runs."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from headrace.lint.knowledge import may_ask_for_gpu, runs_model
from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import Call, LoopNode, Operation
from headrace.lint.rule import Category, Finding, rule

_TELLS = frozenset({"count", "size_bytes"})
_GOES_THROUGH = frozenset({"iter_batches", "take_all", "to_pandas"})  # Ray 2.60 then knows what _TELLS asks
_KEEPS = frozenset({"get_internal_block_refs", "size_bytes", "to_arrow_refs"})  # and here it has the blocks too

_KEPT = frozenset(  # what these give holds its blocks; streaming_split's parts do not
    {"materialize", "fully_executed", "split", "split_at_indices", "split_proportionately", "train_test_split"}
)


@rule(
    id="HR030",
    name="pipeline-run-twice",
    category=Category.WASTES_ACCELERATOR,
    title="the same pipeline is run more than once",
    why="a dataset is a recipe: take, count, write_* and materialize each run it from the source, model and all",
    fix="read what was written (ray.data.read_parquet of the output), or keep a small result with materialize() first",
    bad="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ds = ray.data.range(8).map_batches(double)
ds.write_parquet("out/")
print(ds.take(5))
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ds = ray.data.range(8).map_batches(double)
ds.write_parquet("out/")
print(ray.data.read_parquet("out/").take(5))
""",
    notes="""
What is left alone: `count()` and `size_bytes()` after `iter_batches()`, `take_all()` or `to_pandas()` of the same
dataset, for Ray knows them by then. `ds.materialize()` helps only through what it returns: `ds` itself runs again.
""",
)
def pipeline_run_twice(module: Module) -> Iterator[Finding]:
    """Two runs that may both happen, or one in a loop, of a map_batches which nothing has materialized."""
    ran: dict[Operation, list[Operation]] = defaultdict(list)  # each step's runs so far
    behind: dict[ast.AST, set[Operation]] = defaultdict(set)  # a run's steps on every way that leads to it
    for run in module.runs:
        if run.call is not None:
            behind[run.call.node].update(run.chain)
    for run in module.runs:
        step = next((s for s in _work(run) if _repeats(run, s)), None)
        if step is not None and run.call is not None:
            yield Finding(run.call.node, f"{run.name}() runs {step.name} and its model again in every turn of the loop")
    for run in _not_known(module.runs):
        for step in _work(run):
            may_precede = (o for o in ran[step] if run.call is not None and o not in behind[run.call.node])
            other = next((o for o in may_precede if _both_happen(run, o)), None)
            if other is not None and run.call is not None:
                message = f"{run.name}() runs {step.name} again, which {other.name}() has run"
                yield Finding(run.call.node, message)
                break
        for step in _work(run):
            ran[step].append(run)


def _repeats(run: Operation, step: Operation) -> bool:
    """Whether a loop runs a step that holds a model and was built before the loop; one that is left early may retry."""
    built_in = {loop.node for loop in step.context.loops}
    around = [loop.node for loop in run.context.loops if isinstance(loop.node, ast.For) and loop.node not in built_in]
    if run.call is None or not around or any(isinstance(n, ast.Break | ast.Return) for n in ast.walk(around[0])):
        return False
    if run.call.node in ast.walk(around[0].iter):
        around = around[1:]  # it is what the loop goes over: run once
    if _replaces_its_dataset(run.call, around):
        return False
    function = step.function
    holds = function is not None and any(runs_model(one.call) for one in reached(function))
    return bool(around) and (holds or (step.call is not None and may_ask_for_gpu(step.call)))


def _replaces_its_dataset(call: Call, loops: Iterable[LoopNode]) -> bool:
    """Whether what it gives is what the next turn starts from: `ds = ds.map_batches(...).materialize()`."""
    for node in (n for loop in loops for n in ast.walk(loop) if isinstance(n, ast.Assign)):
        inner = list(ast.walk(node.value))
        targets = {t.id for t in node.targets if isinstance(t, ast.Name)}
        if call.node in inner and any(isinstance(n, ast.Name) and n.id in targets for n in inner):
            return True
    return False


def _both_happen(run: Operation, other: Operation) -> bool:
    if run.call is None or other.call is None or run.call.node is other.call.node:
        return False
    return not run.context.excludes(other.context)


def _not_known(runs: Iterable[Operation]) -> Iterator[Operation]:
    """The runs but for those that Ray 2.60 answers from what an earlier one of the same dataset has left behind."""
    before: dict[Operation | None, list[Operation]] = defaultdict(list)
    for run in runs:
        earlier = [o for o in before[run.upstream] if _both_happen(run, o)]
        kept = any(o.name in _KEEPS for o in earlier) and run.name in _TELLS | _GOES_THROUGH | _KEEPS
        if not kept and not (run.name in _TELLS and any(o.name in _GOES_THROUGH for o in earlier)):
            yield run
        before[run.upstream].append(run)


def _work(run: Operation) -> Iterator[Operation]:
    """The steps that may hold a model and that a run does, the last first: those since something was materialized."""
    for step in reversed(run.chain[:-1]):
        if step.name in _KEPT:
            return
        if step.name in {"map_batches", "flat_map", "map_groups"} or (
            step.udf is not None and step.udf.cls is not None
        ):
            yield step
