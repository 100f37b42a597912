"""Model references: what a user gives, turned into a model on its fastest runtime."""

from __future__ import annotations

import contextlib
import copy
import importlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.core.contracts import Model
from headrace.core.errors import BadModel, MissingExtra
from headrace.core.optional import installed
from headrace.core.preprocess import Preprocess

Resolved = Model | Callable[..., Any]


def resolve(reference: object, preprocess: Preprocess | None = None) -> Resolved:
    """A model, or a class or function over batches (Ray Data's convention), from a reference.

    reference: an ONNX or IR file's path, `package.module:Name`, `file.py:Name`, a torch module, a class or a function.
    Raises BadModel, MissingExtra.
    """
    if isinstance(reference, Path) or (isinstance(reference, str) and not _names_python(reference)):
        return _from_file(Path(reference), preprocess)
    if isinstance(reference, str):
        reference = _from_python(reference)
    if _is_torch_module(reference):
        return _from_torch(reference, preprocess)
    if _is_torch_class(reference):
        assert isinstance(reference, type)
        return _from_torch(_called(reference), preprocess)
    if callable(reference):
        return reference
    raise BadModel(repr(reference), "is no model", "give a file, a torch module, a class with __call__, or module:Name")


def _names_python(reference: str) -> bool:
    head, colon, name = reference.rpartition(":")
    return (
        bool(colon) and name.isidentifier() and (head.endswith(".py") or all(p.isidentifier() for p in head.split(".")))
    )


def _from_file(path: Path, preprocess: Preprocess | None) -> Model:
    if not path.is_file():
        raise BadModel(str(path), "does not exist", "check the path, or name a class as package.module:Name")
    if path.suffix == ".onnx":
        return _from_onnx(path, preprocess)
    if path.suffix == ".xml":
        from headrace.models.openvino_model import OpenVinoModel

        return OpenVinoModel.from_file(path, preprocess)
    kinds = ".onnx or OpenVINO's .xml; for torch weights name the class that loads them as file.py:Name"
    raise BadModel(str(path), f"has the unknown suffix {path.suffix!r}", f"use {kinds}")


def _from_onnx(path: Path, preprocess: Preprocess | None) -> Model:
    """On CUDA ONNX Runtime; on the CPU OpenVINO, which is 5-10 times faster there in bf16; else ONNX Runtime."""
    if installed("onnxruntime") and _cuda_fits():
        from headrace.models.onnxruntime_model import OnnxRuntimeModel

        return OnnxRuntimeModel(path, preprocess, device="cuda")
    if installed("openvino"):
        from headrace.models.openvino_model import OpenVinoModel

        return OpenVinoModel.from_file(path, preprocess)
    if installed("onnxruntime"):
        from headrace.models.onnxruntime_model import OnnxRuntimeModel

        return OnnxRuntimeModel(path, preprocess)
    raise MissingExtra("openvino or onnxruntime", "openvino", f"running {path.name}")


def _cuda_fits() -> bool:
    if not Path("/proc/driver/nvidia").exists():
        return False  # spares the import: 0.13 s of a cold start
    from headrace.models.onnxruntime_model import has_cuda

    return has_cuda()


def _from_python(reference: str) -> Any:
    head, _, name = reference.rpartition(":")
    try:
        module = _load_script(Path(head)) if head.endswith(".py") else importlib.import_module(head)
    except ModuleNotFoundError as error:
        raise BadModel(reference, f"cannot be imported ({error})", "check the name and the Python path") from error
    except BadModel:
        raise
    except FileNotFoundError as error:
        raise BadModel(reference, f"{head} does not exist", "check the path") from error
    except (Exception, SystemExit) as error:
        raise BadModel(reference, f"raises on import ({type(error).__name__}: {error})", "mend the module") from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise BadModel(reference, f"{head} has no {name!r}", "check the name behind the colon") from error


def _load_script(path: Path) -> Any:
    """Imports a file by its path, under its stem, with its folder importable as for `python file.py`."""
    if not path.is_file():
        raise FileNotFoundError(path)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.import_module(path.stem)
    if Path(getattr(module, "__file__", None) or "").resolve() != path.resolve():
        raise BadModel(str(path), f"is hidden by another module named {path.stem!r}", "rename the file")
    return module


def _is_torch_module(value: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _is_torch_class(value: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, type) and issubclass(value, torch.nn.Module)


def _called(build: type) -> Any:
    try:
        return build()
    except TypeError as error:
        raise BadModel(
            build.__name__, f"cannot be built without arguments ({error})", "give a module that is built"
        ) from error


def _from_torch(module: Any, preprocess: Preprocess | None) -> Model:
    """On CUDA torch; on the CPU OpenVINO where it is installed and can convert the module, else torch."""
    import torch

    from headrace.models.torch_model import TorchModel

    if torch.cuda.is_available():
        return TorchModel(module, preprocess, device="cuda")
    if installed("openvino"):
        with contextlib.suppress(Unconvertible):
            return _converted(module, preprocess)
    return TorchModel(module, preprocess)


class Unconvertible(Exception):
    """OpenVINO cannot convert the module."""


def _converted(module: Any, preprocess: Preprocess | None) -> Model:
    import openvino
    import torch

    from headrace.models.openvino_model import OpenVinoModel
    from headrace.models.torch_model import module_digest

    spec = preprocess or Preprocess()
    height, width = spec.size
    shape = (1, 3, height, width) if spec.layout == "NCHW" else (1, height, width, 3)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)  # OpenVINO 2026.4 traces with it
            graph = openvino.convert_model(copy.deepcopy(module).eval(), example_input=torch.zeros(shape))
    except Exception as error:
        raise Unconvertible(str(error)) from error
    graph.inputs[0].get_node().set_partial_shape(openvino.PartialShape([-1, *shape[1:]]))
    graph.validate_nodes_and_infer_types()
    return OpenVinoModel(graph, type(module).__name__, module_digest(module), preprocess)
