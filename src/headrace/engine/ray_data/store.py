"""The cluster's object store while a job runs: how full it got, and whether it spilled to disk."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import Any

import ray

_EVERY_S = 1.0
_FULL = 0.95


class StoreWatch:
    """Samples the object stores of all nodes once a second, between `start` and `stop`."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._before = self._last = _Sample(0, 0, 0)
        self._peak_bytes = 0

    def start(self) -> None:
        """Begins sampling."""
        self._before = self._last = sampled() or self._before
        self._thread = threading.Thread(target=self._watch, name="headrace-store", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends sampling, with a last look."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._take()

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._take()

    def _take(self) -> None:
        self._last = sampled() or self._last
        self._peak_bytes = max(self._peak_bytes, self._last.used_bytes)

    def to_dict(self) -> dict[str, Any]:
        """capacity_bytes, peak_bytes (all nodes together, sampled at 1 Hz), spilled_bytes (by whoever used the cluster
        meanwhile) and, in words, what is wrong."""
        spilled = self._last.spilled_bytes - self._before.spilled_bytes
        return {
            "capacity_bytes": self._last.capacity_bytes,
            "peak_bytes": self._peak_bytes,
            "spilled_bytes": spilled,
            "verdict": store_verdict(self._last.capacity_bytes, self._peak_bytes, spilled),
        }


@dataclass(frozen=True, slots=True)
class _Sample:
    capacity_bytes: int
    used_bytes: int
    spilled_bytes: int


def sampled() -> _Sample | None:
    """One look at the stores; None where the cluster does not answer."""
    from ray._private.internal_api import get_memory_info_reply, get_state_from_address

    with contextlib.suppress(Exception):  # a developer's interface, asked for a report and nothing else
        state = get_state_from_address(ray.get_runtime_context().gcs_address)
        stats = get_memory_info_reply(state).store_stats
        return _Sample(stats.object_store_bytes_avail, stats.object_store_bytes_used, stats.spilled_bytes_total)
    return None


def store_verdict(capacity_bytes: int, peak_bytes: int, spilled_bytes: int) -> str:
    """Whether the object store held the run up."""
    if spilled_bytes > 0:
        how = f"the object store filled up ({peak_bytes >> 20} of {capacity_bytes >> 20} MiB) and spilled"
        return f"{how} {spilled_bytes >> 20} MiB to disk: a smaller --partition-rows, or a larger store, helps"
    if capacity_bytes and peak_bytes > _FULL * capacity_bytes:
        return f"the object store was full ({peak_bytes >> 20} of {capacity_bytes >> 20} MiB): stages waited for room"
    return "the object store had room"
