"""Work done row by row that a batch does at once, and work that keeps a GPU waiting."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.lint.knowledge import runs_model
from headrace.lint.model.module import Module, Reached, reached
from headrace.lint.model.records import Call, Function
from headrace.lint.model.values import Constant, Items, Origin, Symbol, Value, inputs, possible
from headrace.lint.rule import Category, Finding, rule

_ONE_BY_ONE = (".transcribe", "easyocr.Reader().readtext")  # models whose call takes one row
_PIXELS = (
    "PIL.Image.open",
    "PIL.Image.fromarray",
    "cv2.imread",
    "cv2.resize",
    "cv2.imdecode",
    "cv2.cvtColor",
    "simplejpeg.decode",
)
_TO_TENSOR = ("to_tensor", "pil_to_tensor", "ToTensor()", "PILToTensor()", "from_numpy", "as_tensor", "torch.tensor")
_COLUMN = re.compile(r'\w+\["(?P<name>\w+)"\]')
_SAME_ROWS = {"enumerate()", "zip()", "list()", "tqdm.tqdm()", "tqdm.auto.tqdm()", "reversed()"}
_SAME_METHODS = (".iterrows()", ".itertuples()", ".tolist()", ".to_pylist()", ".to_list()", ".to_numpy()", ".values")


@rule(
    id="HR005",
    name="model-called-per-row",
    category=Category.WASTES_ACCELERATOR,
    title="the model is called for one row at a time",
    why="a call has a fixed cost whatever it holds: with one row in each, the accelerator mostly waits",
    fix="give the model the whole batch in one call, in map_batches",
    bad="""
import ray
from transformers import pipeline

class Classify:
    def __init__(self):
        self.classify = pipeline("text-classification")

    def __call__(self, batch):
        return {"id": batch["id"], "label": [self.classify(text)[0]["label"] for text in batch["text"]]}

ray.data.read_parquet("in/").map_batches(Classify, batch_size=64).write_parquet("out/")
""",
    good="""
import ray
from transformers import pipeline

class Classify:
    def __init__(self):
        self.classify = pipeline("text-classification")

    def __call__(self, batch):
        results = self.classify(list(batch["text"]), batch_size=64)
        return {"id": batch["id"], "label": [r["label"] for r in results]}

ray.data.read_parquet("in/").map_batches(Classify, batch_size=64).write_parquet("out/")
""",
)
def model_called_per_row(module: Module) -> Iterator[Finding]:
    """A forward pass for each row of map, or in a loop over the batch's rows, in the UDF, a helper or an actor."""
    for operation in module.maps:
        function = operation.function
        for one in reached(function) if function is not None else ():
            if function is None or not runs_model(one.call) or one.call.name.endswith(_ONE_BY_ONE):
                continue
            if operation.name in {"map", "flat_map", "filter"} and _takes_single_row(one.call, function):
                yield Finding(one.call.node, f"{operation.name} gives the model one row at a time: use map_batches")
            elif operation.name in {"map_batches", "map_groups"} and _per_row(one, function):
                message = f"the model is called for one row at a time, in a loop of {_where(one, function)}"
                yield Finding(one.call.node, message)


@rule(
    id="HR006",
    name="image-by-image",
    category=Category.SLOW,
    title="NumPy images become PIL images, then tensors, one by one",
    why="each image is copied three times in Python's loop, where the batch could be one array",
    fix="stack the images once and use torchvision.transforms.v2 (or cv2) on the uint8 batch",
    bad="""
import ray
import torch
from PIL import Image
from torchvision.transforms import functional as F

def prepare(batch):
    images = [F.to_tensor(Image.fromarray(image)) for image in batch["image"]]
    return {"path": batch["path"], "image": torch.stack(images).numpy()}

ds = ray.data.read_images("photos/", size=(224, 224), include_paths=True)
ds.map_batches(prepare, batch_size=64).write_parquet("out/")
""",
    good="""
import ray

def prepare(batch):
    images = batch["image"].transpose(0, 3, 1, 2)
    return {"path": batch["path"], "image": images}

ds = ray.data.read_images("photos/", size=(224, 224), include_paths=True)
ds.map_batches(prepare, batch_size=64).write_parquet("out/")
""",
)
def image_by_image(module: Module) -> Iterator[Finding]:
    """In a loop over rows: a transform with ToPILImage, or a tensor made of Image.fromarray."""
    for operation in module.maps:
        function = operation.function
        if function is None or operation.name not in {"map_batches", "map_groups"}:
            continue
        for one in reached(function):
            if _converts(one) and _per_row(one, function):
                message = f"NumPy -> PIL -> tensor for one image at a time, in a loop of {_where(one, function)}"
                yield Finding(one.call.node, message)


@rule(
    id="HR007",
    name="preprocessing-holds-gpu",
    category=Category.WASTES_ACCELERATOR,
    title="images are decoded, resized or transformed in the class that holds the GPU",
    why="while one CPU core prepares the batch its GPU does nothing",
    fix="do it in a map_batches of its own before, which Ray runs on all CPUs while the GPU works",
    bad="""
import cv2
import numpy as np
import onnxruntime
import ray

class Predict:
    def __init__(self):
        self.session = onnxruntime.InferenceSession("model.onnx", providers=["CUDAExecutionProvider"])

    def __call__(self, batch):
        images = np.stack([cv2.resize(image, (224, 224)) for image in batch["image"]])
        return {"path": batch["path"], "score": self.session.run(None, {"x": images})[0]}

ds = ray.data.read_images("photos/", include_paths=True)
ds.map_batches(Predict, batch_size=64, num_gpus=1).write_parquet("out/")
""",
    good="""
import cv2
import numpy as np
import onnxruntime
import ray

def resize(batch):
    return {"path": batch["path"], "image": np.stack([cv2.resize(image, (224, 224)) for image in batch["image"]])}

class Predict:
    def __init__(self):
        self.session = onnxruntime.InferenceSession("model.onnx", providers=["CUDAExecutionProvider"])

    def __call__(self, batch):
        return {"path": batch["path"], "score": self.session.run(None, {"x": batch["image"]})[0]}

ds = ray.data.read_images("photos/", include_paths=True).map_batches(resize, batch_size=64)
ds.map_batches(Predict, batch_size=64, num_gpus=1).write_parquet("out/")
""",
    notes="Transforms of tensors that are on the GPU already are left alone, and so are tokenizers.",
)
def preprocessing_holds_gpu(module: Module) -> Iterator[Finding]:
    """Of a stage with num_gpus: the first call that works on pixels on the CPU, beside a forward pass."""
    for operation in module.maps:
        udf, call = operation.udf, operation.call
        if udf is None or udf.function is None or call is None or not _wants_gpu(call.keywords.get("num_gpus")):
            continue
        calls = list(reached(udf.function))
        takes_pil = any(c.call.name.startswith("transformers.pipeline()") for c in calls)  # PIL images only, no arrays
        first = next((c for c in calls if _is_pixel_work(c) and not (takes_pil and _is_wrapped(c))), None)
        if first is not None and any(runs_model(c.call) for c in calls):
            message = f"{first.call.name} prepares images in {udf.name}, which holds a GPU meanwhile"
            yield Finding(first.call.node, message)


def _takes_single_row(call: Call, function: Function) -> bool:
    """Whether a call of map's function is given columns of one thing each: row["image"], and not row["frames"]."""
    given = (v for a in (*call.args, *call.keywords.values()) for v in inputs(a) if isinstance(v, Symbol))
    taken = [_COLUMN.match(v.path) for v in given if v.origin is Origin.PARAMETER and v.function is function]
    names = {m["name"] for m in taken if m is not None}
    return bool(names) and not any(n.endswith("s") and n != "bytes" for n in names)


def _where(one: Reached, function: Function) -> str:
    inner = one.call.context.function
    return (inner or function).qualname


def _per_row(one: Reached, function: Function) -> bool:
    holders = [function]  # whose parameters are the batch, or parts of it
    for call in one.via:
        if call.target is not None and any(_of_batch(v, holders) for a in call.args for v in inputs(a)):
            holders.append(call.target)
    if any(_of_batch(v, holders) and _is_numbered(v) for a in one.call.args for v in inputs(a)):
        return True
    loops = [loop for c in (*one.via, one.call) for loop in c.loops]
    return any(_is_rows(v, holders) for loop in loops for v in possible(loop.iterates))


def _is_rows(value: Value, holders: list[Function]) -> bool:
    """Whether a loop over `value` takes the batch's rows: one of its columns, their numbers, what was made of each."""
    if isinstance(value, Items):
        made = [v for item in value.items for v in inputs(item)]
        return value.kind != "tuple" and any(_of_batch(v, holders) and "[*]" in getattr(v, "path", "") for v in made)
    if not isinstance(value, Symbol):
        return False
    if value.call is not None and value.origin is not Origin.PARAMETER:
        if value.path in _SAME_ROWS:
            return any(_is_rows(v, holders) for a in value.call.args for v in possible(a))
        counts = value.path == "range()" and len(value.call.args) <= 2  # with a step it goes over chunks
        return counts and any(_of_batch(v, holders) for a in value.call.args for v in inputs(a))
    path = value.path.removesuffix("()") if value.path.endswith(_SAME_METHODS) else value.path
    first = holders[0].batch_parameter
    if value.function is holders[0] and not path.startswith((f"{first}[", f"{first}.")):
        return False  # the batch itself is gone over by columns, and other arguments are no rows
    return _of_batch(value, holders) and "()" not in path and not path.endswith((".columns", ".column_names"))


def _is_numbered(value: Value) -> bool:
    """Whether it is a row by a number that is counted up: `batch["text"][i]`, with `i += 1` in a while."""
    return isinstance(value, Symbol) and value.path.endswith("][enumerate()[0]]")


def _of_batch(value: Value, holders: list[Function]) -> bool:
    return isinstance(value, Symbol) and value.origin is Origin.PARAMETER and value.function in holders


def _converts(one: Reached) -> bool:
    made = [v for a in one.call.args for v in inputs(a) if isinstance(v, Symbol)]
    of_pil = any(v.path.startswith("PIL.Image.fromarray()") for v in made)
    if _is_transform(one) and any(_holds(c, "ToPILImage()") for c in possible(one.call.callee)):
        return True
    return of_pil and (_is_transform(one) or one.call.name.endswith(_TO_TENSOR))


def _holds(value: Value, name: str) -> bool:
    return any(isinstance(v, Symbol) and v.path.endswith(name) for v in inputs(value))


def _is_transform(one: Reached) -> bool:
    name = one.call.name
    return name.startswith(("torchvision.transforms.", "albumentations.")) and name.endswith("()")


def _is_pixel_work(one: Reached) -> bool:
    name = one.call.name.removesuffix(".from_pretrained()")
    if name in _PIXELS or (name.endswith(("ImageProcessor", "ViTFeatureExtractor")) and name != one.call.name):
        return True
    made = [v for a in one.call.args for v in inputs(a) if isinstance(v, Symbol)]
    return _is_transform(one) and not any(".cuda()" in v.path or ".to()" in v.path for v in made)


def _is_wrapped(one: Reached) -> bool:
    return one.call.name == "PIL.Image.fromarray"


def _wants_gpu(value: Value | None) -> bool:
    return value is not None and any(v not in (Constant(0), Constant(None)) for v in possible(value))
