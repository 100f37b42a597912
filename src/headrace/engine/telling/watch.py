"""Waits for a run to end and tells how it is getting on."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Protocol

from headrace.core.progress import OnProgress, Progress
from headrace.engine.flow.meters import StageMeter

_EVERY_S = 0.25


class Counted(Protocol):
    """Rows that came out so far."""

    rows: int
    rejected: int


def watch(
    thread: threading.Thread,
    counted: Counted,
    rows_total: int,
    meters: Mapping[str, StageMeter],
    on_progress: OnProgress | None,
) -> None:
    """Returns when `thread` has ended; meanwhile calls `on_progress` four times a second, and once at the end."""
    began = time.perf_counter()
    last, busy = began, {n: m.busy_s() for n, m in meters.items()}
    while True:
        thread.join(_EVERY_S)
        now = time.perf_counter()
        busy_now = {n: m.busy_s() for n, m in meters.items()}
        if on_progress is not None:
            rate = counted.rows / (now - began)
            left = rows_total - counted.rows
            shares = {n: (busy_now[n] - busy[n]) / max(1e-6, meters[n].workers * (now - last)) for n in meters}
            eta = left / rate if rate > 0 else None
            on_progress(Progress(counted.rows, rows_total, counted.rejected, rate, eta, shares))
        last, busy = now, busy_now
        if not thread.is_alive():
            return
