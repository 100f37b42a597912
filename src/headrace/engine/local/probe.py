"""The first batch of the run, done in one thread: its results are kept, and its costs settle what is open."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace.core.batch import Batch, Rows
from headrace.core.contracts import Listing
from headrace.core.errors import HeadraceError
from headrace.core.partition import Partition
from headrace.engine.local.gil import held_ratio
from headrace.engine.local.meters import StageMeter
from headrace.engine.local.places import failure, located
from headrace.engine.local.preparing import Part, Pending, Preparer, joined
from headrace.engine.local.steps import MapStep, Step, Work, opened


@dataclass(frozen=True)
class Probed:
    """The finished batch, the seconds each stage took for it, what share of them user stages held the GIL, and the most
    bytes that it held between two stages."""

    batch: Batch
    seconds: dict[str, float]
    gil_held: dict[str, float]
    nbytes: int


def first_batch(
    listing: Listing,
    partition: Partition,
    rows: int,
    preparer: Preparer | None,
    steps: Sequence[Step],
    meters: dict[str, StageMeter],
) -> Probed:
    """Runs the first `rows` rows of `partition` through every stage. Raises HeadraceError."""
    rows = min(rows, partition.rows)
    with _metered(meters["read"], rows) as read_clock:
        try:
            read = joined([r.load() for r in listing.reads(partition.start, partition.start + rows, rows)])
        except HeadraceError:
            raise
        except Exception as error:
            raise located("read", partition.number, 0, rows, [], error) from error
    with _metered(meters["prepare"], rows) as prepare_clock:
        batch = _prepared(Pending(partition, 0, rows, 1, rows == partition.rows), read, preparer)
    seconds = {"read": read_clock.seconds, "prepare": prepare_clock.seconds}
    held: dict[str, float] = {}
    nbytes = batch.nbytes()
    for step in steps:
        work = opened(step)
        if isinstance(step, MapStep):
            step.opened.append(work)  # a class is built once a worker: the run goes on with this one
        with _metered(meters[step.name], len(batch.keys)) as clock:
            try:
                batch, held[step.name] = _done(work, batch, measured=isinstance(step, MapStep))
            except Exception as error:
                raise failure(step.name, batch, error) from error
        seconds[step.name] = clock.seconds
        nbytes = max(nbytes, batch.nbytes())
    return Probed(batch, seconds, held, nbytes)


def _prepared(pending: Pending, read: Rows, preparer: Preparer | None) -> Batch:
    if preparer is None:
        part = Part(read, np.ones(pending.rows, np.bool_), [])
    else:
        pending.tensor = preparer.pool.take() if preparer.pool is not None else None
        part = preparer(read, pending.tensor, 0)
    batch = pending.add(0, part)
    assert batch is not None
    return batch


def _done(work: Work, batch: Batch, *, measured: bool) -> tuple[Batch, float]:
    """The batch after a step, and the share of the time in which a user's stage held the GIL."""
    if not measured:
        return work(batch), 0.0
    done, _, held = held_ratio(lambda: work(batch))
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
