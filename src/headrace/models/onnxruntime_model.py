"""Models on ONNX Runtime: CPU, and CUDA where its provider is there."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from headrace.core.batch import Columns
from headrace.core.contracts import Pixels
from headrace.core.errors import BadModel
from headrace.core.optional import load
from headrace.core.preprocess import Preprocess
from headrace.models.external_data import onnx_files
from headrace.models.header import Header, digest_files
from headrace.models.portable import Portable

_EXTERNAL_DATA_FOLDER = "session.model_external_initializers_file_folder_path"


class OnnxRuntimeModel(Portable):
    """An ONNX file on ONNX Runtime; normalisation, layout and type conversion are put before its graph."""

    runtime = "onnxruntime"

    def __init__(self, path: Path, given: Preprocess | None = None, *, device: str = "cpu") -> None:
        load("onnx", extra="onnx", needed_for=f"reading {path.name}")
        import onnx

        self._files = onnx_files(path)
        try:
            self._graph = onnx.load(path, load_external_data=False)
        except Exception as error:  # protobuf and onnx raise a dozen kinds, none of them shared
            raise BadModel(str(path), f"is not a readable ONNX file ({error})", "check the file") from error
        self.path, self.name, self.device = path, path.name, device
        self.header = _header(self._graph, str(path))
        self.preprocess, self.preprocess_source = self.header.preprocess(given)

    @property
    def runtime_version(self) -> str:
        """ONNX Runtime's version."""
        return str(_runtime().__version__)

    @cached_property
    def precisions(self) -> tuple[str, ...]:
        """fp32: ONNX Runtime computes in the types that the graph is written in."""
        return ("fp32",)

    def digest(self) -> str:
        """sha256 of the file and its external data."""
        return digest_files(self._files)

    def load(self, precision: str, batch_size: int, streams: int, calibration: Pixels | None = None) -> _Session:
        """Opens a session; each stream runs single-threaded operators, so that `streams` batches run side by side."""
        assert precision == "fp32"
        assert calibration is None
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = max(1, len(os.sched_getaffinity(0)) // streams)
        options.log_severity_level = 3
        # Of a graph from memory it would look for external data in the working folder.
        options.add_session_config_entry(_EXTERNAL_DATA_FOLDER, str(self.path.parent.absolute()))
        providers = ["CUDAExecutionProvider"] if self.device == "cuda" else ["CPUExecutionProvider"]
        graph = with_normalisation(self._graph, self.preprocess, batch_size, where=str(self.path))
        try:
            # Its fallback prints on stdout, as they stand there, the names that the file gives.
            session = runtime.InferenceSession(
                graph.SerializeToString(), options, providers=providers, enable_fallback=False
            )
        except Exception as error:  # its exceptions share no base but Exception
            raise BadModel(
                str(self.path), f"ONNX Runtime cannot run it ({error})", "check operators and opset"
            ) from error
        return _Session(session, streams, batch_size)


class _Session:
    def __init__(self, session: Any, streams: int, capacity: int) -> None:
        self._session, self.streams, self.capacity = session, streams, capacity
        self._input = session.get_inputs()[0].name
        self._names = [o.name for o in session.get_outputs()]

    def request(self) -> _Session:
        return self  # run() may be called from many threads at once

    def __call__(self, tensor: Pixels, rows: int) -> Columns:
        outputs = self._session.run(self._names, {self._input: tensor})
        return {name: np.array(value[:rows]) for name, value in zip(self._names, outputs, strict=True)}


def _runtime() -> Any:
    return load("onnxruntime", extra="onnx", needed_for="running models with ONNX Runtime")


def has_cuda() -> bool:
    """Whether ONNX Runtime is installed with its CUDA provider."""
    try:
        return "CUDAExecutionProvider" in load("onnxruntime", extra="onnx", needed_for="").get_available_providers()
    except ImportError:
        return False


def _header(graph: Any, where: str) -> Header:
    stored = {t.name for t in graph.graph.initializer}
    inputs = [i for i in graph.graph.input if i.name not in stored]
    if len(inputs) != 1:
        raise BadModel(where, f"has {len(inputs)} inputs, photos need one", "wrap it in a class: --model file.py:Name")
    if isinstance(inputs[0].name, bytes):  # as protobuf gives what is no UTF-8
        raise BadModel(where, f"has an input whose name is no text ({inputs[0].name!r})", "export it again")
    if not graph.graph.output:
        raise BadModel(where, "has no output", "export it again")
    metadata = {p.key: p.value for p in graph.metadata_props}
    return Header(where, inputs[0].name, _shape(inputs[0]), metadata, _shape(graph.graph.output[0]))


def _shape(value: Any) -> tuple[int | None, ...]:
    dimensions = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.dim_value > 0 else None for d in dimensions)


def with_normalisation(model: Any, spec: Preprocess, batch_size: int, *, where: str) -> Any:
    """A copy of an ONNX model that takes uint8 [batch_size, H, W, 3]: four nodes stand before its graph."""
    from onnx import TensorProto, helper

    model = type(model).FromString(model.SerializeToString())
    graph = model.graph
    stored = {t.name for t in graph.initializer}
    old = next(i for i in graph.input if i.name not in stored)
    if old.type.tensor_type.elem_type != TensorProto.FLOAT:
        raise BadModel(where, f"input {old.name!r} is not float32", "export the model in float32")
    mean = np.array(spec.mean, np.float32) / spec.scale
    factor = spec.scale / np.array(spec.std, np.float32)
    graph.initializer.extend(
        [
            helper.make_tensor("headrace_mean", TensorProto.FLOAT, [3], mean.astype(np.float32).tolist()),
            helper.make_tensor("headrace_factor", TensorProto.FLOAT, [3], factor.astype(np.float32).tolist()),
        ]
    )
    to_model = {"perm": [0, 3, 1, 2]} if spec.layout == "NCHW" else {"perm": [0, 1, 2, 3]}
    nodes = [
        helper.make_node("Cast", ["headrace_pixels"], ["headrace_float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["headrace_float", "headrace_mean"], ["headrace_centred"]),
        helper.make_node("Mul", ["headrace_centred", "headrace_factor"], ["headrace_normal"]),
        helper.make_node("Transpose", ["headrace_normal"], [old.name], **to_model),
    ]
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)
    graph.input.remove(old)
    shape = [batch_size, *spec.size, 3]
    graph.input.append(helper.make_tensor_value_info("headrace_pixels", TensorProto.UINT8, shape))
    return model
