"""How often a pipeline runs."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.records import Operation
from headrace.lint.rule import Category, Finding, rule


@rule(
    id="HR030",
    name="pipeline-run-twice",
    category=Category.WASTES_ACCELERATOR,
    title="the same pipeline is run more than once",
    why="a dataset is a recipe: take, count, write_* and iter_batches each run it from the source, model and all",
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
)
def pipeline_run_twice(module: Module) -> Iterator[Finding]:
    """Two runs, both of which may happen, that share a map_batches which nothing has materialized."""
    ran: dict[Operation, list[Operation]] = defaultdict(list)  # each step's runs so far
    behind: dict[ast.AST, set[Operation]] = defaultdict(set)  # a run's steps on every way that leads to it
    for run in module.runs:
        if run.call is not None:
            behind[run.call.node].update(run.chain)
    for run in module.runs:
        for step in _work(run):
            may_precede = (o for o in ran[step] if run.call is not None and o not in behind[run.call.node])
            other = next((o for o in may_precede if _both_happen(run, o)), None)
            if other is not None and run.call is not None:
                message = f"{run.name}() runs {step.name} again, which {other.name}() has run"
                yield Finding(run.call.node, message)
                break
        for step in _work(run):
            ran[step].append(run)


def _both_happen(run: Operation, other: Operation) -> bool:
    if run.call is None or other.call is None or run.call.node is other.call.node:
        return False
    return not run.context.excludes(other.context)


def _work(run: Operation) -> Iterator[Operation]:
    """The steps that may hold a model and that a run does, the last first: those since something was materialized."""
    for step in reversed(run.chain[:-1]):
        if step.name == "materialize":
            return
        if step.name in {"map_batches", "flat_map", "map_groups"} or (
            step.udf is not None and step.udf.cls is not None
        ):
            yield step
