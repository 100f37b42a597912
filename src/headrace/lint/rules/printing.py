"""What is printed while a pipeline runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.model.module import Module, Reached, reached
from headrace.lint.rule import Category, Finding, rule

_RARE = 100  # every hundredth batch is rare enough

_PRINTS = {"print", "pprint.pprint", "rich.print"}


@rule(
    id="HR056",
    name="print-per-batch",
    category=Category.SLOW,
    title="print is called for every batch or row",
    why="each line goes from the worker to the driver, and thousands of them hide the one that matters",
    fix="take it out, print once in __init__, or use ds.stats() and the progress bar",
    bad="""
import ray

def double(batch):
    print("batch of", len(batch["id"]))
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double).write_parquet("out/")
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double).write_parquet("out/")
""",
    notes="""
What is printed in an `except` clause or behind an `if` is left alone, but for `if i % 10 == 0`.
""",
)
def print_per_batch(module: Module) -> Iterator[Finding]:
    """print, called by what a map operation calls, itself or through the module's functions."""
    for operation in module.maps:
        udf = operation.udf
        if udf is None or udf.function is None:
            continue
        for one in reached(udf.function):
            if one.call.name in _PRINTS and not one.is_guarded and not _is_asked_for(one):
                per = "batch" if operation.name in {"map_batches", "map_groups"} else "row"
                yield Finding(one.call.node, f"print runs in {udf.name} for every {per}")


def _is_asked_for(one: Reached) -> bool:
    """Whether it stands behind a condition: a switch (`if self.verbose:`), or something rare (`if n % 1000 == 0:`)."""
    tests = (b.test for c in (*one.via, one.call) for b in c.context.branches)
    return any(t is not None and not _is_often(t) for t in tests)


def _is_often(test: ast.expr) -> bool:
    """Whether it is a counter's every tenth time, or so."""
    counters = (n.right for n in ast.walk(test) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mod))
    return any(isinstance(n, ast.Constant) and isinstance(n.value, int) and n.value < _RARE for n in counters)
