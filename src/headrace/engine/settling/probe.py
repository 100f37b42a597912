"""The first batch of the run, done in one thread: its results are kept, and its costs settle what is open."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from headrace.core.batch import Batch, Rows, joined
from headrace.core.contracts import Listing
from headrace.core.errors import HeadraceError
from headrace.core.faults import WorkerStalled
from headrace.core.partition import Partition
from headrace.engine.flow.meters import StageMeter
from headrace.engine.flow.places import located
from headrace.engine.flow.preparing import Pending, Preparer, prepared
from headrace.engine.flow.stalls import timely, within
from headrace.engine.flow.steps import MapStep, Step, Work, opened
from headrace.engine.flow.workshop import Workshop
from headrace.engine.settling.gil import held_ratio


@dataclass(frozen=True)
class Probed:
    """The finished batch, the seconds each stage took for it, what share of them user stages held the GIL, and the most
    bytes that it held between two stages."""

    batch: Batch
    seconds: dict[str, float]
    gil_held: dict[str, float]
    nbytes: int


def first_batch(listing: Listing, partition: Partition, rows: int, shop: Workshop, *, stall_timeout_s: float) -> Probed:
    """Runs the first `rows` rows of `partition` through every stage. Raises HeadraceError."""
    rows, meters = min(rows, partition.rows), shop.meters
    with _metered(meters["read"], rows) as read_clock:
        try:
            reads = list(listing.reads(partition.start, partition.start + rows, rows))
            read = timely("read", stall_timeout_s, lambda: joined([r.load() for r in reads]))
        except HeadraceError:
            raise
        except Exception as error:
            raise located("read", partition.number, 0, rows, [], error) from error
    pending = Pending(partition, 0, rows, 1, rows == partition.rows)
    with _metered(meters["prepare"], rows) as prepare_clock:
        try:
            batch = timely("prepare", stall_timeout_s, lambda: _prepared(pending, read, shop.preparer))
        except WorkerStalled as error:
            raise located("prepare", partition.number, 0, rows, read.keys, error) from error
    seconds = {"read": read_clock.seconds, "prepare": prepare_clock.seconds}
    held: dict[str, float] = {}
    nbytes = batch.nbytes()
    for step in shop.steps:
        work = _worker(step, stall_timeout_s)
        with _metered(meters[step.name], len(batch.keys)) as clock:
            salvage = shop.salvages[step.name]
            done, held[step.name] = _done(partial(salvage, work, batch), measured=isinstance(step, MapStep))
        salvage.release(batch, done)
        batch = done
        seconds[step.name] = clock.seconds
        nbytes = max(nbytes, batch.nbytes())
    return Probed(batch, seconds, held, nbytes)


def _prepared(pending: Pending, read: Rows, preparer: Preparer | None) -> Batch:
    if preparer is not None and preparer.pool is not None:
        pending.tensor = preparer.pool.take()
    batch = pending.add(0, prepared(preparer, read, pending, 0))
    assert batch is not None
    return batch


def _worker(step: Step, stall_timeout_s: float) -> Work:
    """One worker of `step`, which is watched; a user's is the one that the run goes on with: a class is built once a
    worker."""
    if not isinstance(step, MapStep):
        return within(step.name, stall_timeout_s, partial(opened, step), lambda: None)
    if step.times_itself:
        step.opened.append(work := opened(step))
        return work

    def open_kept() -> Work:
        step.opened[:] = [opened(step)]
        return step.opened[0]

    return within(step.name, stall_timeout_s, open_kept, step.opened.clear)


def _done(run: Callable[[], Batch], *, measured: bool) -> tuple[Batch, float]:
    """The batch after a step, and the share of the time in which a user's stage held the GIL."""
    if not measured:
        return run(), 0.0
    done, _, held = held_ratio(run)
    return done, held


class _metered:  # noqa: N801 - reads as the context it is
    """Times a piece of work and books it on the stage's meter."""

    def __init__(self, meter: StageMeter, rows: int) -> None:
        self._meter, self._working = meter, meter.working(rows)
        self.seconds = 0.0

    def __enter__(self) -> _metered:
        self._working.__enter__()
        self._wall, self._cpu = time.perf_counter(), time.thread_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._wall
        self._meter.used_cpu(time.thread_time() - self._cpu)
        self._working.__exit__(None, None, None)
