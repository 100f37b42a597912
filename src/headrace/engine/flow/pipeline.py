"""The pipeline: read -> prepare -> steps, as threads joined by ordered queues."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from headrace.core.batch import Batch
from headrace.core.errors import HeadraceError
from headrace.core.faults import WorkerStalled
from headrace.core.partition import Partition
from headrace.engine.flow.meters import StageMeter
from headrace.engine.flow.places import located
from headrace.engine.flow.preparing import Piece, pieces, prepared
from headrace.engine.flow.queues import Closed, Ended, OrderedQueue, Ticket
from headrace.engine.flow.stalls import StallWatch
from headrace.engine.flow.steps import Step, Work, opened
from headrace.engine.flow.workshop import Workshop
from headrace.plan import sizing
from headrace.plan.plan import Plan
from headrace.plan.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the rows of a pipeline are read and prepared; source: the pieces to read, in order."""

    source: Iterator[Piece]
    io_concurrency: int
    prepare_workers: int
    read_ahead_bytes: int


def reading_of(recipe: Recipe, plan: Plan, shop: Workshop, todo: Iterable[Partition], *, skip_rows: int = 0) -> Reading:
    """How the partitions `todo` are read; the first `skip_rows` rows are left out."""
    batch_size, queue_bytes = int(plan.value("batch_size")), int(plan.value("queue_bytes"))
    chunk = sizing.read_chunk_rows(batch_size, prepared=shop.preparer is not None)
    burst_bytes, memory_bytes = recipe.listing.burst_bytes, int(plan.value("memory_bytes"))
    return Reading(
        source=pieces(recipe.listing, todo, batch_size, chunk, skip_rows),
        io_concurrency=int(plan.value("io_concurrency")),
        prepare_workers=int(plan.value("prepare_workers")),
        read_ahead_bytes=sizing.read_ahead_bytes(queue_bytes, burst_bytes, memory_bytes),
    )


class Pipeline:
    """Threads for every stage of a workshop; `batches` gives the finished batches in order.

    entrance: what is to be read and prepared, or batches that have been, in order.
    """

    def __init__(
        self, entrance: Reading | Iterator[Batch], shop: Workshop, *, queue_bytes: int, stall_timeout_s: float
    ) -> None:
        self._preparer, self._meters, self._salvages = shop.preparer, shop.meters, shop.salvages
        self._queue_bytes = queue_bytes
        self._stalls = StallWatch(stall_timeout_s)
        self._error: BaseException | None = None
        self._queues: list[OrderedQueue[Any]] = []
        self._threads: list[threading.Thread] = []
        batches = self._add_reading(entrance) if isinstance(entrance, Reading) else self._add_given(entrance)
        for step in shop.steps:
            batches = self._add_step(step, batches)
        self._finished = batches
        self._threads.append(threading.Thread(target=self._stalls.watch, name="headrace-stalls", daemon=True))
        for thread in self._threads:  # only now: a thread that fails at once must find all queues, to close them
            thread.start()

    def _add_reading(self, reading: Reading) -> OrderedQueue[Batch]:
        self._source = reading.source
        read: OrderedQueue[Piece] = self._queue(reading.read_ahead_bytes)
        self._reading = threading.Lock()
        self._add("read", reading.io_concurrency, lambda: self._read_loop(read), read)
        prepared: OrderedQueue[Batch] = self._queue(self._queue_bytes)
        self._preparing = threading.Lock()
        self._add("prepare", reading.prepare_workers, lambda: self._prepare_loop(read, prepared), prepared)
        return prepared

    def _add_given(self, batches: Iterator[Batch]) -> OrderedQueue[Batch]:
        target: OrderedQueue[Batch] = self._queue(self._queue_bytes)

        def give() -> None:
            for batch in batches:
                nbytes = batch.nbytes()
                target.fill(target.reserve(nbytes), batch, nbytes)

        self._add("give", 1, give, target)
        return target

    def _queue(self, budget_bytes: int) -> OrderedQueue[Any]:
        queue: OrderedQueue[Any] = OrderedQueue(budget_bytes)
        self._queues.append(queue)
        return queue

    def _add(self, name: str, count: int, loop: Callable[[], None], target: OrderedQueue[Any]) -> Callable[..., None]:
        """`count` threads that run `loop` until it ends; the last of them ends `target`. The result runs `loop`, or
        what it is given, in a further thread, in place of one that was given up."""
        left = [count]
        guard = threading.Lock()
        meter = self._meters.get(name)

        def run(loop: Callable[[], None]) -> None:
            with contextlib.suppress(Closed), contextlib.nullcontext() if meter is None else meter.thread():
                try:
                    loop()
                except Closed:
                    raise
                except BaseException as error:  # noqa: BLE001 - a worker's boundary; it is recorded and raised in `batches`
                    self.fail(error)
                with guard:
                    left[0] -= 1
                    if left[0] == 0:
                        target.end()

        def thread(number: int, loop: Callable[[], None]) -> threading.Thread:
            return threading.Thread(target=run, args=(loop,), name=f"headrace-{name}-{number}", daemon=True)

        self._threads += [thread(number, loop) for number in range(count)]
        return lambda loop: thread(count, loop).start()

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
            with meter.working(piece.read.rows), self._stalls.call("read", partial(self._stalled, "read", piece)):
                try:
                    rows = piece.read.load()
                except HeadraceError:
                    raise
                except Exception as error:
                    raise self._located("read", piece, error) from error
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
                    nbytes = piece.read.nbytes if self._preparer is None else self._preparer.batch_bytes(piece)
                    pending.ticket = target.reserve(nbytes)
                    pending.tensor = pool.take() if pool is not None else None
            meter.waited(got - began, time.perf_counter() - got)
            with meter.working(len(rows.keys)), self._stalls.call("prepare", partial(self._stalled, "prepare", piece)):
                batch = pending.add(piece.offset, prepared(self._preparer, rows, pending, piece.offset))
            if batch is not None:
                assert pending.ticket is not None
                target.fill(pending.ticket, batch, batch.nbytes())

    def _stalled(self, name: str, piece: Piece, error: WorkerStalled, _batch: Batch | None, _thread: int) -> None:
        """Reading and decoding cannot be given to another thread: what hangs there would hang it too."""
        self.fail(self._located(name, piece, error))

    def _located(self, name: str, piece: Piece, error: Exception) -> HeadraceError:
        pending = piece.pending
        keys = piece.rows.keys if piece.rows is not None else []
        return located(name, pending.partition.number, pending.first_row, pending.rows, keys, error)

    def _add_step(self, step: Step, source: OrderedQueue[Batch]) -> OrderedQueue[Batch]:
        target: OrderedQueue[Batch] = self._queue(self._queue_bytes)
        taking = threading.Lock()
        meter, salvage = self._meters[step.name], self._salvages[step.name]

        def loop(taken: tuple[Batch, Ticket[Batch]] | None = None) -> None:
            work = opened(step)
            while True:
                try:
                    batch, ticket = taken or _take(source, target, taking, meter)
                except Ended:
                    return
                taken = None
                done = through(work, batch, ticket)
                salvage.release(batch, done)
                target.fill(ticket, done, done.nbytes())

        def through(work: Work, batch: Batch, ticket: Ticket[Batch]) -> Batch:
            with meter.working(len(batch.keys)):
                if step.times_itself:
                    return salvage(work, batch)
                with self._stalls.call(step.name, partial(given_up, (batch, ticket))) as call:
                    return salvage(call.timed(work), batch)

        def given_up(
            taken: tuple[Batch, Ticket[Batch]], error: WorkerStalled, stuck: Batch | None, thread: int
        ) -> None:
            try:
                salvage.given_up(stuck or taken[0], error, thread)
            except HeadraceError as failed:
                self.fail(failed)
            else:
                take_over(partial(loop, taken))

        take_over = self._add(step.name, step.threads, loop, target)
        return target

    def fail(self, error: BaseException) -> None:
        """Records the first error and stops everything."""
        if self._error is None:
            self._error = error
        self.stop()

    def stop(self) -> None:
        """Stops all threads at their next wait."""
        self._stalls.stop()
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

    def join(self, timeout_s: float) -> None:
        """Waits for the threads to end, so long."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))


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
