"""The pipeline: read -> prepare -> steps, as threads joined by ordered queues."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from headrace.core.batch import Batch
from headrace.core.errors import HeadraceError
from headrace.engine.local.meters import StageMeter
from headrace.engine.local.places import failure, located
from headrace.engine.local.preparing import Part, Piece, Preparer
from headrace.engine.local.queues import Closed, Ended, OrderedQueue, Ticket
from headrace.engine.local.steps import Step, opened


class Pipeline:
    """Threads for every stage; `batches` gives the finished batches in order.

    source: the pieces to read, in order. preparer: None when a piece is a whole batch and needs no decoding.
    """

    def __init__(
        self,
        source: Iterator[Piece],
        preparer: Preparer | None,
        steps: Sequence[Step],
        *,
        io_concurrency: int,
        prepare_workers: int,
        queue_bytes: int,
        read_ahead_bytes: int,
        meters: dict[str, StageMeter],
    ) -> None:
        self._source, self._preparer = source, preparer
        self._queue_bytes, self._meters = queue_bytes, meters
        self._error: BaseException | None = None
        self._queues: list[OrderedQueue[Any]] = []
        self._threads: list[threading.Thread] = []
        read = self._queue(read_ahead_bytes)
        self._reading = threading.Lock()
        self._add("read", io_concurrency, lambda: self._read_loop(read), read)
        prepared = batches = self._queue(queue_bytes)
        self._preparing = threading.Lock()
        self._add("prepare", prepare_workers, lambda: self._prepare_loop(read, prepared), prepared)
        for step in steps:
            batches = self._add_step(step, batches)
        self._finished = batches
        for thread in self._threads:  # only now: a thread that fails at once must find all queues, to close them
            thread.start()

    def _queue(self, budget_bytes: int) -> OrderedQueue[Any]:
        queue: OrderedQueue[Any] = OrderedQueue(budget_bytes)
        self._queues.append(queue)
        return queue

    def _add(self, name: str, count: int, loop: Callable[[], None], target: OrderedQueue[Any]) -> None:
        """`count` threads that run `loop` until it ends; the last of them ends `target`."""
        left = [count]
        guard = threading.Lock()
        meter = self._meters[name]

        def run() -> None:
            start = time.thread_time()
            with contextlib.suppress(Closed):
                try:
                    loop()
                except Closed:
                    raise
                except BaseException as error:  # noqa: BLE001 - a worker's boundary; it is recorded and raised in `batches`
                    self.fail(error)
                finally:
                    meter.used_cpu(time.thread_time() - start)
                with guard:
                    left[0] -= 1
                    if left[0] == 0:
                        target.end()

        for number in range(count):
            thread = threading.Thread(target=run, name=f"headrace-{name}-{number}", daemon=True)
            self._threads.append(thread)

    def _read_loop(self, target: OrderedQueue[Piece]) -> None:
        meter = self._meters["read"]
        while True:
            began = time.perf_counter()
            with self._reading:
                piece = next(self._source, None)
                if piece is None:
                    return
                ticket = target.reserve(piece.read.nbytes)
            meter.waited(0.0, time.perf_counter() - began)
            with meter.working(piece.read.rows):
                try:
                    rows = piece.read.load()
                except HeadraceError:
                    raise
                except Exception as error:
                    pending = piece.pending
                    raise located(
                        "read", pending.partition.number, pending.first_row, pending.rows, [], error
                    ) from error
            target.fill(ticket, Piece(piece.pending, piece.offset, piece.read, rows), rows.nbytes())

    def _prepare_loop(self, source: OrderedQueue[Piece], target: OrderedQueue[Batch]) -> None:
        meter = self._meters["prepare"]
        pool = self._preparer.pool if self._preparer is not None else None
        while True:
            began = time.perf_counter()
            with self._preparing:
                try:
                    piece = source.get()
                except Ended:
                    return
                got = time.perf_counter()
                pending, rows = piece.pending, piece.rows
                assert rows is not None
                if piece.offset == 0:
                    pending.ticket = target.reserve(pool.nbytes if pool is not None else piece.read.nbytes)
                    pending.tensor = pool.take() if pool is not None else None
            meter.waited(got - began, time.perf_counter() - got)
            with meter.working(len(rows.keys)):
                if self._preparer is None:
                    part = Part(rows, np.ones(len(rows.keys), np.bool_), [])
                else:
                    part = self._preparer(rows, pending.tensor, piece.offset)
                batch = pending.add(piece.offset, part)
            if batch is not None:
                assert pending.ticket is not None
                target.fill(pending.ticket, batch, batch.nbytes())

    def _add_step(self, step: Step, source: OrderedQueue[Batch]) -> OrderedQueue[Batch]:
        target: OrderedQueue[Batch] = self._queue(self._queue_bytes)
        taking = threading.Lock()
        meter = self._meters[step.name]

        def loop() -> None:
            work = opened(step)
            while True:
                try:
                    batch, ticket = _take(source, target, taking, meter)
                except Ended:
                    return
                with meter.working(len(batch.keys)):
                    try:
                        done = work(batch)
                    except Exception as error:
                        raise failure(step.name, batch, error) from error
                target.fill(ticket, done, done.nbytes())

        self._add(step.name, step.threads, loop, target)
        return target

    def fail(self, error: BaseException) -> None:
        """Records the first error and stops everything."""
        if self._error is None:
            self._error = error
        self.stop()

    def stop(self) -> None:
        """Stops all threads at their next wait."""
        for queue in self._queues:
            queue.close()

    def batches(self) -> Iterator[Batch]:
        """Finished batches, in order. Raises the first error of any worker."""
        while True:
            try:
                yield self._finished.get()
            except Ended:
                return
            except Closed:
                if self._error is not None:
                    raise self._error from self._error.__cause__
                return

    def join(self, timeout_s: float) -> bool:
        """Waits for the threads to end; False when some have not."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(t.is_alive() for t in self._threads)


def _take(
    source: OrderedQueue[Batch], target: OrderedQueue[Batch], taking: threading.Lock, meter: StageMeter
) -> tuple[Batch, Ticket[Batch]]:
    """The next batch and a place behind the step for it, in one order."""
    began = time.perf_counter()
    with taking:
        batch = source.get()
        got = time.perf_counter()
        ticket = target.reserve(batch.nbytes())
    meter.waited(got - began, time.perf_counter() - got)
    return batch, ticket
