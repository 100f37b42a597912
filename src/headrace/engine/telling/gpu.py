"""How busy the GPU is, by NVML, once a second; nothing where there is none."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from headrace.core.optional import installed


class GpuSampler:
    """busy: mean share (0..1) of GPU 0's time; mem_peak_bytes: the most of its memory in use. Both None without
    NVML."""

    def __init__(self, nvml: Any = None) -> None:
        self._nvml = nvml if nvml is not None else _nvml()
        self._samples: list[float] = []
        self.mem_peak_bytes: int | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> float | None:
        """The mean of the samples so far."""
        return sum(self._samples) / len(self._samples) if self._samples else None

    def start(self, every_s: float = 1.0) -> None:
        """Begins sampling, where there is something to sample."""
        if self._nvml is None:
            return
        self._thread = threading.Thread(target=self._sample, args=(every_s,), name="headrace-gpu", daemon=True)
        self._thread.start()

    def _sample(self, every_s: float) -> None:
        with contextlib.suppress(self._nvml.NVMLError):  # a part of a GPU (MIG) has memory, but tells no utilisation
            handle = self._nvml.nvmlDeviceGetHandleByIndex(0)
            while True:
                used = int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used)
                self.mem_peak_bytes = max(self.mem_peak_bytes or 0, used)
                self._samples.append(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
                if self._stop.wait(every_s):
                    return

    def stop(self) -> None:
        """Ends sampling."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


def _nvml() -> Any:
    if not installed("pynvml"):
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
