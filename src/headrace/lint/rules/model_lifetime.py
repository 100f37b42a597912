"""Where a model is built, and how often."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.lint.knowledge import builds, unpickled_model
from headrace.lint.model.module import Module, Reached, is_of_batch, is_over_batches, reached
from headrace.lint.model.records import Call, Function
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
        model = torch.jit.load("model.pt")
        return {"score": model(torch.as_tensor(batch["x"])).numpy()}

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
)
def model_built_per_batch(module: Module) -> Iterator[Finding]:
    """A call that builds a model, for every batch: in what a map operation calls, or in a loop over iter_batches()."""
    for function in _called_per_batch(module):
        calls = list(reached(function))
        unpickled = [unpickled_model(one.call) for one in calls]
        for one in calls:
            is_built = builds(one.call) == "model" or one.call in unpickled
            if is_built and not one.is_guarded and not is_of_batch(one.call, function):
                through = f", through {one.via[0].target.name}()" if one.via and one.via[0].target is not None else ""
                message = f"{_builds(one.call)} in {function.qualname}{through}, again for every batch"
                yield Finding(one.call.node, message)
    for call in module.calls:
        if (
            builds(call) == "model"
            and any(is_over_batches(loop) for loop in call.loops)
            and not Reached(call).is_guarded
        ):
            yield Finding(call.node, f"{_builds(call)} in a loop over batches, again for each")


def _builds(call: Call) -> str:
    return f"{call.name}() builds the model" if call.name else "the model is built"


def _called_per_batch(module: Module) -> Iterator[Function]:
    for operation in module.maps:
        if operation.udf is not None and operation.udf.function is not None:
            yield operation.udf.function
    for call in module.calls:
        if call.target is not None and any(is_over_batches(loop) for loop in call.loops):
            yield call.target
