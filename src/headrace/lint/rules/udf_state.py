"""What a UDF builds again, brings along, and where it may be kept."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.knowledge import builds, is_model
from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import Function, Operation, Udf
from headrace.lint.model.values import ClassValue, Constant, Entries, Items, Symbol, Value, possible
from headrace.lint.rule import Category, Finding, rule


@rule(
    id="HR002",
    name="preprocessor-built-per-batch",
    category=Category.SLOW,
    title="a tokenizer or transform is built for every batch",
    why="reading a vocabulary or composing a transform for each batch costs time that the batch itself does not need",
    fix="build it in the class's __init__, or once at the top of the module where it is small",
    bad="""
import ray
from transformers import AutoTokenizer

def tokenize(batch):
    tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased")
    return {"id": batch["id"], "tokens": tokenizer(list(batch["text"]))["input_ids"]}

ray.data.read_parquet("in/").map_batches(tokenize).write_parquet("out/")
""",
    good="""
import ray
from transformers import AutoTokenizer

class Tokenize:
    def __init__(self):
        self.tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased")

    def __call__(self, batch):
        return {"id": batch["id"], "tokens": self.tokenizer(list(batch["text"]))["input_ids"]}

ray.data.read_parquet("in/").map_batches(Tokenize).write_parquet("out/")
""",
)
def preprocessor_built_per_batch(module: Module) -> Iterator[Finding]:
    """A tokenizer or transform built by what a map operation calls, itself or through the module's functions."""
    for operation in module.maps:
        udf = operation.udf
        if udf is None or udf.function is None:
            continue
        built = [o for o in reached(udf.function) if builds(o.call) in {"tokenizer", "transform"} and not o.is_guarded]
        parts = {n for o in built for n in ast.walk(o.call.node) if n is not o.call.node}  # of a Compose: its list
        for one in built:
            if one.call.node not in parts:
                what = f"the {builds(one.call)} {one.call.name}"
                yield Finding(one.call.node, f"{what} is built again for every call of {_called(udf)}")


@rule(
    id="HR003",
    name="model-captured",
    category=Category.WASTES_MEMORY,
    title="a model is taken along from the driver",
    why="the driver loads the weights and Ray pickles them with the function: a copy in the driver, in the object "
    "store and in every worker, on whatever device the driver has",
    fix="give map_batches a class that builds the model in its __init__; pass a name or a path, not the model",
    bad="""
import ray
import torch

model = torch.load("model.pt").eval()

@torch.inference_mode()
def predict(batch):
    return {"score": model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(predict, batch_size=64).write_parquet("out/")
""",
    good="""
import ray
import torch

class Predict:
    def __init__(self, path):
        self.model = torch.load(path).eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

ds = ray.data.read_parquet("in/").map_batches(Predict, fn_constructor_args=("model.pt",), batch_size=64)
ds.write_parquet("out/")
""",
)
def model_captured(module: Module) -> Iterator[Finding]:
    """A model that a UDF or a helper of it takes from an outer scope, or is given by partial or fn_* arguments."""
    for operation in module.maps:
        if operation.udf is not None:
            yield from _given_models(operation, operation.udf)
            for function in _functions(operation.udf):
                for name, value in function.captured.items():
                    use = _use(function, name) if is_model(value) else None
                    if use is not None:
                        message = f"{function.name} takes the model {name} from outside: it is pickled along with it"
                        yield Finding(use, message)


@rule(
    id="HR004",
    name="class-in-tasks",
    category=Category.BREAKS,
    ray=">=2.5",
    title="a class is to run in tasks",
    why="a class keeps its state in an actor; Ray raises ValueError for a class with the task pool",
    fix="leave compute= out, or say compute=ray.data.ActorPoolStrategy(size=N)",
    error="can't schedule callable classes with the task pool strategy",
    bad="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, compute=ray.data.TaskPoolStrategy(size=2)).materialize()
""",
    good="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, compute=ray.data.ActorPoolStrategy(size=2)).materialize()
""",
)
def class_in_tasks(module: Module) -> Iterator[Finding]:
    """A class with `compute="tasks"` or a TaskPoolStrategy."""
    for operation in module.maps:
        udf, call = operation.udf, operation.call
        if udf is None or call is None or udf.partials or not isinstance(udf.value, ClassValue):
            continue
        if all(_is_task_pool(v) for v in possible(call.keywords.get("compute", Constant(None)))):
            message = f"the class {udf.name} cannot run in tasks: {operation.name} raises ValueError"
            yield Finding(call.keyword_nodes["compute"], message)


def _called(udf: Udf) -> str:
    return f"{udf.cls.name}.__call__" if udf.cls is not None else udf.name


def _given_models(operation: Operation, udf: Udf) -> Iterator[Finding]:
    """Models among the arguments of functools.partial, fn_args, fn_kwargs, fn_constructor_args and _kwargs."""
    for partial in udf.partials:
        for value, node in zip(partial.call.args, partial.call.node.args, strict=False):
            if is_model(value):
                yield Finding(node, f"the model is given to {udf.name} by partial: it is pickled along with it")
        for name, value in partial.call.keywords.items():
            if is_model(value):
                message = f"the model {name} is given to {udf.name} by partial: it is pickled along with it"
                yield Finding(partial.call.keyword_nodes[name], message)
    call = operation.call
    for name in ("fn_args", "fn_kwargs", "fn_constructor_args", "fn_constructor_kwargs"):
        given = call.keywords.get(name) if call is not None else None
        parts = (
            given.items if isinstance(given, Items) else given.entries.values() if isinstance(given, Entries) else ()
        )
        if call is not None and any(is_model(p) for p in parts):
            yield Finding(call.keyword_nodes[name], f"{name} holds a model: it is pickled along with {udf.name}")


def _functions(udf: Udf) -> list[Function]:
    """All of the module's functions that run in the UDF's worker."""
    starts = [f for f in (udf.function, udf.init) if f is not None]
    found = {id(f): f for f in starts}
    for start in starts:
        for one in reached(start):
            if one.call.target is not None:
                found.setdefault(id(one.call.target), one.call.target)
    return list(found.values())


def _use(function: Function, name: str) -> ast.Name | None:
    """Where a function first reads an outer name; None where it sets it itself (`global model`: loaded once)."""
    nodes = list(ast.walk(function.node))
    if any(isinstance(n, ast.Global | ast.Nonlocal) and name in n.names for n in nodes):
        return None
    uses = [n for n in nodes if isinstance(n, ast.Name) and n.id == name]
    return min(uses, key=lambda n: (n.lineno, n.col_offset), default=None)


def _is_task_pool(value: Value) -> bool:
    if isinstance(value, Symbol):
        return value.path.startswith("ray.data.") and value.path.endswith("TaskPoolStrategy()")
    return value == Constant("tasks")
