"""Stages that take time and no core, and say when and where they ran: what the simulated clusters work with."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np

Batch = dict[str, np.ndarray[Any, Any]]

BLOCK_S = 1.0  # what the published microbenchmark sleeps a block
BATCH_S = 0.05  # what the simulated model takes a batch


class _Device:
    """Works on one call at a time, however many threads call, and on what is queued while its host wakes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._free_at = 0.0

    def run(self) -> float:
        """Returns when the device is done with one more call; when it began with it, in seconds since the epoch."""
        with self._lock:
            begins_at = max(self._free_at, time.monotonic())
            self._free_at = ends_at = begins_at + self._seconds
        time.sleep(max(0.0, ends_at - time.monotonic()))
        return time.time() - (time.monotonic() - begins_at)


_SLOT = _Device(BLOCK_S)  # one of each a process
_MODEL_DEVICE = _Device(BATCH_S)


def sleep_a_block(batch: Batch) -> Batch:
    """Takes 1 s; adds the worker (its process's number), and when it began and ended in seconds since the epoch.

    ready: 0, as nothing had to be built.
    """
    began = _SLOT.run()
    return batch | _columns(batch, worker=os.getpid(), ready=0.0, began=began, ended=time.time())


class BlockSleeper:
    """`sleep_a_block` as a class, built once a worker; `ready` is when it was built."""

    def __init__(self) -> None:
        self._ready = time.time()

    def __call__(self, batch: Batch) -> Batch:
        """Takes 1 s, whatever the batch."""
        return sleep_a_block(batch) | _columns(batch, ready=self._ready)


class SleepingModel:
    """A model on a device of 50 ms a batch; adds the worker (its process's number) and when the batch was done."""

    def __call__(self, batch: Batch) -> Batch:
        """Runs a batch of any columns; `done_at` is in seconds since the epoch."""
        _MODEL_DEVICE.run()
        return batch | _columns(batch, worker=os.getpid(), done_at=time.time())


def doubled(batch: Batch) -> Batch:
    """A cheap job: twice the number."""
    return batch | {"twice": 2 * batch["number"]}


def _columns(batch: Batch, **values: float) -> Batch:
    rows = len(next(iter(batch.values())))
    return {name: np.full(rows, value) for name, value in values.items()}
