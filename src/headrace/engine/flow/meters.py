"""What each stage's workers do with their time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator

import numpy as np

from headrace.core.report import StageReport

_KEPT = 4096  # batch durations: p99 of a sample that size is within 1 % of rank
_NEWEST = 32  # of them, for whoever takes them from time to time


class StageMeter:
    """Busy, waiting and CPU seconds of one stage, and a sample of its batches' durations.

    Busy counts at most `workers` at once: of 4 requests in flight on 2 streams, 2 are computing.
    """

    def __init__(self, name: str, workers: int) -> None:
        self.name, self.workers = name, workers
        self._lock = threading.Lock()
        self._active, self._since = 0, time.perf_counter()
        self._busy = self._cpu = self._wait_in = self._wait_out = 0.0
        self._rows = self._seen = 0
        self._threads: dict[int, float] = {}  # their CPU seconds when they began, by thread
        self._durations: list[float] = []
        self._newest: deque[float] = deque(maxlen=_NEWEST)
        self._random = np.random.default_rng(0)

    @contextlib.contextmanager
    def working(self, rows: int) -> Iterator[None]:
        """Around the work on one batch (or a piece of one) of `rows` rows."""
        start = self._shift(+1)
        try:
            yield
        finally:
            end = self._shift(-1)
            with self._lock:
                self._rows += rows
                self._sample(end - start)

    def _shift(self, change: int) -> float:
        with self._lock:
            now = time.perf_counter()
            self._busy += min(self._active, self.workers) * (now - self._since)
            self._active, self._since = self._active + change, now
            return now

    def _sample(self, duration: float) -> None:
        """Reservoir sampling: every batch of the run is kept with the same chance."""
        self._newest.append(duration)
        self._seen += 1
        if len(self._durations) < _KEPT:
            self._durations.append(duration)
            return
        place = int(self._random.integers(self._seen))
        if place < _KEPT:
            self._durations[place] = duration

    def waited(self, wait_in_s: float, wait_out_s: float) -> None:
        """Adds waiting times."""
        with self._lock:
            self._wait_in += wait_in_s
            self._wait_out += wait_out_s

    def used_cpu(self, seconds: float) -> None:
        """Adds CPU time."""
        with self._lock:
            self._cpu += seconds

    @contextlib.contextmanager
    def thread(self) -> Iterator[None]:
        """Around all that the thread does that calls it: its CPU time counts."""
        ident = threading.get_ident()
        with self._lock:
            self._threads[ident] = time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._cpu += time.thread_time() - self._threads.pop(ident)

    @property
    def cpu_s(self) -> float:
        """CPU seconds so far, of threads that said so."""
        with self._lock:  # a thread that counts cannot end meanwhile
            running = sum(_thread_cpu_s(ident) - began for ident, began in self._threads.items())
            return self._cpu + running

    @property
    def wait_s(self) -> tuple[float, float]:
        """Seconds of waiting for input, and for room behind it, so far."""
        return self._wait_in, self._wait_out

    def durations_s(self) -> list[float]:
        """The sample of its batches' durations."""
        with self._lock:
            return list(self._durations)

    def take_newest_s(self) -> list[float]:
        """The durations of the last batches, each given once."""
        with self._lock:
            newest = list(self._newest)
            self._newest.clear()
            return newest

    @property
    def rows(self) -> int:
        """Rows worked on so far."""
        return self._rows

    def busy_s(self) -> float:
        """Busy seconds up to now."""
        with self._lock:
            return self._busy + min(self._active, self.workers) * (time.perf_counter() - self._since)

    def report(self, *, cpu_s: float | None = None) -> StageReport:
        """Its part of the run report; `cpu_s` when it is known from elsewhere."""
        milliseconds = 1000 * np.array(self._durations or [0.0])
        p50, p99 = np.percentile(milliseconds, [50, 99])
        return StageReport(
            name=self.name,
            workers=self.workers,
            rows=self._rows,
            busy_s=round(self.busy_s(), 4),
            cpu_s=round(self.cpu_s if cpu_s is None else cpu_s, 4),
            wait_in_s=round(self._wait_in, 4),
            wait_out_s=round(self._wait_out, 4),
            batch_ms_p50=round(float(p50), 3),
            batch_ms_p99=round(float(p99), 3),
        )


def _thread_cpu_s(ident: int) -> float:
    """CPU seconds of a thread that is running."""
    return time.clock_gettime(time.pthread_getcpuclockid(ident))
