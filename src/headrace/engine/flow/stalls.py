"""Work that gives no answer: it is given up after a time, with the stack of the thread that is stuck in it.

A thread cannot be killed. It is left behind: another takes over its batch, and what it may still return is discarded.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import TypeVar

from headrace.core.batch import Batch
from headrace.core.faults import WorkerStalled
from headrace.engine.flow.queues import Closed
from headrace.engine.flow.steps import Work

OnGivenUp = Callable[[WorkerStalled, Batch | None, int], None]
"""Told of a call that took too long, the batch, or part of one, that it was stuck with, and its thread."""

_NEVER = float("inf")
_Result = TypeVar("_Result")


class GivenUp(Closed):
    """This thread took too long, and another has taken over."""


class Call:
    """One piece of work of one thread; a context, around it."""

    def __init__(self, calls: set[Call], name: str, given_up: OnGivenUp) -> None:
        self._calls, self._name, self._on_give_up = calls, name, given_up
        self._batch: Batch | None = None
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._over = False
        self.since = time.monotonic()  # its work has begun; `_NEVER` while none is being done

    def __enter__(self) -> Call:
        self._calls.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._calls.discard(self)
            was_over, self._over = self._over, True
        if was_over:
            raise GivenUp

    def timed(self, work: Work) -> Work:
        """`work`, whose every call counts by itself. Raises GivenUp when this thread was."""

        def call(batch: Batch) -> Batch:
            self._check()
            self.since, self._batch = time.monotonic(), batch
            try:
                return work(batch)
            finally:
                self.since = _NEVER
                self._check()

        self.since = _NEVER
        return call

    def _check(self) -> None:
        if self._over:
            raise GivenUp

    def give_up(self, timeout_s: float) -> None:
        """Lets another take over, unless it has ended meanwhile."""
        with self._lock:
            if self._over:
                return
            self._over = True
            self._calls.discard(self)
        self._on_give_up(stalled(self._name, self._thread, timeout_s), self._batch, self._thread)


class StallWatch:
    """Looks after the calls of a pipeline's threads."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._calls: set[Call] = set()
        self._stopped = threading.Event()

    def call(self, name: str, given_up: OnGivenUp) -> Call:
        """Around the work of the thread that calls it; `given_up` is called once when it takes too long."""
        return Call(self._calls, name, given_up)

    def watch(self) -> None:
        """Watches until it is stopped."""
        tick_s = min(1.0, self._timeout_s / 4)
        before = time.monotonic()
        while not self._stopped.wait(tick_s):
            now = time.monotonic()
            if (paused_s := now - before - tick_s) > tick_s:  # the whole process was stopped: nobody is late for that
                for call in tuple(self._calls):
                    call.since += paused_s
            before = now
            for call in tuple(self._calls):
                if call.since < now - self._timeout_s:
                    call.give_up(self._timeout_s)

    def stop(self) -> None:
        """Ends the watching."""
        self._stopped.set()


def stalled(name: str, thread: int, timeout_s: float) -> WorkerStalled:
    """That a thread is stuck, and where."""
    frame = sys._current_frames().get(thread)
    stack = "".join(traceback.format_stack(frame)[-8:]) if frame is not None else "it has ended since"
    return WorkerStalled(f"{name} gave no answer for {timeout_s:g} s (--stall-timeout); it is stuck in:\n{stack}")


def timely(name: str, timeout_s: float, call: Callable[[], _Result]) -> _Result:
    """What `call` returns, in a thread that is left behind when it takes too long. Raises WorkerStalled."""
    answer: Future[_Result] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - a worker's boundary; the caller raises it
            answer.set_exception(error)

    thread = threading.Thread(target=run, name=f"headrace-{name}-first", daemon=True)
    thread.start()
    thread.join(min(timeout_s, threading.TIMEOUT_MAX))
    if thread.is_alive():
        assert thread.ident is not None
        raise stalled(name, thread.ident, timeout_s)
    return answer.result()


def within(name: str, timeout_s: float, open_work: Callable[[], Work], dropped: Callable[[], None]) -> Work:
    """A worker each of whose calls is `timely`; after one was not, `dropped` is told, and it is opened anew."""
    work: list[Work] = [open_work()]

    def call(batch: Batch) -> Batch:
        if not work:
            work.append(open_work())
        try:
            return timely(name, timeout_s, partial(work[0], batch))
        except WorkerStalled:
            work.clear()
            dropped()
            raise

    return call
