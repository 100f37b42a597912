"""Models on torch: CUDA, and the CPU where OpenVINO is not installed."""

from __future__ import annotations

import copy
import hashlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.core.batch import Columns
from headrace.core.contracts import Pixels, Request
from headrace.core.optional import load
from headrace.core.preprocess import Preprocess
from headrace.models.portable import Portable

if TYPE_CHECKING:
    import torch


class TorchModel(Portable):
    """A torch module that maps float [N, 3, H, W] (or NHWC) to a tensor, a tuple or a dict of tensors.

    The module is copied, set to eval() and never changed. On CUDA it runs channels_last, in half precision where that
    keeps the answers, with pinned staging and a copy stream beside the compute stream.
    """

    runtime = "torch"

    def __init__(self, module: torch.nn.Module, given: Preprocess | None = None, *, device: str = "cpu") -> None:
        load("torch", extra="torch", needed_for="running torch modules")
        self._module, self.device = module, device
        self.name = type(module).__name__
        self.preprocess = given or Preprocess()
        self.preprocess_source = "given" if given else "ImageNet's: a torch module says nothing; preprocess= overrides"

    @property
    def runtime_version(self) -> str:
        """Torch's version."""
        import torch

        return str(torch.__version__)

    @property
    def precisions(self) -> tuple[str, ...]:
        """fp32 and bf16; on CUDA fp16 too."""
        return ("fp32", "bf16", "fp16") if self.device == "cuda" else ("fp32", "bf16")

    def digest(self) -> str:
        """sha256 over the class's name and all parameters and buffers."""
        return module_digest(self._module)

    def load(self, precision: str, batch_size: int, streams: int, calibration: Pixels | None = None) -> _Session:
        """Copies the module to the device, in the precision's type."""
        import torch

        assert calibration is None
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        return _Session(_with_normalisation(self._module, self.preprocess, dtype, self.device), self.device, streams)


def module_digest(module: torch.nn.Module) -> str:
    """sha256, in hex, over a module's class, its structure, parameters and buffers."""
    import torch

    total = hashlib.sha256(repr(module).encode())
    for name, tensor in module.state_dict().items():
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def _with_normalisation(module: torch.nn.Module, spec: Preprocess, dtype: torch.dtype, device: str) -> torch.nn.Module:
    import torch

    class Normalised(torch.nn.Module):
        """uint8 [N, H, W, 3] to the module's outputs."""

        mean: torch.Tensor
        factor: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.module = copy.deepcopy(module)
            self.register_buffer("mean", torch.tensor(spec.mean) / spec.scale)
            self.register_buffer("factor", spec.scale / torch.tensor(spec.std))

        def forward(self, pixels: torch.Tensor) -> Any:
            normal = (pixels.float() - self.mean) * self.factor  # in fp32: bf16 would lose a pixel's last bits
            placed = normal.permute(0, 3, 1, 2) if spec.layout == "NCHW" else normal
            return self.module(placed.to(dtype))

    whole = Normalised().eval()
    whole.module.to(dtype=dtype)
    if spec.layout == "NCHW":
        whole.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
    return whole.to(device)


class _Session:
    """A module on its device, `streams` batches at a time; on the CPU torch itself spreads each over the cores."""

    capacity = None

    def __init__(self, module: torch.nn.Module, device: str, streams: int) -> None:
        import torch

        self.module, self.device, self.streams = module, device, streams
        self._free = threading.BoundedSemaphore(streams)
        self._compute = torch.cuda.Stream() if device == "cuda" else None

    def request(self) -> Request:
        """On CUDA with its own pinned staging and copy stream, so that the next batch is copied while one computes."""
        return self._on_cpu if self._compute is None else _CudaRequest(self.module, self._compute)

    def _on_cpu(self, tensor: Pixels, rows: int) -> Columns:
        import torch

        with self._free, torch.inference_mode():
            return as_columns(self.module(torch.from_numpy(tensor)), rows)


class _CudaRequest:
    def __init__(self, module: torch.nn.Module, compute: torch.cuda.Stream) -> None:
        import torch

        self._module, self._compute = module, compute
        self._copy = torch.cuda.Stream()
        self._copied, self._done = torch.cuda.Event(), torch.cuda.Event()
        self._staging: torch.Tensor | None = None
        self._pixels: torch.Tensor | None = None

    def __call__(self, tensor: Pixels, rows: int) -> Columns:
        import torch

        source = torch.from_numpy(tensor)
        if self._staging is None or self._pixels is None or self._staging.shape != source.shape:
            self._staging = torch.empty_like(source).pin_memory()
            self._pixels = torch.empty_like(source, device="cuda")
        self._staging.copy_(source)
        with torch.inference_mode():
            with torch.cuda.stream(self._copy):
                self._pixels.copy_(self._staging, non_blocking=True)
                self._copied.record(self._copy)
            with torch.cuda.stream(self._compute):
                self._compute.wait_event(self._copied)
                outputs = self._module(self._pixels)
                self._done.record(self._compute)
            self._done.synchronize()
            return as_columns(outputs, rows)


def as_columns(outputs: Any, rows: int) -> Columns:
    """A tensor, a tuple, or a dict (or dataclass-like mapping) of tensors as named float arrays of `rows` rows."""
    if hasattr(outputs, "items"):
        named = dict(outputs.items())
    elif isinstance(outputs, tuple | list):
        named = {str(i): value for i, value in enumerate(outputs)}
    else:
        named = {"output": outputs}
    return {name: _array(value[:rows]) for name, value in named.items()}


def _array(value: torch.Tensor) -> np.ndarray[Any, Any]:
    """As NumPy, owned; half types as float32."""
    return np.array((value.float() if value.is_floating_point() else value).cpu().numpy())
