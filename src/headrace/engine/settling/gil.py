"""Measures how much of a call's time other threads could not run, because it held the GIL."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_TICK_S = 0.0005


def held_ratio(call: Callable[[], T]) -> tuple[T, float, float]:
    """Runs `call`; its result, its seconds, and the share (0..1) of them in which it held the GIL.

    A second thread sleeps in ticks. While the GIL is free it wakes at once; while it is held it gets the GIL only when
    its request is served, a switch interval (5 ms) later, or when the holder lets go. Time over 4 ticks counts as held.
    """
    stop = threading.Event()
    late = [0.0]

    def tick() -> None:
        while not stop.is_set():
            start = time.perf_counter()
            time.sleep(_TICK_S)
            waited = time.perf_counter() - start
            if waited > 4 * _TICK_S:
                late[0] += waited - _TICK_S

    ticker = threading.Thread(target=tick, name="headrace-gil", daemon=True)
    ticker.start()
    began = time.perf_counter()
    try:
        result = call()
    finally:
        seconds = time.perf_counter() - began
        stop.set()
        ticker.join()
    if seconds < 4 * sys.getswitchinterval():
        return result, seconds, 0.0  # too short to tell
    return result, seconds, min(1.0, late[0] / seconds)
