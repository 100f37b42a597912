"""How images travel between the steps of a pipeline."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.knowledge import columns, may_ask_for_gpu, runs_model
from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import Call, Function, Operation, Result
from headrace.lint.model.values import Computed, Constant, Entries, Origin, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_COLUMNS = frozenset({"image", "images", "img", "imgs", "pixels", "pixel_values", "photo", "photos", "frame", "frames"})
_WIDE = {"float32": 4, "float64": 8, "float": 8, "double": 8}  # bytes a value
_PROJECTS = frozenset({"drop_columns", "select_columns"})
_LARGEST_LEVEL = 255


@rule(
    id="HR038",
    name="image-carried-past-model",
    category=Category.WASTES_MEMORY,
    title="the image column is carried past the model",
    why="decoded photos are hundreds of times larger than the answers, and each later step and the output hold them",
    fix="return the key and the answers only",
    bad="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        batch["score"] = self.model(torch.as_tensor(batch["image"])).numpy()
        return batch

images = ray.data.read_images("in/", size=(224, 224), include_paths=True)
images.map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    good="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"path": batch["path"], "score": self.model(torch.as_tensor(batch["image"])).numpy()}

images = ray.data.read_images("in/", size=(224, 224), include_paths=True)
images.map_batches(Predict, batch_size=64).write_parquet("out/")
""",
)
def image_carried_past_model(module: Module) -> Iterator[Finding]:
    """The batch, or its image column, given back by the last function that runs a model."""
    for operation in module.maps:
        function = operation.function
        if function is None or not any(runs_model(r.call) for r in reached(function)):
            continue
        if any(o.maps or o.name in _PROJECTS for o in _after(operation)) or not _has_images(operation, function):
            continue
        if _makes_images(function):
            continue
        for result in (*function.returns, *function.yields):
            if _gives_images(result, function, module):
                yield Finding(result.node, f"{function.qualname} gives the images back with its answers")  # type: ignore[arg-type]


@rule(
    id="HR039",
    name="float-images-between-stages",
    category=Category.WASTES_MEMORY,
    title="images pass between stages as floats",
    why="float32 takes four times the bytes of uint8 in the object store and on the way to the model, float64 eight",
    fix="pass uint8 on, and scale in the model's class, on its device: x.to(device).float().div_(255)",
    bad="""
import numpy as np
import ray
import torch

def scale(batch):
    return {"path": batch["path"], "image": batch["image"].astype(np.float32) / 255}

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"path": batch["path"], "score": self.model(torch.as_tensor(batch["image"])).numpy()}

images = ray.data.read_images("in/", size=(224, 224), include_paths=True)
images.map_batches(scale, batch_size=64).map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    good="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        x = torch.as_tensor(batch["image"]).float().div_(255)
        return {"path": batch["path"], "score": self.model(x).numpy()}

images = ray.data.read_images("in/", size=(224, 224), include_paths=True)
images.map_batches(Predict, batch_size=64).write_parquet("out/")
""",
)
def float_images_between_stages(module: Module) -> Iterator[Finding]:
    """An image column made float, by a function without a model that a map operation with a class or GPU follows."""
    for operation in module.maps:
        function = operation.function
        if function is None or any(runs_model(r.call) for r in reached(function)):
            continue
        if not any(_is_of_a_class(o) for o in _after(operation)):
            continue
        for result in (*function.returns, *function.yields):
            width = _float_column(result.value)
            if width is not None:
                yield Finding(result.node, _wide(function, *width))  # type: ignore[arg-type]
        for stored in function.stored_columns:
            size = _float_width(stored.key, stored.value)
            if size is not None:
                yield Finding(stored.node, _wide(function, stored.key, size))


@rule(
    id="HR050",
    name="images-as-pandas",
    category=Category.WASTES_MEMORY,
    title="images are asked for as pandas batches",
    why="a DataFrame holds each image as an object: it is worked on one by one, and results are copied into a block",
    fix='take NumPy batches, which are the default: leave batch_format out, or say batch_format="numpy"',
    bad="""
import ray

def darken(frame):
    frame["image"] = frame["image"].map(lambda image: image // 2)
    return frame

images = ray.data.read_images("in/", size=(224, 224))
images.map_batches(darken, batch_size=64, batch_format="pandas").write_parquet("out/")
""",
    good="""
import ray

def darken(batch):
    return {"image": batch["image"] // 2}

images = ray.data.read_images("in/", size=(224, 224))
images.map_batches(darken, batch_size=64).write_parquet("out/")
""",
)
def images_as_pandas(module: Module) -> Iterator[Finding]:
    """batch_format="pandas", in the first map operation after read_images or in one that uses an image column."""
    for operation in module.maps:
        call = operation.call
        if call is None or "pandas" not in call.constants("batch_format"):
            continue
        function = operation.function
        before = operation.chain[1:-1]
        first = operation.chain[0].name == "read_images" and not any(o.maps or o.name in _PROJECTS for o in before)
        if first or (function is not None and _uses_image(function)):
            yield Finding(call.keyword_nodes["batch_format"], "images go into a DataFrame, each as an object")


def _after(operation: Operation) -> Iterator[Operation]:
    left = list(operation.downstream)
    while left:
        one = left.pop()
        yield one
        left += one.downstream


def _is_of_a_class(operation: Operation) -> bool:
    """Whether it maps a class of the module, or (of another module) what gets a GPU."""
    known = operation.udf is not None and operation.udf.cls is not None
    return known or (operation.call is not None and may_ask_for_gpu(operation.call))


def _has_images(operation: Operation, function: Function) -> bool:
    steps = operation.chain
    read = steps[0].name == "read_images" and not any(o.maps or o.name in _PROJECTS for o in steps[1:-1])
    return read or _uses_image(function)


def _makes_images(function: Function) -> bool:
    """Whether it puts an image column into its batch: then images are its answer, of a diffusion model, say."""
    name = function.batch_parameter
    kinds = ast.Subscript
    put = (n for n in function.parts if isinstance(n, kinds) and isinstance(n.ctx, ast.Store))
    return any(ast.unparse(n.value) == name and getattr(n.slice, "value", None) in _COLUMNS for n in put)


def _uses_image(function: Function) -> bool:
    """Whether it takes an image column from its batch."""
    name = function.batch_parameter
    taken = (n for n in function.parts if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant))
    return any(isinstance(n.value, ast.Name) and n.value.id == name and n.slice.value in _COLUMNS for n in taken)  # type: ignore[attr-defined]


def _gives_images(result: Result, function: Function, module: Module) -> bool:
    """The batch itself with nothing taken out, `{**batch, ...}`, or an entry that is the batch's image column."""
    whole = any(function.is_batch(v) for v in possible(result.value)) and not _takes_out(function)
    written = result.node.value if isinstance(result.node, ast.Return) else None
    if isinstance(written, ast.Dict):
        spread = [v for k, v in zip(written.keys, written.values, strict=True) if k is None]
        whole |= any(function.is_batch(module.value(v)) for v in spread) and not _takes_out(function)
    for value in possible(result.value):  # batch | {...}, dict(batch, ...)
        parts = value.operands if isinstance(value, Computed) and value.op == "BitOr" else ()
        if isinstance(value, Entries) and isinstance(value.node, ast.Call):
            parts = tuple(module.value(a) for a in value.node.args)
        whole |= any(function.is_batch(p) for p in parts) and not _takes_out(function)
    entries = [e for v in possible(result.value) if isinstance(v, Entries) for e in v.entries.values()]
    return whole or any(_is_image_column(e, function) for e in entries)


def _is_image_column(value: Value, function: Function) -> bool:
    columns = {f'{function.batch_parameter}["{c}"]' for c in _COLUMNS}
    return any(isinstance(v, Symbol) and v.origin is Origin.PARAMETER and v.path in columns for v in possible(value))


def _takes_out(function: Function) -> bool:
    """Whether it takes something out of its batch or a copy of it: pop, drop or del."""
    drops = any(isinstance(n, ast.Attribute) and n.attr in {"pop", "drop"} for n in function.parts)
    return drops or any(isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Del) for n in function.parts)


def _float_column(value: Value) -> tuple[str, int] | None:
    """An image column that is made of floats, and the bytes that each takes."""
    for entries in columns(value):
        for name, column in entries.entries.items():
            width = _float_width(name, column)
            if width is not None:
                return name, width
    return None


def _float_width(name: str, column: Value) -> int | None:
    widths = [w for v in inputs(column) if (w := _width(v)) is not None] if name in _COLUMNS else []
    return min(widths) if widths and not _is_narrowed(column) else None  # float32 / 255 stays float32


def _wide(function: Function, name: str, width: int) -> str:
    return f"{function.qualname} passes {name} on as floats of {width} bytes, uint8 takes 1"


def _width(value: Value) -> int | None:
    """Bytes a value, where one step of a computation makes floats of what it is given."""
    if isinstance(value, Computed) and value.op == "Div":
        divisor = value.operands[1]
        return 8 if isinstance(divisor, Constant) and divisor.value in {_LARGEST_LEVEL, float(_LARGEST_LEVEL)} else None
    if not isinstance(value, Symbol) or value.call is None:
        return None
    if value.path.endswith(".astype()"):
        return _WIDE.get(_type_named(value.call))
    return 4 if value.path.endswith((".ToTensor()()", ".to_tensor()")) or _is_to_tensor(value.call) else None


def _type_named(call: Call) -> str:
    given = call.args[0] if call.args else call.keywords.get("dtype")
    text = given.value if isinstance(given, Constant) else given.path if isinstance(given, Symbol) else ""
    return str(text).rpartition(".")[2]


def _is_to_tensor(call: Call) -> bool:
    """Whether it calls a torchvision Compose with ToTensor in it."""
    return call.name.endswith("transforms.Compose()") and any(
        isinstance(v, Symbol) and v.path.endswith(".ToTensor()") for v in inputs(call.callee)
    )


def _is_narrowed(value: Value) -> bool:
    """Whether the last step makes it uint8 or float16 again."""
    for one in possible(value):
        if isinstance(one, Symbol) and one.call is not None and one.path.endswith(".astype()"):
            return _type_named(one.call) not in _WIDE
    return False
