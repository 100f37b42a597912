"""Results that have not left the GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.lint.knowledge import columns_given, place_of, runs_model
from headrace.lint.model.module import Module
from headrace.lint.model.values import Constant, Items, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_ABOUT = re.compile(r"\.config\.|\.(shape|device|dtype|ndim)(\[|$)")  # of a model or tensor: names and numbers
_LEAVES = (".cpu()", ".numpy()", ".tolist()", ".item()")


@rule(
    id="HR022",
    name="result-on-gpu",
    category=Category.WASTES_ACCELERATOR,
    title="the result holds tensors that are on the GPU",
    why="Ray makes NumPy columns of them, which torch refuses on the GPU: the batch fails after the model has run",
    fix="return .cpu().numpy()",
    bad="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval().cuda()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"]).cuda())}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64, num_gpus=1).write_parquet("out/")
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
    notes='It is not in the group "breaks on Ray 2.60" because that group is proven on machines without a GPU.',
)
def result_on_gpu(module: Module) -> Iterator[Finding]:
    """A value of the dict given back that comes of a CUDA tensor or model, and never was brought to the CPU."""
    for operation in module.maps:
        function = operation.function
        if function is None or operation.name == "filter":
            continue
        for entries in columns_given(function):
            for key, value in entries.entries.items():
                if _on_gpu(value):
                    yield Finding(place_of(entries, key), f'"{key}" is a tensor on the GPU')
        for stored in function.stored_columns:
            if _on_gpu(stored.value):
                yield Finding(stored.node, f'"{stored.key}" is a tensor on the GPU')


def _on_gpu(value: Value, depth: int = 0) -> bool:
    """Whether all that a value may be are tensors (or models) on the GPU; a list of them counts."""
    if depth > 20:
        return False
    if isinstance(value, Items):
        return bool(value.items) and all(_on_gpu(v, depth + 1) for v in value.items)
    return all(isinstance(v, Symbol) and _is_cuda(v, depth + 1) for v in possible(value))


def _is_cuda(symbol: Symbol, depth: int) -> bool:
    path, call = symbol.path, symbol.call
    if path.endswith(_LEAVES) or _ABOUT.search(path):
        return False
    if path.endswith(".encode()") and call is not None:  # of sentence_transformers and what derives from it
        asks = call.constant("convert_to_tensor") is True or call.constant("convert_to_numpy") is False
        return asks and "cuda" in str(call.constant("device"))
    if path.endswith(".cuda()"):
        return True
    if call is not None and path.endswith("()"):
        device = call.keywords.get("device", call.args[0] if path.endswith(".to()") and call.args else None)
        if device is not None and any(isinstance(v, Constant) and isinstance(v.value, str) for v in inputs(device)):
            return all(_says_cuda(v) for v in possible(device))
        if runs_model(call) or (path.startswith("torch.") and "()" not in call.name):
            return any(_on_gpu(a, depth) for a in (*call.args, *call.keywords.values()))
    return symbol.base is not None and _on_gpu(symbol.base, depth)


def _says_cuda(device: Value) -> bool:
    texts = [v.value for v in inputs(device) if isinstance(v, Constant) and isinstance(v.value, str)]
    return bool(texts) and all(t.startswith("cuda") for t in texts)
