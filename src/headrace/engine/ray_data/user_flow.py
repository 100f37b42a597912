"""A pipeline from reading to the last step that never drains, whichever call brings rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from headrace.core.batch import Batch
from headrace.core.partition import Partition
from headrace.engine.flow.pipeline import Pipeline, Reading
from headrace.engine.flow.preparing import Piece, pieces
from headrace.engine.flow.workshop import Workshop
from headrace.engine.ray_data.line import Line
from headrace.engine.ray_data.user_rows import GivenRows
from headrace.plan import sizing
from headrace.plan.plan import Plan


@dataclass(frozen=True, eq=False)
class _Call:
    """Rows on their way."""

    rows: GivenRows
    partition: Partition


class Flow:
    """The stages of a workshop, kept running between calls; may be called by many threads at once."""

    def __init__(self, shop: Workshop, plan: Plan, *, stall_timeout_s: float) -> None:
        self._shop, self._plan, self._stall_timeout_s = shop, plan, stall_timeout_s
        self._numbering = threading.Lock()
        self._calls = self._rows = 0
        self._line = Line(self._pipeline)

    def __call__(self, rows: GivenRows, count: int) -> list[Batch]:
        """The batches that became of `count` >= 1 rows, in order; their `rows` count from 0.

        Raises HeadraceError, from then on always.
        """
        with self._numbering:  # calls are given in the order of their numbers
            start = self._rows
            call = _Call(replace(rows, start=start), Partition(self._calls, start, start + count))
            answer = self._line.give(call)
            self._calls, self._rows = self._calls + 1, start + count
        return [_counted_from(start, batch) for batch in answer.result()]

    def close(self) -> None:
        """Ends its threads once what was given is through."""
        self._line.close()

    @property
    def failed(self) -> bool:
        """Whether all calls raise."""
        return self._line.failed

    def _pipeline(self, calls: Iterator[_Call]) -> Pipeline:
        queue_bytes = int(self._plan.value("queue_bytes"))
        reading = Reading(
            source=self._pieces(calls),
            io_concurrency=int(self._plan.value("io_concurrency")),
            prepare_workers=int(self._plan.value("prepare_workers")),
            read_ahead_bytes=queue_bytes,
        )
        return Pipeline(reading, self._shop, queue_bytes=queue_bytes, stall_timeout_s=self._stall_timeout_s)

    def _pieces(self, calls: Iterator[_Call]) -> Iterator[Piece]:
        batch_size = int(self._plan.value("batch_size"))
        chunk_rows = sizing.read_chunk_rows(batch_size, prepared=self._shop.preparer is not None)
        for call in calls:
            yield from pieces(call.rows, [call.partition], batch_size, chunk_rows, 0)


def _counted_from(start: int, batch: Batch) -> Batch:
    rejects = [replace(reject, row=reject.row - start) for reject in batch.rejects]
    return replace(batch, rows=batch.rows - start, rejects=rejects)
