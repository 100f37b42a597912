"""What a UDF builds again, brings along, and where it may be kept."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.knowledge import builds, is_whole_model
from headrace.lint.model.module import Module, is_of_batch, reached
from headrace.lint.model.records import Function, Operation, Udf
from headrace.lint.model.values import (
    ClassValue,
    Constant,
    Entries,
    FunctionValue,
    Instance,
    Items,
    Symbol,
    Value,
    possible,
)
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
        if any(is_of_batch(o.call, udf.function) for o in built):
            continue  # a size that the row itself says: another transform each time
        parts = {n for o in built for n in ast.walk(o.call.node) if n is not o.call.node}  # of a Compose: its list
        for one in built:
            if one.call.node not in parts:
                message = (
                    f"{one.call.name}() builds the {builds(one.call)} again in every call of {udf.function.qualname}"
                )
                yield Finding(one.call.node, message)


@rule(
    id="HR003",
    name="model-captured",
    category=Category.WASTES_MEMORY,
    title="a model is captured from the driver",
    why="the driver loads the weights and Ray pickles them with the function: a copy in the driver, in the object "
    "store and in every worker, on whatever device the driver has",
    fix="give map_batches a class that builds the model in its __init__; pass a name or a path, not the model",
    bad="""
import ray
import torch

model = torch.jit.load("model.pt").eval()

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
        self.model = torch.jit.load(path).eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"score": self.model(torch.as_tensor(batch["x"])).numpy()}

ds = ray.data.read_parquet("in/").map_batches(Predict, fn_constructor_args=("model.pt",), batch_size=64)
ds.write_parquet("out/")
""",
)
def model_captured(module: Module) -> Iterator[Finding]:
    """A model that a UDF takes from an outer scope, or is given by partial, fn_* arguments or the object it is of."""
    for operation in module.maps:
        if operation.udf is not None:
            yield from _given_models(operation, operation.udf)
            yield from _bound_models(operation, operation.udf)
            for function in _functions(operation.udf):
                for name, value in function.captured.items():
                    use = _use(function, name, _held(value, function))
                    if use is not None:
                        what = f"{function.qualname} takes {ast.unparse(use)}, a model, from outside"
                        yield Finding(use, f"{what}: it is pickled along with it")


@rule(
    id="HR004",
    name="class-in-tasks",
    category=Category.BREAKS,
    ray=">=2.4",
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
        computes = possible(call.keywords.get("compute", Constant(None)))
        if all(v == Constant("tasks") or _is_pool(v, "TaskPoolStrategy()") for v in computes):
            message = f"the class {udf.name} cannot run in tasks: {operation.name} raises ValueError"
            yield Finding(call.keyword_nodes["compute"], message)


@rule(
    id="HR061",
    name="function-in-actors",
    category=Category.BREAKS,
    ray=">=2.9",
    title="a function is to run in actors",
    why="only a class has a state that an actor keeps; Ray raises ValueError for a function with an actor pool",
    fix="make it a class with __call__; or say compute=ray.data.TaskPoolStrategy(size=N), or nothing, for a function",
    error="can't schedule regular functions with the actor pool strategy",
    bad="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double, compute=ray.data.ActorPoolStrategy(size=2)).materialize()
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double, compute=ray.data.TaskPoolStrategy(size=2)).materialize()
""",
    notes="A `functools.partial` is a function to Ray, also one of a class: give the class its arguments by"
    " `fn_constructor_kwargs=` instead. `concurrency=(1, 4)`, a pool of 1 to 4, fails for functions in the same way.",
)
def function_in_actors(module: Module) -> Iterator[Finding]:
    """A function, method or partial with an ActorPoolStrategy, or with a range as its concurrency."""
    for operation in module.maps:
        udf, call = operation.udf, operation.call
        if udf is None or call is None or not (udf.partials or isinstance(udf.value, FunctionValue)):
            continue
        compute, spread = (call.keywords.get(k, Constant(None)) for k in ("compute", "concurrency"))
        what = "the partial" if udf.partials else "the function"
        if all(_is_pool(v, "ActorPoolStrategy()") for v in possible(compute)):
            message = f"{what} {udf.name} cannot run in actors: {operation.name} raises ValueError"
            yield Finding(call.keyword_nodes["compute"], message)
        elif compute == Constant(None) and isinstance(spread, Items) and spread.kind == "tuple":
            message = f"{what} {udf.name} has no pool with a range of sizes: {operation.name} raises ValueError"
            yield Finding(call.keyword_nodes["concurrency"], message)


def _given_models(operation: Operation, udf: Udf) -> Iterator[Finding]:
    """Models among the arguments of functools.partial, fn_args, fn_kwargs, fn_constructor_args and _kwargs."""
    for partial in udf.partials:
        for value, node in zip(partial.call.args, partial.call.node.args, strict=False):
            if is_whole_model(value):
                yield Finding(node, f"the model is given to {udf.name} by partial: it is pickled along with it")
        for name, value in partial.call.keywords.items():
            if is_whole_model(value):
                message = f"the model {name} is given to {udf.name} by partial: it is pickled along with it"
                yield Finding(partial.call.keyword_nodes[name], message)
    call = operation.call
    for name in ("fn_args", "fn_kwargs", "fn_constructor_args", "fn_constructor_kwargs"):
        given = call.keywords.get(name) if call is not None else None
        parts = (
            given.items if isinstance(given, Items) else given.entries.values() if isinstance(given, Entries) else ()
        )
        if call is not None and any(is_whole_model(p) for p in parts):
            yield Finding(call.keyword_nodes[name], f"{name} holds a model: it is pickled along with {udf.name}")


def _bound_models(operation: Operation, udf: Udf) -> Iterator[Finding]:
    """The model in an attribute of the object that is given, `Predict()`, or whose method is."""
    bound = udf.value.bound if isinstance(udf.value, FunctionValue) else udf.value
    call = operation.call
    if not isinstance(bound, Instance) or call is None or udf.function is None or udf.partials:
        return
    for name in sorted(_model_attributes(bound, udf.function))[:1]:
        node = call.node.args[0] if call.node.args else call.node
        yield Finding(node, f"the {bound.cls.name} is pickled with its model, self.{name}, for every task")


def _functions(udf: Udf) -> list[Function]:
    """All of the module's functions that run in the UDF's worker."""
    starts = [f for f in (udf.function, udf.init) if f is not None]
    found = {id(f): f for f in starts}
    for start in starts:
        for one in reached(start):
            if one.call.target is not None:
                found.setdefault(id(one.call.target), one.call.target)
    return list(found.values())


def _held(value: Value, function: Function) -> set[str] | None:
    """The attributes that hold models of an object from outside; empty for a model, or a list or dict of them."""
    if isinstance(value, Instance):
        return _model_attributes(value, function) or None
    parts: list[Value] = [value]
    if isinstance(value, Entries):
        parts = [v for k, v in value.entries.items() if k not in value.places]  # what is put in later is a cache
    elif isinstance(value, Items) and isinstance(value.node, ast.List | ast.Tuple | ast.ListComp):
        parts = value.items[: len(getattr(value.node, "elts", [value.node]))]
    return set() if any(is_whole_model(p) for p in parts) else None


def _model_attributes(instance: Instance, function: Function) -> set[str]:
    """The attributes with models that a function uses, and does not set itself (then it loads them where it runs)."""
    held = {n for c in instance.cls.lineage() for n, v in c.attributes.items() if is_whole_model(v)}
    runs = [function, *(one.call.target for one in reached(function) if one.call.target is not None)]
    nodes = [n for f in runs for n in f.parts if isinstance(n, ast.Attribute) and n.attr in held]
    return {n.attr for n in nodes} - {n.attr for n in nodes if isinstance(n.ctx, ast.Store)}


def _use(function: Function, name: str, attributes: set[str] | None) -> ast.expr | None:
    """Where a function first reads an outer name; None where it sets it itself (`global model`: loaded once)."""
    nodes = function.parts
    if attributes is None or any(isinstance(n, ast.Global | ast.Nonlocal) and name in n.names for n in nodes):
        return None
    uses: list[ast.expr] = [n for n in nodes if isinstance(n, ast.Name) and n.id == name]
    if attributes:
        parts = (n for n in nodes if isinstance(n, ast.Attribute) and n.attr in attributes)
        uses = [n for n in parts if isinstance(n.value, ast.Name) and n.value.id == name]
    return min(uses, key=lambda n: (n.lineno, n.col_offset), default=None)


def _is_pool(value: Value, strategy: str) -> bool:
    return isinstance(value, Symbol) and value.path.startswith("ray.data.") and value.path.endswith(strategy)
