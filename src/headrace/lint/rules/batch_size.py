"""The size of the batches that a model gets, and trials of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.knowledge import CLOCKS, builds, may_ask_for_gpu, runs_model
from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import Call, Operation, Udf
from headrace.lint.model.values import UNKNOWN, Constant, Symbol, possible
from headrace.lint.rule import Category, Finding, rule

_TINY = 8  # rows: below it, a batch costs an accelerator about what one row does
_DIFFUSION = "diffusers."  # a row is seconds of work and gigabytes of memory: 2 or 4 may be the most
_TREES = ("joblib.", "xgboost.", "lightgbm.", "catboost.", "fasttext.", "spacy.")  # at ease with a block of any size


@rule(
    id="HR043",
    name="tiny-batch",
    category=Category.WASTES_ACCELERATOR,
    title="a model gets batches of less than 8 rows",
    why="the fixed cost of a batch (its copies, its kernels' start) is then most of the work",
    fix="start at batch_size=64 for images and 256 for text, and double it while the throughput rises",
    bad="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=2).write_parquet("out/")
""",
    good="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    notes="On a CPU small batches may be the best, with OpenVINO above all: say `# noqa: HR043` where you measured it.",
)
def tiny_batch(module: Module) -> Iterator[Finding]:
    """A batch_size that is below 8 on every way, where the function runs a model or asks for a GPU."""
    largest: dict[ast.AST, int] = {}  # of all that lead to a call: a trial of 4 rows beside the real run
    for _, call in _batched(module):
        sizes = [s for s in call.constants("batch_size") if isinstance(s, int)]
        largest[call.node] = max([*sizes, largest.get(call.node, 0)] if sizes else [_TINY])
    for operation, call in _batched(module):
        size = largest[call.node]
        models = _models(operation.udf)
        if any(m.name.startswith(_DIFFUSION) for m in models):
            continue
        if size < _TINY and (models or may_ask_for_gpu(call)):
            name = (operation.udf.name if operation.udf is not None else "") or "the model"
            rows = f"{size} rows" if size > 1 else "1 row"
            yield Finding(call.keyword_nodes["batch_size"], f"{name} gets {rows} at a time")


@rule(
    id="HR044",
    name="no-batch-size",
    category=Category.WASTES_MEMORY,
    ray=">=2.44",
    title="a model gets batches of no stated size",
    why="without batch_size= the whole block, up to 128 MiB of input, is one batch: its size changes with the data",
    fix="say batch_size=N",
    bad="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict).write_parquet("out/")
""",
    good="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    notes="With `num_gpus=` it is an error: HR013. Forests and boosted trees take a whole block well: no finding.",
)
def no_batch_size(module: Module) -> Iterator[Finding]:
    """No batch_size, or None, where the function runs a neural network and no GPU is asked for."""
    for operation, call in _batched(module):
        absent = call.keywords.get("batch_size", Constant(None)) == Constant(None)
        if not absent or (call.is_open and "batch_size" not in call.keywords) or may_ask_for_gpu(call):
            continue
        models = _models(operation.udf)
        if models and not any(m.name.startswith(_TREES) for m in models) and operation.udf is not None:
            node = call.keyword_nodes.get("batch_size", call.node)
            yield Finding(node, f"{operation.udf.name} gets a whole block at once: no batch_size is given")


@rule(
    id="HR045",
    name="trial-below-one-batch",
    category=Category.WRONG_RESULT,
    title="a trial has fewer rows than the batch size that it tries",
    why="limit(N) leaves one batch of N rows, so neither the time nor the memory is that of the size under test",
    fix="give the trial at least ten batches for each worker: limit(10 * batch_size * workers)",
    bad="""
import time

import ray

def double(batch):
    return {"id": batch["id"] * 2}

for size in (64, 128):
    start = time.perf_counter()
    ray.data.range(1000).limit(10).map_batches(double, batch_size=size).materialize()
    print(size, 10 / (time.perf_counter() - start))
""",
    good="""
import time

import ray

def double(batch):
    return {"id": batch["id"] * 2}

for size in (64, 128):
    start = time.perf_counter()
    ray.data.range(10_000).limit(10 * size).map_batches(double, batch_size=size).materialize()
    print(size, 10 * size / (time.perf_counter() - start))
""",
)
def trial_below_one_batch(module: Module) -> Iterator[Finding]:
    """limit(n) before map_batches(batch_size > n), in a sweep or in code that takes the time; a sweep of workers."""
    for operation, call in _batched(module):
        sizes = [s for s in call.constants("batch_size") if isinstance(s, int)]
        rows = _limit(operation)
        if rows is None or not sizes:
            continue
        if max(sizes) > rows and (len(sizes) > 1 or _is_timed(module, call)):
            above = ", ".join(str(s) for s in sorted(set(sizes)) if s > rows)
            message = f"the trial has {rows} rows: none of its batches has {above}"
            yield Finding(call.keyword_nodes["batch_size"], message)
        keyword, workers = _workers(call)
        if len(workers) > 1 and min(sizes) <= rows < min(sizes) * max(workers):
            message = f"the trial has {rows} rows: {max(workers)} workers do not get {min(sizes)} each"
            yield Finding(call.keyword_nodes[keyword], message)


@rule(
    id="HR062",
    name="text-batch-size",
    category=Category.BREAKS,
    ray=">=2.56",
    title='batch_size="default", or other text',
    why="Ray compares the text with a number of rows: a TypeError when the pipeline runs",
    fix="say batch_size=1024, or a size that you measured",
    error="'>=' not supported between instances of 'str' and 'int'",
    bad="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double, batch_size="default").materialize()
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double, batch_size=1024).materialize()
""",
    notes='"default" was 1024 rows until Ray 2.43, and a whole block, with a warning, until 2.55. Ray 2.60 knows one '
    'text: `batch_size="auto"`, where no GPU is asked for.',
)
def text_batch_size(module: Module) -> Iterator[Finding]:
    """A batch_size of map_batches that is text on every way, and not "auto"."""
    for _, call in _batched(module):
        sizes = possible(call.keywords.get("batch_size", UNKNOWN))
        texts = [s.value for s in sizes if isinstance(s, Constant) and isinstance(s.value, str) and s.value != "auto"]
        if len(texts) == len(sizes):
            yield Finding(call.keyword_nodes["batch_size"], f"batch_size={texts[0]!r} is no number of rows")


def _workers(call: Call) -> tuple[str, list[int]]:
    """The keyword that says how many workers there are, and all numbers that a sweep gives it."""
    given = call.keywords.get("compute")
    if isinstance(given, Symbol) and given.call is not None and given.path.endswith("ActorPoolStrategy()"):
        return "compute", [n for n in given.call.constants("size") if isinstance(n, int)]
    if given is not None:
        return "compute", []
    return "concurrency", [n for n in call.constants("concurrency") if isinstance(n, int)]


def _limit(operation: Operation) -> int | None:
    """The rows that are left by limit() before an operation; None where a step may have made more of them."""
    for step in reversed(operation.chain[:-1]):
        if step.name == "limit" and step.call is not None:
            given = step.call.args[0] if step.call.args else step.call.keywords.get("limit")
            value = given.value if isinstance(given, Constant) else None
            return value if isinstance(value, int) else None
        if step.name not in {"map", "random_shuffle", "repartition", "select_columns", "drop_columns", "materialize"}:
            return None
    return None


def _is_timed(module: Module, call: Call) -> bool:
    function = call.context.function
    return any(c.context.function is function and CLOCKS.intersection(c.names) for c in module.calls)


def _batched(module: Module) -> Iterator[tuple[Operation, Call]]:
    return ((o, o.call) for o in module.maps if o.name == "map_batches" and o.call is not None)


def _models(udf: Udf | None) -> list[Call]:
    """The calls that build or run a model, in what is run for a batch and in what prepares it."""
    if udf is None:
        return []
    functions = [f for f in (udf.function, udf.init) if f is not None]
    calls = (one.call for f in functions for one in reached(f))
    return [c for c in calls if builds(c) == "model" or runs_model(c)]
