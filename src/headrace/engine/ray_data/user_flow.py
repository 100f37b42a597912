"""A pipeline from reading to the last step that never drains, whichever call brings rows."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from headrace.core.batch import Batch
from headrace.core.errors import RunError
from headrace.core.partition import Partition
from headrace.engine.flow.pipeline import Pipeline, Reading
from headrace.engine.flow.preparing import Piece, pieces
from headrace.engine.flow.workshop import Workshop
from headrace.engine.ray_data.user_rows import GivenRows
from headrace.plan import sizing
from headrace.plan.plan import Plan


@dataclass(eq=False)
class _Call:
    """Rows on their way."""

    rows: GivenRows
    partition: Partition
    answer: Future[list[Batch]] = field(default_factory=Future)


class Flow:
    """The stages of a workshop, kept running between calls; may be called by many threads at once."""

    def __init__(self, shop: Workshop, plan: Plan, *, stall_timeout_s: float) -> None:
        self._batch_size = int(plan.value("batch_size"))
        self._chunk_rows = sizing.read_chunk_rows(self._batch_size, prepared=shop.preparer is not None)
        self._given: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._waiting: deque[_Call] = deque()
        self._giving = threading.Lock()
        self._calls = self._rows = 0
        self._error: BaseException | None = None
        queue_bytes = int(plan.value("queue_bytes"))
        reading = Reading(
            source=self._pieces(),
            io_concurrency=int(plan.value("io_concurrency")),
            prepare_workers=int(plan.value("prepare_workers")),
            read_ahead_bytes=queue_bytes,
        )
        self._pipeline = Pipeline(reading, shop, queue_bytes=queue_bytes, stall_timeout_s=stall_timeout_s)
        threading.Thread(target=self._collect, name="headrace-calls", daemon=True).start()

    def __call__(self, rows: GivenRows, count: int) -> list[Batch]:
        """The batches that became of `count` >= 1 rows, in order; their `rows` count from 0.

        Raises HeadraceError, from then on always.
        """
        with self._giving:
            if self._error is not None:
                raise self._error
            partition = Partition(self._calls, self._rows, self._rows + count)
            call = _Call(replace(rows, start=self._rows), partition)
            self._calls, self._rows = self._calls + 1, self._rows + count
            self._waiting.append(call)
            self._given.put(call)
        return call.answer.result()

    def close(self) -> None:
        """Ends its threads once what was given is through."""
        with self._giving:
            self._error = self._error or RunError("closed")
            self._given.put(None)

    @property
    def failed(self) -> bool:
        """Whether all calls raise."""
        return self._error is not None

    def _pieces(self) -> Iterator[Piece]:
        while (call := self._given.get()) is not None:
            yield from pieces(call.rows, [call.partition], self._batch_size, self._chunk_rows, 0)

    def _collect(self) -> None:
        collected: list[Batch] = []
        try:
            for batch in self._pipeline.batches():
                call = self._waiting[0]
                collected.append(_counted_from(call.partition.start, batch))
                if batch.last:
                    self._waiting.popleft().answer.set_result(collected)
                    collected = []
        except BaseException as error:  # noqa: BLE001 - a worker's boundary; it is raised in every call
            with self._giving:
                self._error = error
            for call in self._waiting:
                call.answer.set_exception(error)
        finally:
            self._pipeline.stop()


def _counted_from(start: int, batch: Batch) -> Batch:
    rejects = [replace(reject, row=reject.row - start) for reject in batch.rejects]
    return replace(batch, rows=batch.rows - start, rejects=rejects)
