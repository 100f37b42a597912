"""What well-known libraries' names mean: which calls build a model, and which a tokenizer or transform."""

from __future__ import annotations

from headrace.lint.model.records import Call, ClassInfo
from headrace.lint.model.values import Instance, Symbol, Value, possible

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
_TRANSFORMS = ("torchvision.transforms.", "albumentations.")
_TOKENIZERS = ("Tokenizer", "TokenizerFast", "Processor", "FeatureExtractor", "ImageProcessor")
_RUNS = frozenset(
    {"forward", "predict", "predict_proba", "generate", "encode", "run", "infer", "transcribe", "__call__"}
)
_MODULES = frozenset({"torch.nn.Module", "nn.Module", "pytorch_lightning.LightningModule", "lightning.LightningModule"})


def builds(call: Call) -> str | None:
    """What a call builds: "model", "tokenizer" or "transform"; None for anything else, as far as is known."""
    for path in call.names:
        if path in _MODELS or path.replace("tf.", "tensorflow.", 1) in _MODELS:
            return "model"
        if _is_torchvision_model(path):
            return "model"
        if path.endswith(".from_pretrained"):
            return "tokenizer" if path.split(".")[-2].endswith(_TOKENIZERS) else "model"
        if path.startswith(_TRANSFORMS) and path.rpartition(".")[2][:1].isupper() and "()" not in path:
            return "transform"
    built = next((v.cls for v in possible(call.result) if isinstance(v, Instance)), None)
    return "model" if built is not None and is_torch_module(built) and _is_class_call(call, built) else None


def is_model(value: Value) -> bool:
    """Whether `value` is a model, or comes of one by its methods: `torch.load("m").to("cuda").eval`."""
    for one in possible(value):
        step: Value | None = one
        while isinstance(step, Symbol):
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
        if isinstance(one, Symbol) and is_model(one):
            return one.path.endswith("()") or one.path.rpartition(".")[2] in _RUNS
    return False


def is_torch_module(cls: ClassInfo) -> bool:
    """Whether a class of the module is a torch module."""
    return any(base in _MODULES for base in cls.outer_bases())


def _is_torchvision_model(path: str) -> bool:
    name = path.rpartition(".")[2]
    return path.startswith("torchvision.models.") and "()" not in path and name[:1].islower() and "weights" not in name


def _is_class_call(call: Call, cls: ClassInfo) -> bool:
    return any(getattr(v, "cls", None) is cls and not isinstance(v, Instance) for v in possible(call.callee))
