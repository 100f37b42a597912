"""Whether a stage uses the GPU that it asks for, and asks for the one that it uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.knowledge import builds, is_model
from headrace.lint.model.module import Module, Reached, reached
from headrace.lint.model.records import Call, Udf
from headrace.lint.model.values import Constant, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_ASKED = ("torch.cuda.is_available()", "torch.cuda.device_count()", "tensorflow.config.list_physical_devices()")


@rule(
    id="HR023",
    name="cpu-forced",
    category=Category.WASTES_ACCELERATOR,
    title="the model is put on the CPU though the stage asks for a GPU",
    why="Ray keeps a GPU for every worker of the stage and the model never touches it",
    fix='move the model to "cuda", or leave num_gpus out',
    bad="""
import ray
from transformers import pipeline

class Classify:
    def __init__(self):
        self.classify = pipeline("text-classification", device="cpu")

    def __call__(self, batch):
        return {"label": [r["label"] for r in self.classify(list(batch["text"]))]}

ray.data.read_parquet("in/").map_batches(Classify, batch_size=64, num_gpus=1).write_parquet("out/")
""",
    good="""
import ray
from transformers import pipeline

class Classify:
    def __init__(self):
        self.classify = pipeline("text-classification", device="cuda")

    def __call__(self, batch):
        return {"label": [r["label"] for r in self.classify(list(batch["text"]))]}

ds = ray.data.read_parquet("in/").map_batches(Classify, batch_size=64, num_gpus=1, num_cpus=1)
ds.write_parquet("out/")
""",
)
def cpu_forced(module: Module) -> Iterator[Finding]:
    """Of a stage with num_gpus: a model moved to the CPU, or built for it, on every way through the class."""
    for operation in module.maps:
        udf, call = operation.udf, operation.call
        if udf is None or call is None or not _asks_for_gpu(call):
            continue
        calls = _all_calls(udf)
        if any(_moves_to(c.call, "cuda") for c in calls):
            continue
        for one in calls:
            if not one.call.context.branches and _moves_to(one.call, "cpu") and _is_about_a_model(one.call):
                yield Finding(one.call.node, f"{udf.name} keeps its model on the CPU, and a GPU idle")


@rule(
    id="HR024",
    name="gpu-not-asked-for",
    category=Category.WASTES_ACCELERATOR,
    ray=">=2.4",
    title="the class uses a GPU that the stage does not ask for",
    why="Ray then starts as many workers as there are CPUs, on any node; all take the first GPU they see and share its "
    "memory, or find none",
    fix="say num_gpus=1 (or a share of one) and an integer batch_size in the map operation",
    bad="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("model.pt").eval().cuda()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"]).cuda()).cpu().numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    good="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("model.pt").eval().cuda()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"]).cuda()).cpu().numpy()}

ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64, num_gpus=1, num_cpus=1)
ds.write_parquet("out/")
""",
    notes="Ray 2.60 leaves CUDA_VISIBLE_DEVICES alone for workers without a GPU of their own "
    "(RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1 hides the GPUs, as older versions did).",
)
def gpu_not_asked_for(module: Module) -> Iterator[Finding]:
    """`.cuda()` or a device "cuda" on every way through a UDF whose operation has no num_gpus."""
    others = {"accelerator_type", "ray_remote_args_fn", "resources"}
    for operation in module.maps:
        udf, call = operation.udf, operation.call
        if udf is None or call is None or call.is_open or others & call.keywords.keys():
            continue
        if "num_gpus" in call.keywords and _asks_for_gpu(call):
            continue
        first = next((c for c in _all_calls(udf) if not c.call.context.branches and _moves_to(c.call, "cuda")), None)
        if first is not None:
            yield Finding(first.call.node, f"{udf.name} uses a GPU, but {operation.name} asks for none (num_gpus)")


@rule(
    id="HR025",
    name="driver-decides-gpus",
    category=Category.WASTES_ACCELERATOR,
    title="the driver's own GPU decides num_gpus",
    why="torch.cuda.is_available() answers for the machine that runs the script; a head node or laptop without a GPU "
    "sends the whole job to the CPUs",
    fix='ask the cluster, as ray.cluster_resources().get("GPU", 0), or say num_gpus=1',
    bad="""
import ray
import torch
from models import Predict

gpus = 1 if torch.cuda.is_available() else 0
ray.data.read_parquet("in/").map_batches(Predict, batch_size=64, num_gpus=gpus).write_parquet("out/")
""",
    good="""
import ray
from models import Predict

ray.init()
gpus = 1 if ray.cluster_resources().get("GPU", 0) else 0
ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64, num_gpus=gpus, num_cpus=1)
ds.write_parquet("out/")
""",
)
def driver_decides_gpus(module: Module) -> Iterator[Finding]:
    """num_gpus of a map operation or actor that torch.cuda, asked in the driver, decides."""
    calls = [o.call for o in module.maps if o.call is not None]
    calls += [a.options for a in module.actors if a.options is not None]
    for call in calls:
        keyword = call.keyword_nodes.get("num_gpus")
        if keyword is not None and keyword.arg is not None and _asked(module, keyword.value):
            yield Finding(keyword, "num_gpus depends on the driver's own GPU, not on the cluster's")


def _asks_for_gpu(call: Call) -> bool:
    value = call.keywords.get("num_gpus")
    return value is not None and all(v not in (Constant(0), Constant(None)) for v in possible(value))


def _all_calls(udf: Udf) -> list[Reached]:
    return [r for f in (udf.init, udf.function) if f is not None for r in reached(f)]


def _moves_to(call: Call, device: str) -> bool:
    """Whether a call certainly puts something on "cuda" or "cpu"."""
    name = call.name.rpartition(".")[2]
    if name in {"cuda", "cpu"}:
        return name == device and "()" in call.name
    given = [call.keywords[k] for k in ("device", "device_map") if k in call.keywords]
    if name == "to":
        given += call.args[:1]
    return any(_is_device(v, device) for v in given if name != "device")


def _is_device(value: Value, device: str) -> bool:
    """Whether all that a value may be names the device: "cuda:0", torch.device("cuda"), -1 for a pipeline's CPU."""

    def names(one: Value) -> bool:
        if isinstance(one, Symbol) and one.path == "torch.device()" and one.call is not None and one.call.args:
            return _is_device(one.call.args[0], device)
        text = one.value if isinstance(one, Constant) else None
        return text == -1 if device == "cpu" and isinstance(text, int) else str(text).startswith(device)

    return all(names(v) for v in possible(value))


def _is_about_a_model(call: Call) -> bool:
    if builds(call) == "model":
        return True
    return any(isinstance(v, Symbol) and v.base is not None and is_model(v.base) for v in possible(call.callee))


def _asked(module: Module, node: ast.expr, depth: int = 0) -> bool:
    """Whether an expression, or what its names were assigned, or the `if` around that, asks torch for a GPU."""
    parts = [n for n in ast.walk(node) if isinstance(n, ast.expr)]
    for part in parts:
        if any(isinstance(v, Symbol) and v.path.startswith(_ASKED) for v in inputs(module.value(part))):
            return True
    names = {n.id for n in parts if isinstance(n, ast.Name)}
    if not names or depth > 2:
        return False
    for statement in ast.walk(module.tree):
        if isinstance(statement, ast.If) and _sets(statement, names) and _asked(module, statement.test, depth + 1):
            return True
        if isinstance(statement, ast.Assign) and _sets(statement, names) and _asked(module, statement.value, depth + 1):
            return True
    return False


def _sets(statement: ast.If | ast.Assign, names: set[str]) -> bool:
    """Whether a statement, or one right in the arms of an `if`, binds one of the names."""
    assigned = [statement] if isinstance(statement, ast.Assign) else [*statement.body, *statement.orelse]
    targets = [t for s in assigned if isinstance(s, ast.Assign) for t in s.targets]
    return any(isinstance(t, ast.Name) and t.id in names for t in targets)
