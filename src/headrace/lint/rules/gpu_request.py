"""Whether a stage uses the GPU that it asks for, and asks for the one that it uses."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from headrace.lint.knowledge import builds, is_broad, is_whole_model
from headrace.lint.model.module import Module, Reached, reached
from headrace.lint.model.records import Call, Function, Handler, Udf
from headrace.lint.model.values import Constant, Entries, Items, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_DEVICES = ("device", "device_map", "map_location")
_Decided = dict[str, list[ast.expr]]
_ASKED_BY = ("torch.cuda.is_available", "torch.cuda.device_count", "tensorflow.config.list_physical_devices")
_ASKED = tuple(f"{name}()" for name in _ASKED_BY)


@rule(
    id="HR023",
    name="cpu-forced",
    category=Category.WASTES_ACCELERATOR,
    title="the model is put on the CPU though the stage asks for a GPU",
    why="Ray keeps a GPU for every worker of the stage and the model never touches it",
    fix='move the model to "cuda", or leave num_gpus out',
    notes="Also found: a broad except that goes on with the CPU. A worker that was given a GPU and cannot load on it "
    "should fail, for Ray to say so and start another.",
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

ray.data.read_parquet("in/").map_batches(Classify, batch_size=64, num_gpus=1).write_parquet("out/")
""",
)
def cpu_forced(module: Module) -> Iterator[Finding]:
    """Of a stage or actor with num_gpus: a model that is on the CPU on every way, or after any failure on the GPU."""
    excepted = {n for h in module.handlers if _hides_all(h) for s in h.node.body for n in ast.walk(s)}
    for name, functions in _with_gpu(module):
        calls = [r for f in functions for r in reached(f) if not r.is_remote]
        to_cpu = [one.call for one in calls if _moves_to(one.call, "cpu") and _is_about_a_model(one.call)]
        for call in (c for c in to_cpu if c.node in excepted):
            yield Finding(call.node, f"after any failure {name} goes on with the CPU unseen, and keeps the GPU")
        if any(_moves_to(c.call, "cuda") or _may_move(c.call) for c in calls):
            continue
        for call in (c for c in to_cpu if not c.context.branches and not _is_told(c, module)):
            yield Finding(call.node, f"{name} keeps its model on the CPU, and a GPU idle")


def _with_gpu(module: Module) -> Iterator[tuple[str, list[Function]]]:
    """What runs with a GPU of its own: the UDFs of map operations, and the classes of actors made by hand."""
    for operation in module.maps:
        udf, call = operation.udf, operation.call
        if udf is not None and call is not None and _asks_for_gpu(call):
            yield udf.name, [f for f in (udf.init, udf.function) if f is not None]
    for actor in module.actors:
        if actor.options is not None and _asks_for_gpu(actor.options):
            yield actor.cls.name, list(actor.cls.methods.values())


def _is_told(call: Call, module: Module) -> bool:
    """Whether the device is an argument of a function that is called in several places, in a trial say."""
    function = call.context.function
    given = [*call.node.args[:1], *(k.value for k in call.node.keywords if k.arg in {"device", "device_map"})]
    names = {a.arg for a in function.parameters} if function is not None else set()
    if not any(isinstance(g, ast.Name) and g.id in names for g in given):
        return False
    return sum(c.target is function for c in module.calls) > 1


def _hides_all(handler: Handler) -> bool:
    """Whether an except clause takes any error, and raises none."""
    return is_broad(handler) and not any(isinstance(n, ast.Raise) for n in ast.walk(handler.node))


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
        self.model = torch.jit.load("model.pt").eval().cuda()

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
        self.model = torch.jit.load("model.pt").eval().cuda()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"]).cuda()).cpu().numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64, num_gpus=1).write_parquet("out/")
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
ray.data.read_parquet("in/").map_batches(Predict, batch_size=64, num_gpus=gpus).write_parquet("out/")
""",
)
def driver_decides_gpus(module: Module) -> Iterator[Finding]:
    """num_gpus of a map operation or actor that torch.cuda, asked in the driver, decides."""
    if not any(name.startswith(_ASKED_BY) for c in module.calls for name in c.names):
        return
    decided = _decided(module)
    calls = [o.call for o in module.maps if o.call is not None]
    calls += [a.options for a in module.actors if a.options is not None]
    for call in calls:
        keyword = call.keyword_nodes.get("num_gpus")
        if keyword is None:
            continue
        tests = [b.node.test for b in call.context.branches if isinstance(b.node, ast.If) and _holds(b.node, call.node)]
        deciding = _given(module, keyword, decided) + (tests if _asks_for_gpu(call) else [])
        if any(_asked(module, node, decided) for node in deciding):
            yield Finding(keyword, "num_gpus depends on the driver's own GPU, not on the cluster's")


def _holds(branch: ast.If, call: ast.Call) -> bool:
    """Whether a call is written in an arm of the `if`; what follows one that leaves is no choice between two ways."""
    return branch.lineno <= call.lineno <= (branch.end_lineno or branch.lineno)


def _given(module: Module, keyword: ast.keyword, decided: _Decided) -> list[ast.expr]:
    """What num_gpus is written as: in the call, or in the dict that is spread there."""
    if keyword.arg is not None:
        return [keyword.value]
    spread = module.value(keyword.value)
    found = list(decided.get(f'{ast.unparse(keyword.value)}["num_gpus"]', []))
    if isinstance(spread, Entries) and isinstance(spread.node, ast.Dict):
        keys = zip(spread.node.keys, spread.node.values, strict=True)
        found += [v for k, v in keys if isinstance(k, ast.Constant) and k.value == "num_gpus"]
    elif isinstance(spread, Entries) and isinstance(spread.node, ast.Call):
        found += [k.value for k in spread.node.keywords if k.arg == "num_gpus"]
    return found


def _asks_for_gpu(call: Call) -> bool:
    value = call.keywords.get("num_gpus")
    return value is not None and all(v not in (Constant(0), Constant(None)) for v in possible(value))


def _all_calls(udf: Udf) -> list[Reached]:
    return [r for f in (udf.init, udf.function) if f is not None for r in reached(f) if not r.is_remote]


def _moves_to(call: Call, device: str) -> bool:
    """Whether a call certainly puts something on "cuda" or "cpu"."""
    name = call.name.rpartition(".")[2]
    if name in {"cuda", "cpu"}:
        return name == device and "()" in call.name
    given = [call.keywords[k] for k in _DEVICES if k in call.keywords]
    if name == "to":
        given += call.args[:1]
    providers = call.keywords.get("providers")
    if device == "cpu" and isinstance(providers, Items) and name == "InferenceSession":
        return providers.whole and providers.items == [Constant("CPUExecutionProvider")]
    return any(_is_device(v, device) for v in given if name != "device")


def _may_move(call: Call) -> bool:
    """Whether a call may put a model on a device that is not known: `.to(device)`, `accelerator.prepare(model)`."""
    given = [*call.args, *call.keywords.values()]
    if call.name.endswith(".to"):
        return any(not isinstance(v, Constant) and not _is_device(v, "cpu") for v in given)
    return call.target is None and any(is_whole_model(v) for v in given)


def _is_device(value: Value, device: str) -> bool:
    """Whether all that a value may be names the device: "cuda:0", torch.device("cuda"), 0; -1 for a pipeline's CPU."""

    def names(one: Value) -> bool:
        if isinstance(one, Symbol) and one.path == "torch.device()" and one.call is not None and one.call.args:
            return _is_device(one.call.args[0], device)
        text = one.value if isinstance(one, Constant) else None
        if isinstance(text, int) and not isinstance(text, bool):
            return (text < 0) == (device == "cpu")
        return str(text).startswith(device)

    return all(names(v) for v in possible(value))


def _is_about_a_model(call: Call) -> bool:
    if builds(call) == "model":
        return True
    moved = (v.base for v in possible(call.callee) if isinstance(v, Symbol))
    return any(is_whole_model(one) for one in moved if one is not None)


def _asked(module: Module, node: ast.expr, decided: _Decided, depth: int = 0) -> bool:
    """Whether an expression, or what its names were assigned, or the `if` around that, asks torch for a GPU."""
    parts = [n for n in ast.walk(node) if isinstance(n, ast.expr)]
    for part in parts:
        if any(isinstance(v, Symbol) and v.path.startswith(_ASKED) for v in inputs(module.value(part))):
            return True
    names = {n.id for n in parts if isinstance(n, ast.Name)}
    return depth <= 2 and any(_asked(module, by, decided, depth + 1) for name in names for by in decided.get(name, ()))


def _decided(module: Module) -> _Decided:
    """What each name is assigned, and what the `if` asks in whose arms that is done."""
    found: _Decided = defaultdict(list)
    ways: list[tuple[ast.expr, ast.stmt]] = [(s.value, s) for s in module.nodes(ast.Assign)]
    ways += [(s.test, inner) for s in module.nodes(ast.If) for inner in (*s.body, *s.orelse)]
    for by, statement in ways:
        for target in statement.targets if isinstance(statement, ast.Assign) else ():
            if isinstance(target, ast.Name):
                found[target.id].append(by)
            elif isinstance(target, ast.Subscript):
                found[ast.unparse(target).replace("'", '"')].append(by)
    for function in module.functions:  # by what it returns: `num_gpus=gpus()`
        for result in function.returns:
            if isinstance(result.node, ast.Return) and result.node.value is not None:
                tests = (b.test for b in result.context.branches[-1:] if isinstance(b.node, ast.If))
                found[function.name] += [result.node.value, *(t for t in tests if t is not None)]
    return found
