"""Tells how a run is getting on, while it goes on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from headrace.core.progress import OnProgress, Progress

EVERY_S = 0.25
_WINDOW_S = 10.0  # of busy shares: a cluster's workers tell what they have spent once a partition

Busy = Callable[[], Mapping[str, tuple[float, int]]]
"""Busy seconds of each stage up to now, and how many batches it works on at once."""


class Counted(Protocol):
    """Rows that came out so far."""

    rows: int
    rejected: int


class Watch:
    """Calls `on_progress` with what has come out, and what each stage did in the last seconds."""

    def __init__(self, counted: Counted, rows_total: int, busy: Busy, on_progress: OnProgress) -> None:
        self._counted, self._rows_total, self._busy, self._on_progress = counted, rows_total, busy, on_progress
        self._began = time.perf_counter()
        self._before = deque([(self._began, _seconds(busy()))])

    def tell(self) -> None:
        """Tells it once."""
        counted, now, busy = self._counted, time.perf_counter(), self._busy()
        rate = counted.rows / (now - self._began)
        left = self._rows_total - counted.rows
        while len(self._before) > 1 and self._before[1][0] <= now - _WINDOW_S:
            self._before.popleft()
        since, spent = self._before[0]
        shares = {
            name: min(1.0, (seconds - spent.get(name, 0.0)) / max(1e-6, workers * (now - since)))
            for name, (seconds, workers) in busy.items()
        }
        self._before.append((now, _seconds(busy)))
        eta = left / rate if rate > 0 else None
        self._on_progress(Progress(counted.rows, self._rows_total, counted.rejected, rate, eta, shares))


def _seconds(busy: Mapping[str, tuple[float, int]]) -> dict[str, float]:
    return {name: seconds for name, (seconds, _) in busy.items()}


def watch(
    thread: threading.Thread, counted: Counted, rows_total: int, busy: Busy, on_progress: OnProgress | None
) -> None:
    """Returns when `thread` has ended; meanwhile tells four times a second, and once at the end."""
    if on_progress is None:
        thread.join()
        return
    telling = Watch(counted, rows_total, busy, on_progress)
    while thread.is_alive():
        thread.join(EVERY_S)
        telling.tell()


@contextlib.contextmanager
def watched(
    counted: Counted, rows_total: int, busy: Busy, on_progress: OnProgress | None
) -> Iterator[Callable[[], None]]:
    """Around a run: another thread tells how it is getting on, four times a second, and this one at the end.

    What it gives is to be called now and then: it raises what `on_progress` has raised.
    """
    if on_progress is None:
        yield lambda: None
        return
    telling, ended = Watch(counted, rows_total, busy, on_progress), threading.Event()
    failed: list[BaseException] = []

    def tell() -> None:
        while not ended.wait(EVERY_S):
            try:
                telling.tell()
            except BaseException as error:  # noqa: BLE001 - the caller's own; `check` raises it
                failed.append(error)
                return

    def check() -> None:
        if failed:
            raise failed[0]

    thread = threading.Thread(target=tell, name="headrace-watch", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join()
    check()
    telling.tell()
