"""Where a model is built, and how often."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.lint.knowledge import builds
from headrace.lint.model.module import Module, reached
from headrace.lint.rule import Category, Finding, rule


@rule(
    id="HR001",
    name="model-built-per-batch",
    category=Category.WASTES_ACCELERATOR,
    title="the model is built for every batch",
    why="loading takes seconds, a batch milliseconds: most of the run reads the same weights again",
    fix="give map_batches a class and build the model in its __init__: it is then built once for every worker",
    bad="""
import ray
import torch

class Predict:
    def __call__(self, batch):
        model = torch.load("model.pt")
        return {"score": model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    good="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
)
def model_built_per_batch(module: Module) -> Iterator[Finding]:
    """A call that builds a model, made by what a map operation calls, itself or through the module's functions."""
    for operation in module.maps:
        udf = operation.udf
        if udf is None or udf.function is None:
            continue
        for one in reached(udf.function):
            if builds(one.call) != "model" or one.is_guarded:
                continue
            through = f", through {one.via[0].target.name}()" if one.via and one.via[0].target is not None else ""
            what = one.call.name or "the model"
            where = f"{udf.cls.name}.__call__" if udf.cls is not None else udf.name
            yield Finding(one.call.node, f"{what} is built in {where}{through}: again for every batch")
