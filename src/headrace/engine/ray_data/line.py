"""A pipeline that never drains: partitions go through one behind the other, whichever call brings them."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future

from headrace.core.batch import Batch
from headrace.core.errors import RunError
from headrace.engine.flow.pipeline import Pipeline
from headrace.engine.flow.workshop import Workshop


class Line:
    """The steps of a workshop, kept running between partitions; `through` may be called by many threads at once."""

    def __init__(self, shop: Workshop, *, queue_bytes: int, stall_timeout_s: float) -> None:
        self._given: queue.SimpleQueue[Iterable[Batch] | None] = queue.SimpleQueue()
        self._waiting: deque[Future[list[Batch]]] = deque()
        self._giving = threading.Lock()
        self._error: BaseException | None = None
        self._pipeline = Pipeline(self._batches(), shop, queue_bytes=queue_bytes, stall_timeout_s=stall_timeout_s)
        threading.Thread(target=self._collect, name="headrace-line", daemon=True).start()

    def through(self, batches: Iterable[Batch]) -> list[Batch]:
        """The batches of one partition, after all steps. Raises HeadraceError, from then on always."""
        answer: Future[list[Batch]] = Future()
        with self._giving:
            if self._error is not None:
                raise self._error
            self._waiting.append(answer)
            self._given.put(batches)
        return answer.result()

    def close(self) -> None:
        """Ends its threads once what was given is through."""
        with self._giving:
            self._error = self._error or RunError("closed")
            self._given.put(None)

    def _batches(self) -> Iterator[Batch]:
        while (batches := self._given.get()) is not None:
            yield from batches

    def _collect(self) -> None:
        collected: list[Batch] = []
        try:
            for batch in self._pipeline.batches():
                collected.append(batch)
                if batch.last:
                    self._waiting.popleft().set_result(collected)
                    collected = []
        except BaseException as error:  # noqa: BLE001 - a worker's boundary; it is raised in `through`
            with self._giving:
                self._error = error
            for answer in self._waiting:
                answer.set_exception(error)
        finally:
            self._pipeline.stop()
