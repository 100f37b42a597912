"""How many workers an operation gets, on what, and for batches of what size."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.lint.knowledge import may_ask_for_gpu
from headrace.lint.model.module import Module
from headrace.lint.model.values import UNKNOWN, Constant, Symbol, possible
from headrace.lint.rule import Category, Edit, Finding, rule


@rule(
    id="HR011",
    name="string-compute",
    category=Category.BREAKS,
    ray=">=2.5",
    title="compute= is given as text",
    why='"actors" and "tasks" were how old Ray said it; Ray 2.60 raises ValueError',
    fix="leave compute= out, or say compute=ray.data.ActorPoolStrategy(size=N) for a class",
    error="the compute spec must be either",
    bad="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, compute="actors").materialize()
""",
    good="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, compute=ray.data.ActorPoolStrategy(size=1)).materialize()
""",
    notes="A class always runs in actors and a function always in tasks: a model that `__init__` builds stays loaded"
    " without any `compute=`.",
)
def string_compute(module: Module) -> Iterator[Finding]:
    """Text as compute= of a map operation."""
    for operation in module.maps:
        call = operation.call
        found = [v for v in call.constants("compute") if isinstance(v, str)] if call is not None else []
        if call is not None and found:
            yield Finding(call.keyword_nodes["compute"], f'{operation.name}(compute="{found[0]}") raises ValueError')


@rule(
    id="HR012",
    name="compute-and-concurrency",
    category=Category.SLOW,
    ray=">=2.9",
    title="both compute= and concurrency= are given",
    why="a map operation silently ignores concurrency= beside compute=: the pool may not have the size that was meant",
    fix="take concurrency= out, and say the size in compute=",
    fixable=True,
    bad="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, compute=ray.data.ActorPoolStrategy(size=1), concurrency=4).materialize()
""",
    good="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, compute=ray.data.ActorPoolStrategy(size=1)).materialize()
""",
    notes="Reads do the opposite: they ignore `compute=` when both are given, with a warning.",
)
def compute_and_concurrency(module: Module) -> Iterator[Finding]:
    """A map operation with a concurrency, and a compute that is certainly not None."""
    for operation in module.maps:
        call = operation.call
        if call is None or not {"compute", "concurrency"} <= call.keywords.keys():
            continue
        computes = possible(call.keywords["compute"])
        strategies = [isinstance(v, Symbol) and v.path.endswith("PoolStrategy()") for v in computes]
        said = [isinstance(v, Constant) and isinstance(v.value, str) for v in computes]
        if call.keywords["concurrency"] == Constant(None) or not (all(strategies) or all(said)):
            continue
        keyword = call.keyword_nodes["concurrency"]
        edits = (Edit(keyword, ""),) if all(strategies) and keyword.arg == "concurrency" else ()
        yield Finding(keyword, f"{operation.name} ignores concurrency=, for it has compute= too", edits)


@rule(
    id="HR013",
    name="gpu-without-batch-size",
    category=Category.BREAKS,
    ray=">=2.23",
    title="map_batches asks for a GPU and has no batch size",
    why="no size fits every model and GPU, so Ray 2.60 raises ValueError, where older ones took 1024 or 4096 rows",
    fix="say batch_size=N, the largest that fits the GPU's memory",
    error="You must provide `batch_size` to `map_batches` when requesting GPUs",
    bad="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, num_gpus=1).materialize()
""",
    good="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, batch_size=64, num_gpus=1).materialize()
""",
)
def gpu_without_batch_size(module: Module) -> Iterator[Finding]:
    """num_gpus above 0, at least on some machines, and a batch_size that is absent, None or "auto"."""
    for operation in module.maps:
        call = operation.call
        if call is None or operation.name != "map_batches" or not may_ask_for_gpu(call):
            continue
        sizes = possible(call.keywords.get("batch_size", UNKNOWN if call.is_open else Constant(None)))
        if all(isinstance(s, Constant) and s.value in {None, "auto"} for s in sizes):
            yield Finding(call.keyword_nodes["num_gpus"], "map_batches(num_gpus=) needs an integer batch_size")


@rule(
    id="HR048",
    name="implied-cpu",
    category=Category.INFORMATION,
    opt_in=True,
    title="an operation on a GPU takes a CPU as well, without saying so",
    why="num_gpus= leaves num_cpus at 1: where other steps hold every CPU, the GPU idles",
    fix="say num_cpus= beside num_gpus=: 0 or a fraction where the model's own step needs little of it",
    bad="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

doubled = ray.data.range(8).map_batches(Double, batch_size=64, num_gpus=1)
""",
    good="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

doubled = ray.data.range(8).map_batches(Double, batch_size=64, num_gpus=1, num_cpus=0.25)
""",
    notes="It is what Ray means to do (ray issue 33908), and right for most pipelines: hence opt-in. Tutorials that set"
    " num_cpus on every operation tune what Ray Data schedules well by itself; a read with num_cpus=0.025 runs 40 tasks"
    " on a core. Where workers are killed for their memory, more num_cpus= only makes them fewer: memory= says what one"
    " needs.",
)
def implied_cpu(module: Module) -> Iterator[Finding]:
    """num_gpus above 0 without num_cpus."""
    for operation in module.maps:
        call = operation.call
        if call is not None and may_ask_for_gpu(call) and not call.is_open and "num_cpus" not in call.keywords:
            yield Finding(call.keyword_nodes["num_gpus"], f"{operation.name} takes 1 CPU too, for each of its workers")
