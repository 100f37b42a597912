"""Models on OpenVINO: ONNX and IR files, and torch modules converted in memory. CPU."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from headrace.core.batch import Columns
from headrace.core.contracts import Pixels
from headrace.core.errors import BadModel
from headrace.core.optional import load
from headrace.core.preprocess import Preprocess
from headrace.models.external_data import lies_beside, onnx_files
from headrace.models.header import Header, digest_files
from headrace.models.portable import Portable

_PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}


class OpenVinoModel(Portable):
    """A model on OpenVINO's CPU device; normalisation, layout and type conversion are folded into its graph."""

    runtime = "openvino"
    device = "cpu"

    def __init__(self, graph: Any, where: str, digest: str, given: Preprocess | None) -> None:
        self._graph, self._digest, self.name = graph, digest, Path(where).name
        self.header = _header(graph, where)
        self.preprocess, self.preprocess_source = self.header.preprocess(given)

    @classmethod
    def from_file(cls, path: Path, given: Preprocess | None = None) -> OpenVinoModel:
        """Reads an ONNX or IR file, once it is known which files that leads to. Raises BadModel."""
        files = onnx_files(path) if path.suffix == ".onnx" else ir_files(path)
        try:
            graph = _core().read_model(path)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise BadModel(
                str(path), f"OpenVINO cannot read it ({reason})", "check that it is a valid ONNX file"
            ) from error
        return cls(graph, str(path), digest_files(files), given)

    @property
    def runtime_version(self) -> str:
        """OpenVINO's version, without the build."""
        import openvino

        return str(openvino.__version__).split("-")[0]

    @cached_property
    def precisions(self) -> tuple[str, ...]:
        """fp32, and what the CPU computes natively."""
        able = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return ("fp32", *(name for name, cap in (("bf16", "BF16"), ("fp16", "FP16")) if cap in able))

    def digest(self) -> str:
        """sha256 of the file, or of a converted module's weights."""
        return self._digest

    def load(self, precision: str, batch_size: int, streams: int, calibration: Pixels | None = None) -> _Session:
        """Compiles for one static batch size: dynamic shapes cost 7-36 % (FACTS: OpenVINO CNNs)."""
        graph = self._folded(batch_size if precision != "int8" else 1)
        if precision == "int8":
            assert calibration is not None
            graph = _quantized(graph, calibration)
            graph.reshape([batch_size, *self.preprocess.size, 3])
        config = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": str(streams),
            "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
        }
        with _renamed(self.header.where):
            return _Session(_core().compile_model(graph, "CPU", config), streams, batch_size)

    def _folded(self, batch_size: int) -> Any:
        """The graph with uint8 NHWC input and the normalisation inside."""
        from openvino import Layout, Type
        from openvino.preprocess import ColorFormat, PrePostProcessor

        spec = self.preprocess
        graph = self._graph.clone()
        batched = [batch_size, 3, *spec.size] if spec.layout == "NCHW" else [batch_size, *spec.size, 3]
        with _renamed(self.header.where):
            graph.reshape({graph.inputs[0]: batched})
        steps = PrePostProcessor(graph)
        image = steps.input(0)
        color = ColorFormat.RGB if spec.color == "RGB" else ColorFormat.BGR
        image.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC")).set_color_format(color)
        mean, std = [m / spec.scale for m in spec.mean], [s / spec.scale for s in spec.std]
        image.preprocess().convert_element_type(Type.f32).mean(mean).scale(std)
        image.model().set_layout(Layout(spec.layout))
        return steps.build()


class _Session:
    def __init__(self, compiled: Any, streams: int, capacity: int) -> None:
        self._compiled, self.streams, self.capacity = compiled, streams, capacity

    def request(self) -> _Request:
        return _Request(self._compiled)


class _Request:
    def __init__(self, compiled: Any) -> None:
        from openvino import Tensor

        self._tensor_of = Tensor
        self._request = compiled.create_infer_request()
        ports = compiled.outputs
        self._names = [_port_name(port, str(i) if len(ports) > 1 else "output") for i, port in enumerate(ports)]

    def __call__(self, tensor: Pixels, rows: int) -> Columns:
        self._request.set_input_tensor(self._tensor_of(tensor, shared_memory=True))
        self._request.start_async()
        self._request.wait()
        outputs = (self._request.get_output_tensor(i).data for i in range(len(self._names)))
        return {name: np.array(value[:rows]) for name, value in zip(self._names, outputs, strict=True)}


def _core() -> Any:
    openvino = load("openvino", extra="openvino", needed_for="running models with OpenVINO")
    return openvino.Core()


def ir_files(path: Path) -> list[Path]:
    """An .xml and the .bin beside it, if there is one. Raises BadModel where that is a link out of the folder."""
    with path.open("rb") as file:
        if not file.read(4).removeprefix(b"\xef\xbb\xbf").startswith(b"<"):  # an ONNX file would be read as one
            raise BadModel(str(path), "is no XML", "check that it is OpenVINO's IR; ONNX files end in .onnx")
    weights = path.with_suffix(".bin")
    if not weights.exists():
        return [path]
    if not weights.is_file() or not lies_beside(weights, path):
        raise BadModel(str(weights), "is no file inside the model's folder", "put the file itself beside the .xml")
    return [path, weights]


def _header(graph: Any, where: str) -> Header:
    if not graph.outputs:
        raise BadModel(where, "has no output", "export it again")
    if len(graph.inputs) != 1:
        raise BadModel(
            where, f"has {len(graph.inputs)} inputs, photos need one", "wrap it in a class: --model file.py:Name"
        )
    port = graph.inputs[0]
    shape, outputs = _shape(port), _shape(graph.outputs[0])
    stored = graph.get_rt_info()["framework"] if graph.has_rt_info(["framework"]) else {}
    metadata = {str(k): str(getattr(v, "value", v)) for k, v in getattr(stored, "value", stored).items()}
    return Header(where, _port_name(port, "input"), shape, metadata, outputs)


def _shape(port: Any) -> tuple[int | None, ...]:
    dimensions = port.partial_shape
    if dimensions.rank.is_dynamic:
        return ()
    return tuple(d.get_length() if d.is_static else None for d in dimensions)


def _port_name(port: Any, otherwise: str) -> str:
    """A port's name; converted torch modules have none, and are named as TorchModel names them."""
    return str(port.any_name) if port.names else otherwise


@contextlib.contextmanager
def _renamed(where: str) -> Iterator[None]:
    """OpenVINO's own errors as BadModel, with their last line, which carries the reason."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise BadModel(
            where, f"OpenVINO cannot run it ({reason})", "check the model's input shape and operators"
        ) from error


def _quantized(graph: Any, calibration: Pixels) -> Any:
    """Post-training int8 quantisation by NNCF over the photos of `calibration`."""
    nncf = load("nncf", extra="int8", needed_for="--precision int8")
    samples = [calibration[i : i + 1] for i in range(len(calibration))]
    with contextlib.redirect_stdout(io.StringIO()):  # it draws bars there, where --json prints the report
        return nncf.quantize(graph, nncf.Dataset(samples), subset_size=len(samples))
