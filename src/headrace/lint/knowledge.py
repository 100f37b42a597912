"""What well-known libraries' names mean: which calls build a model, and which a tokenizer or transform."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.model.records import Call, ClassInfo, Function, Handler
from headrace.lint.model.values import Entries, FunctionValue, Instance, Items, Symbol, Value, possible

_MODELS = frozenset(
    {
        "catboost.CatBoostClassifier", "diffusers.DiffusionPipeline", "easyocr.Reader", "fasttext.load_model",
        "faster_whisper.WhisperModel", "joblib.load", "keras.models.load_model", "keras.saving.load_model",
        "lightgbm.Booster", "onnx.load", "onnxruntime.InferenceSession", "open_clip.create_model",
        "open_clip.create_model_and_transforms", "openvino.Core", "openvino.compile_model",
        "openvino.runtime.Core", "sentence_transformers.CrossEncoder", "sentence_transformers.SentenceTransformer",
        "spacy.load", "tensorflow.keras.models.load_model", "tensorflow.saved_model.load",
        "tensorflow.lite.Interpreter", "timm.create_model", "torch.hub.load", "torch.jit.load", "torch.load",
        "torch.export.load", "transformers.pipeline", "ultralytics.YOLO", "vllm.LLM", "whisper.load_model",
        "xgboost.Booster", "clip.load",
    }
)  # fmt: skip
_BESIDE_MODEL = ("()[1]", "()[2]")  # model, preprocess = clip.load(name)
_UNPICKLES = frozenset({"pickle.load", "cloudpickle.load", "dill.load"})
_TRANSFORMS = ("torchvision.transforms.", "albumentations.")
_KERAS_MODELS = ("tensorflow.keras.applications.", "keras.applications.")
_TOKENIZERS = ("Tokenizer", "TokenizerFast", "Processor", "FeatureExtractor", "ImageProcessor")
_VOCABULARIES = frozenset(
    {"sentencepiece.SentencePieceProcessor", "tokenizers.Tokenizer.from_file", "tokenizers.Tokenizer.from_str"}
)
_SAME_MODEL = frozenset(
    {"to", "cuda", "cpu", "eval", "train", "half", "float", "double", "bfloat16", "requires_grad_", "share_memory"}
)
_RUNS = frozenset(
    {
        "forward", "predict", "predict_proba", "generate", "encode", "run", "infer", "transcribe", "__call__",
        "encode_image", "encode_text", "get_image_features", "get_text_features",
    }
)  # fmt: skip
_PREDICTS = frozenset({"predict", "predict_proba", "generate", "encode", "forward", "transcribe"})
CLOCKS = frozenset(
    {
        "time.time", "time.perf_counter", "time.monotonic", "time.process_time", "time.time_ns",
        "time.perf_counter_ns", "time.monotonic_ns", "timeit.default_timer", "datetime.datetime.now",
        "datetime.datetime.utcnow",
    }
)  # fmt: skip
_BROAD = frozenset(
    {
        "Exception", "BaseException", "RuntimeError", "ray.exceptions.RayError", "ray.exceptions.RayTaskError",
        "ray.exceptions.UserCodeException",
    }
)  # fmt: skip
_TABLES = frozenset(
    {"pandas.DataFrame()", "pandas.DataFrame.from_dict()", "pyarrow.table()", "pyarrow.Table.from_pydict()"}
)
_MODULES = frozenset({"torch.nn.Module", "nn.Module", "pytorch_lightning.LightningModule", "lightning.LightningModule"})


def builds(call: Call) -> str | None:
    """What a call builds: "model", "tokenizer" or "transform"; None for anything else, as far as is known."""
    for path in call.names:
        kind = _built(path.replace("tf.", "tensorflow.", 1) if path.startswith("tf.") else path)
        if kind is not None:
            return kind
    built = next((v.cls for v in possible(call.result) if isinstance(v, Instance)), None)
    return "model" if built is not None and is_torch_module(built) and _is_class_call(call, built) else None


def _built(path: str) -> str | None:
    last = path.rpartition(".")[2]
    if path in _MODELS or is_torchvision_model(path) or (path.startswith(_KERAS_MODELS) and last[:1].isupper()):
        return "model"
    if path.endswith(".from_pretrained"):
        name = path.split(".")[-2]
        return None if name.endswith("Config") else "tokenizer" if name.endswith(_TOKENIZERS) else "model"
    if path in _VOCABULARIES:
        return "tokenizer"
    is_transform = path.startswith(_TRANSFORMS) and last[:1].isupper() and "()" not in path
    is_of_weights = path.startswith("torchvision.models.") and last == "transforms"
    return "transform" if is_transform or is_of_weights or path == "timm.data.create_transform" else None


def unpickled_model(call: Call) -> Call | None:
    """The call that unpickled a model, where `call` is one of that model's methods: `pickle.load(f)` is known by it."""
    for one in possible(call.callee):
        base = one.base if isinstance(one, Symbol) and one.path.rpartition(".")[2] in _RUNS else None
        if isinstance(base, Symbol) and base.call is not None and base.call.name in _UNPICKLES:
            return base.call
    return None


def is_whole_model(value: Value) -> bool:
    """Whether `value` is a model itself, moved or set up perhaps, and nothing that was asked of it (`model.config`)."""
    for one in possible(value):
        step: Value | None = one
        while isinstance(step, Symbol) and step.call is not None and step.path.endswith(("()", "()[0]")):
            if builds(step.call) == "model":
                return True
            step = step.base if step.path.rpartition(".")[2].removesuffix("()") in _SAME_MODEL else None
        if isinstance(step, Instance) and is_torch_module(step.cls):
            return True
    return False


def is_model(value: Value) -> bool:
    """Whether `value` is a model, or comes of one by its methods: `torch.load("m").to("cuda").eval`."""
    for one in possible(value):
        step: Value | None = one
        while isinstance(step, Symbol) and not step.path.endswith(_BESIDE_MODEL):
            if step.call is not None and builds(step.call) == "model":
                return True
            step = step.base
        if isinstance(step, Instance) and is_torch_module(step.cls):
            return True
    return False


def runs_model(call: Call) -> bool:
    """Whether a call is a forward pass: of a model that a known library built, or of the module's own torch module."""
    for one in possible(call.callee):
        if isinstance(one, Instance) and is_model(one):
            return True
        if isinstance(one, FunctionValue) and one.bound is not None and one.function.name in _RUNS:
            return is_model(one.bound)
        if isinstance(one, Symbol) and is_model(one):
            return one.path.endswith("()") or one.path.rpartition(".")[2] in _RUNS
    return False


def may_run_model(call: Call) -> bool:
    """Whether a call is a forward pass, or looks like one of a model that the module does not load: `x.predict(y)`."""
    return runs_model(call) or call.name.rpartition(".")[2] in _PREDICTS


def columns(value: Value) -> Iterator[Entries]:
    """The columns that a result holds: of a dict, dicts in a list, a DataFrame or an Arrow table made of them."""
    for one in possible(value):
        if isinstance(one, Entries):
            yield one
        elif isinstance(one, Items):
            yield from (found for item in one.items for found in columns(item))
        elif isinstance(one, Symbol) and one.path in _TABLES and one.call is not None and one.call.args:
            yield from columns(one.call.args[0])


def columns_given(function: Function) -> Iterator[Entries]:
    """The columns of all that a UDF gives back."""
    for result in (*function.returns, *function.yields):
        yield from columns(result.value)


def place_of(entries: Entries, key: str) -> ast.expr:
    """The value of `key` where the dict is written, or where it is put in later."""
    if key in entries.places:
        return entries.places[key]
    if isinstance(entries.node, ast.Dict):
        for name, value in zip(entries.node.keys, entries.node.values, strict=True):
            if isinstance(name, ast.Constant) and name.value == key:
                return value
    return entries.node


def is_broad(handler: Handler) -> bool:
    """Whether an except clause takes any error of a model or a pipeline."""
    return not handler.catches or any(isinstance(c, Symbol) and c.path in _BROAD for c in handler.catches)


def may_ask_for_gpu(call: Call) -> bool:
    """Whether num_gpus is above 0, at least in one of the ways that the script may go."""
    return any(isinstance(n, int | float) and n > 0 for n in call.constants("num_gpus"))


def is_torch_module(cls: ClassInfo) -> bool:
    """Whether a class of the module is a torch module."""
    return any(base in _MODULES for base in cls.outer_bases())


def is_torchvision_model(path: str) -> bool:
    """Whether a path is a function of torchvision that builds a model."""
    *rest, name = path.split(".")[2:] or [""]
    is_module = not any(part[:1].isupper() for part in rest)  # not ResNet50_Weights.DEFAULT.transforms
    if not path.startswith("torchvision.models.") or "()" in path or not is_module:
        return False
    return name[:1].islower() and "weight" not in name and not name.startswith(("list_models", "get_model_builder"))


def _is_class_call(call: Call, cls: ClassInfo) -> bool:
    return any(getattr(v, "cls", None) is cls and not isinstance(v, Instance) for v in possible(call.callee))
