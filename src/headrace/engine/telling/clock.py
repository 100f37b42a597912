"""A session's times: start-up, probing, writing, and the CPU that each took."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from headrace.engine.flow.meters import StageMeter


class RunClock:
    """Starts when built, or earlier where a process's start is to count: `before_s` seconds before."""

    def __init__(self, *, before_s: float = 0.0) -> None:
        self._begin = time.perf_counter() - before_s
        self.started = datetime.fromtimestamp(time.time() - before_s, UTC).isoformat(timespec="seconds")
        self._read_at: float | None = None
        self._cpu_at_read = 0.0
        self._end: float | None = None
        self._cpu_at_end = 0.0
        self.probe_s = 0.0
        self.meter = StageMeter("write", 1)

    def probed(self, began: float) -> None:
        """Adds what probing took since `began`. It reads rows: start-up ended when it began."""
        self._read_at = self._read_at or began
        self.probe_s += time.perf_counter() - began

    def started_reading(self) -> None:
        """The first row of the run is about to be read."""
        self._read_at = self._read_at or time.perf_counter()
        self._cpu_at_read = cpu_s()

    @contextlib.contextmanager
    def writing(self, rows: int) -> Iterator[None]:
        """Around the writing of one part."""
        began = time.thread_time()
        with self.meter.working(rows):
            yield
        self.meter.used_cpu(time.thread_time() - began)

    def finished(self) -> None:
        """The last part is written, or the run has stopped."""
        self._end, self._cpu_at_end = time.perf_counter(), cpu_s()

    @property
    def startup_s(self) -> float:
        """Seconds until the first row was read."""
        return (self._read_at or time.perf_counter()) - self._begin

    @property
    def wall_s(self) -> float:
        """Seconds in all."""
        return (self._end or time.perf_counter()) - self._begin

    @property
    def running_cpu_s(self) -> float:
        """CPU seconds between the run's first row and its end, of this process."""
        return (self._cpu_at_end or cpu_s()) - self._cpu_at_read


def cpu_s() -> float:
    """CPU seconds of this process so far."""
    return time.process_time()


def peak_rss_bytes() -> int:
    """The most memory that this process has held, and the largest of its ended children."""
    return max(_own_peak_bytes(), 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def _own_peak_bytes() -> int:
    """Of this program: what getrusage says outlives exec, so that a small child of a large parent looks large."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
