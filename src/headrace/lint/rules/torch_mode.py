"""How a torch model is run: without gradients, and as it was trained to predict."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.lint.knowledge import is_torch_module, is_torchvision_model, runs_model
from headrace.lint.model.module import Module, Reached, reached
from headrace.lint.model.records import Call
from headrace.lint.model.values import FunctionValue, Instance, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_LOADERS = {"torch.load", "torch.jit.load", "torch.hub.load", "timm.create_model", "open_clip.create_model"}
_IN_TRAINING = {"torch.load", "timm.create_model"}  # what they give may be in training mode
_NO_GRADIENTS = ("no_grad", "inference_mode", "set_grad_enabled", "requires_grad_")
_LAYERS = ("Dropout", "BatchNorm", "torchvision.models.", "timm.create_model")


@rule(
    id="HR008",
    name="gradients-kept",
    category=Category.WASTES_MEMORY,
    title="a forward pass without inference_mode or no_grad",
    why="torch keeps every layer's activations for a backward pass that never comes, so batches must be far smaller",
    fix="put @torch.inference_mode() on __call__, or run the model in `with torch.inference_mode():`",
    bad="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).detach().numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
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
    notes="With gradients, `.numpy()` of an answer raises RuntimeError; a `.detach()` before it only hides the cause.",
)
def gradients_kept(module: Module) -> Iterator[Finding]:
    """A torch model called by a UDF, with nothing around it that turns gradients off."""
    if any(c.name.endswith(("set_grad_enabled", "requires_grad_", ".backward", "autograd.grad")) for c in module.calls):
        return
    for operation in module.maps:
        udf = operation.udf
        if udf is None or udf.function is None:
            continue
        for one in reached(udf.function):
            if _runs_torch(one.call) and not _is_without_gradients(one):
                yield Finding(one.call.node, f"{udf.name} runs the model with gradients")


@rule(
    id="HR009",
    name="eval-missing",
    category=Category.WRONG_RESULT,
    title="the model is not put in evaluation mode",
    why="in training mode dropout makes results random, and batch norm makes each row depend on its batch",
    fix="call .eval() on the model in __init__",
    bad="""
import ray
import torch
from torchvision.models import resnet50

class Predict:
    def __init__(self):
        self.model = resnet50(weights="DEFAULT")

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    good="""
import ray
import torch
from torchvision.models import resnet50

class Predict:
    def __init__(self):
        self.model = resnet50(weights="DEFAULT").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    notes="`from_pretrained` gives models in evaluation mode, and `torch.jit.load` those of the mode that was saved.",
)
def eval_missing(module: Module) -> Iterator[Finding]:
    """A torch model that a UDF calls, on which the module nowhere calls eval() and which it gives to nothing else."""
    elsewhere = {_made(v) for c in module.calls if c.name.endswith((".eval", ".train")) for v in possible(c.callee)}
    elsewhere |= {_made(v) for c in module.calls for a in (*c.args, *c.keywords.values()) for v in possible(a)}
    for operation in module.maps:
        udf = operation.udf
        for one in reached(udf.function) if udf is not None and udf.function is not None else ():
            for model in possible(one.call.callee):
                made = _made(model)
                if made is not None and made not in elsewhere and _runs_torch(one.call):
                    yield Finding(one.call.node, f"{operation.name} runs a model on which eval() was never called")


def _runs_torch(call: Call) -> bool:
    """Whether a call is a forward pass that may keep gradients: `model(x)` or `model.forward(x)`, no generate()."""
    if not runs_model(call):
        return False
    for value in possible(call.callee):
        if isinstance(value, Instance):
            return is_torch_module(value.cls)
        if isinstance(value, FunctionValue):
            return value.function.name == "forward"
        if isinstance(value, Symbol) and value.path.endswith(("()", ".forward")):
            steps = list(_steps(value))
            own = steps[-1].base  # Net().eval(), where it is not a library's
            is_own = isinstance(own, Instance) and is_torch_module(own.cls)
            return is_own or any(_loads_torch(s.call) for s in steps if s.call is not None)
    return False


def _loads_torch(call: Call) -> bool:
    name = call.name
    if name.startswith("transformers.") and name.endswith(".from_pretrained"):
        return not name.removeprefix("transformers.").startswith(("TF", "Flax"))
    return name in _LOADERS or is_torchvision_model(name)


def _steps(value: Value | None) -> Iterator[Symbol]:
    """`torch.load("m").to("cuda")`, then what it was made of: `torch.load("m")`."""
    while isinstance(value, Symbol):
        yield value
        value = value.base


def _is_without_gradients(one: Reached) -> bool:
    """Whether a with or decorator around the call, or round a call that leads to it, may turn gradients off."""
    for call in (*one.via, one.call):
        if any(not isinstance(w, Symbol) or any(n in w.path for n in _NO_GRADIENTS) for w in call.context.withs):
            return True
        around = [f for f in (call.context.function, call.target) if f is not None]
        decorators = [d for f in around for d in f.decorators if isinstance(d, Symbol)]
        if any(n in d.path for d in decorators for n in _NO_GRADIENTS):
            return True
    return False


def _made(value: Value | None) -> object:
    """What stands for one model, through its methods: the call that loaded it, or its class; None for others."""
    for step in _steps(value):
        call = step.call
        if call is not None and (call.name in _IN_TRAINING or is_torchvision_model(call.name)):
            return call.node
        value = step.base
    if isinstance(value, Instance) and is_torch_module(value.cls):
        parts = [v for a in value.cls.attributes.values() for v in inputs(a) if isinstance(v, Symbol)]
        return value.cls if any(layer in v.path for v in parts for layer in _LAYERS) else None
    return None
