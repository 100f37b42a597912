"""Model references: what a user gives, turned into a model on its fastest runtime."""

from __future__ import annotations

import contextlib
import copy
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from headrace.core.contracts import Model
from headrace.core.errors import BadModel, HeadraceError, MissingExtra
from headrace.core.optional import installed
from headrace.core.preprocess import Preprocess
from headrace.models.external_data import onnx_files
from headrace.models.portable import OfFiles

Resolved = Model | Callable[..., Any]
_TORCH_FILES = (".pt", ".pth")
_PICKLES = (".pkl", ".pickle", ".joblib")


def resolve(reference: object, preprocess: Preprocess | None = None, *, allow_pickle: bool = False) -> Resolved:
    """A model, or a class or function over batches (Ray Data's convention), from a reference.

    reference: the path of an ONNX or IR file, or of a pickled torch module; `package.module:Name`, `file.py:Name`, a
    torch module, a class or a function. allow_pickle: opens a pickled module, which runs code of whoever made it.
    Raises BadModel, MissingExtra.
    """
    if isinstance(reference, Path) or (isinstance(reference, str) and not _names_python(reference)):
        path = Path(reference)
        try:
            from_file: Resolved = _from_file(path, preprocess, allow_pickle=allow_pickle)
        except HeadraceError:
            raise
        except Exception as error:  # what a damaged or hostile file makes a runtime's reader raise, it does not say
            raise BadModel(
                str(path), f"cannot be opened ({type(error).__name__}: {error})", "check the file"
            ) from error
        return from_file
    if isinstance(reference, str):
        reference = _from_python(reference)
    if _is_torch_class(reference):
        assert isinstance(reference, type)
        reference = _called(reference)
    if _is_torch_module(reference):
        from_module: Resolved = _from_torch(reference, preprocess)
        return from_module
    if callable(reference):
        return reference
    raise BadModel(repr(reference), "is no model", "give a file, a torch module, a class with __call__, or module:Name")


def _names_python(reference: str) -> bool:
    head, colon, name = reference.rpartition(":")
    return (
        bool(colon) and name.isidentifier() and (head.endswith(".py") or all(p.isidentifier() for p in head.split(".")))
    )


def _from_file(path: Path, preprocess: Preprocess | None, *, allow_pickle: bool) -> Any:
    """The model in a file; another process opens the same bytes."""
    model, files = _opened(path, preprocess, allow_pickle=allow_pickle)
    model.origin = OfFiles(partial(resolve, preprocess=preprocess, allow_pickle=allow_pickle), files)
    return model


def _opened(path: Path, preprocess: Preprocess | None, *, allow_pickle: bool) -> tuple[Any, Sequence[Path]]:
    """The model in a file, and the files that it lies in."""
    if not path.is_file():
        raise BadModel(str(path), "does not exist", "check the path, or name a class as package.module:Name")
    if path.suffix == ".onnx":
        return _from_onnx(path, preprocess), onnx_files(path)
    if path.suffix == ".xml":
        from headrace.models.openvino_model import OpenVinoModel, ir_files

        return OpenVinoModel.from_file(path, preprocess), ir_files(path)
    if path.suffix in _TORCH_FILES:
        from headrace.models.torch_file import open_module

        return _from_torch(open_module(path, allow_pickle=allow_pickle), preprocess), [path]
    if path.suffix in _PICKLES:
        what = "is a pickle, and opening it would run code of whoever made it"
        raise BadModel(str(path), what, "open it in a class of yours, and name that as file.py:Name")
    kinds = ".onnx or OpenVINO's .xml; for other files name a class that opens them as file.py:Name"
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
    """Imports a file by its path, under its stem, with its folder importable as for `python file.py`.

    Workers import it by that name too. Nothing is run before it is known that the name leads to this very file.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    script = path.resolve()  # as Python does it: what lies beside the file itself can be imported, not beside a link
    if "." in script.stem:
        raise BadModel(str(path), "has a dot in its name, which Python takes for a package", "rename the file")
    if str(script.parent) not in sys.path:
        sys.path.insert(0, str(script.parent))
    spec = importlib.util.find_spec(script.stem)
    if spec is None or Path(spec.origin or "").resolve() != script:
        raise BadModel(str(path), f"is hidden by another module named {script.stem!r}", "rename the file")
    return importlib.import_module(script.stem)


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


def _from_torch(module: Any, preprocess: Preprocess | None) -> Any:
    """A module on its fastest runtime; another process gets the module."""
    model = _on_fastest(module, preprocess)
    model.origin = partial(_from_torch, module, preprocess)
    return model


def _on_fastest(module: Any, preprocess: Preprocess | None) -> Any:
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
