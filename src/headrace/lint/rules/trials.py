"""Trials of settings, results that are not there, and GPUs that nobody asks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from headrace.lint.knowledge import CLOCKS, builds, may_ask_for_gpu
from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import Call, Loop, Operation
from headrace.lint.model.values import ClassValue, Constant, Flow, Items, Symbol, possible
from headrace.lint.rule import Category, Finding, rule

_MEASURES = re.compile(r"(^|[._])(measure|benchmark|bench|time|throughput|profile)(_\w+)?$")
_LOOKS_INSIDE = frozenset({"len", "list", "sorted", "iter", "next", "sum", "ray.get", "ray.wait", "enumerate"})


@rule(
    id="HR040",
    name="result-of-write",
    category=Category.BREAKS,
    title="what a write returned is used",
    why="write_parquet and its kin return None once everything is written: what is done with it next raises",
    fix="read what was written: ray.data.read_parquet of the folder",
    error="'NoneType' object has no attribute 'count'",
    bad="""
import ray

written = ray.data.range(8).write_parquet("out/")
print(written.count())
""",
    good="""
import ray

ray.data.range(8).write_parquet("out/")
print(ray.data.read_parquet("out/").count())
""",
)
def result_of_write(module: Module) -> Iterator[Finding]:
    """An attribute, item, element or length taken of the None that a write of a dataset returns."""
    if not any(o.name.startswith("write_") for o in module.operations):
        return
    used = [n.value for n in module.nodes(ast.Attribute)] + [n.value for n in module.nodes(ast.Subscript)]
    used += [n.iter for n in module.nodes(ast.For)]
    used += [c.node.args[0] for c in module.calls if c.node.args and c.name in _LOOKS_INSIDE]
    for node in used:
        write = _write(module, node)
        if write is not None:
            yield Finding(node, f"{write}() has returned None")


def _write(module: Module, node: ast.expr) -> str | None:
    """The write that gave an expression's value, on every way."""
    values = possible(module.value(node))
    paths = [v.path for v in values if isinstance(v, Symbol) and v.path.startswith("ray.data.Dataset.write_")]
    all_of_it = len(paths) == len(values) and all(p.count("(") == 1 and p.endswith("()") for p in paths)
    return paths[0][len("ray.data.Dataset.") : -2] if all_of_it else None


@rule(
    id="HR046",
    name="sweep-times-model-loading",
    category=Category.WRONG_RESULT,
    title="a sweep of settings times the loading of the model with every one of them",
    why="each dataset starts workers of its own, so every time holds a load, which hides what the setting changes",
    fix="take the time of the batches in __call__ and return it as a column; the first batch of a worker is a warm-up",
    bad="""
import time

import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

for size in (16, 64, 256):
    start = time.perf_counter()
    ray.data.read_parquet("in/").map_batches(Predict, batch_size=size).write_parquet(f"out/{size}/")
    print(size, time.perf_counter() - start)
""",
    good="""
import time

import numpy as np
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        start = time.perf_counter()
        score = self.model(torch.as_tensor(batch["x"])).numpy()
        return {"score": score, "seconds": np.full(len(score), time.perf_counter() - start)}

for size in (16, 64, 256):
    ray.data.read_parquet("in/").map_batches(Predict, batch_size=size).write_parquet(f"out/{size}/")
""",
)
def sweep_times_model_loading(module: Module) -> Iterator[Finding]:
    """A class that builds a model, or asks for a GPU, whose dataset is built, run and timed in one loop."""
    clocks = [c for c in module.calls if CLOCKS.intersection(c.names)]
    measures = [c for c in module.calls if c.context.loops and _MEASURES.search(c.name)]
    for operation in module.maps:
        call = operation.call
        if call is None or not operation.context.loops or not _loads(operation, call):
            continue
        loop = operation.context.loops[-1]
        runs = [o for o in module.runs if operation in o.chain and _within(o.context.loops, loop)]
        is_timed = runs and sum(_within(c.context.loops, loop) for c in clocks) > 1
        if is_timed or any(_gets(c, operation) and _within(c.context.loops, loop) for c in measures):
            name = (operation.udf.name if operation.udf is not None else "") or "the class"
            yield Finding(call.node, f"every time that this loop takes holds the loading of {name}'s model")


def _gets(call: Call, operation: Operation) -> bool:
    """Whether a call is given the dataset: of another module's function that measures, which must then run it."""
    given = (v for a in (*call.args, *call.keywords.values()) for v in possible(a) if isinstance(v, Flow))
    return any(operation in v.last.chain for v in given)


def _loads(operation: Operation, call: Call) -> bool:
    """Whether the workers build a model when they start."""
    udf = operation.udf
    if udf is not None and udf.init is not None:
        return any(builds(one.call) == "model" for one in reached(udf.init))
    return may_ask_for_gpu(call) and udf is not None and udf.function is None and not isinstance(udf.value, ClassValue)


def _within(loops: tuple[Loop, ...], loop: Loop) -> bool:
    return any(one.node is loop.node for one in loops)


@rule(
    id="HR047",
    name="fewer-workers-than-gpus",
    category=Category.INFORMATION,
    title="the pipeline asks for fewer GPUs than the script says there are",
    why="the GPUs that no worker reserves stay idle for the whole run",
    fix="raise the pool's size, or leave it out: Ray Data then starts workers while there are GPUs",
    notes="More workers than the cluster holds are no mistake on Ray 2.60, though old advice warns of contention: the"
    " pool starts those that there is room for, and the others wait.",
    bad="""
import ray
from models import Predict

ray.init(num_gpus=4)
pool = ray.data.ActorPoolStrategy(size=1)
ray.data.read_parquet("in/").map_batches(Predict, batch_size=64, num_gpus=1, compute=pool).write_parquet("out/")
""",
    good="""
import ray
from models import Predict

ray.init(num_gpus=4)
pool = ray.data.ActorPoolStrategy(size=4)
ray.data.read_parquet("in/").map_batches(Predict, batch_size=64, num_gpus=1, compute=pool).write_parquet("out/")
""",
)
def fewer_workers_than_gpus(module: Module) -> Iterator[Finding]:
    """ray.init(num_gpus=N), and a pipeline whose pools of a fixed size ask for less than N in all."""
    counts = [c.constant("num_gpus") for c in module.calls_named("ray.init")]
    if len(counts) != 1 or not isinstance(counts[0], int):
        return
    for chain in module.pipelines:
        steps = [o for o in chain if o.maps and o.call is not None and "num_gpus" in o.call.keywords]
        asked = [_gpus(o.call) for o in steps if o.call is not None]
        known = [a for a in asked if a is not None]
        if not known or len(known) < len(asked) or not 0 < sum(known) < counts[0]:
            continue
        call = steps[-1].call
        if call is not None:
            message = f"{sum(known):g} of {counts[0]} GPUs are asked for: the others stay idle"
            yield Finding(call.keyword_nodes["num_gpus"], message)


def _gpus(call: Call) -> float | None:
    """The GPUs that all workers of an operation reserve; None where it is not known how many there are."""
    each = call.constant("num_gpus")
    size: object = call.constant("concurrency")
    given = call.keywords.get("compute")
    if isinstance(given, Symbol) and given.call is not None and given.path.endswith("PoolStrategy()"):
        size = given.call.constant("size") or given.call.constant("max_size")
    elif given is not None:
        return None
    spread = call.keywords.get("concurrency")
    if given is None and isinstance(spread, Items) and len(spread.items) > 1 and isinstance(spread.items[1], Constant):
        size = spread.items[1].value
    return each * size if isinstance(each, int | float) and isinstance(size, int) else None
