"""A pipeline that never drains: what calls bring goes through one behind the other, whichever call brings it."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import chain
from typing import Generic, TypeVar

from headrace.core.batch import Batch
from headrace.core.errors import RunError
from headrace.engine.flow.pipeline import Pipeline
from headrace.engine.flow.workshop import Workshop

Given = TypeVar("Given")


class Line(Generic[Given]):
    """A pipeline that is kept running between calls; many threads may call at once.

    pipeline: made of what calls will give, in order; the batches of each end with one that is the `last`.
    """

    def __init__(self, pipeline: Callable[[Iterator[Given]], Pipeline]) -> None:
        self._given: queue.SimpleQueue[Given | None] = queue.SimpleQueue()
        self._waiting: deque[Future[list[Batch]]] = deque()
        self._giving = threading.Lock()
        self._error: BaseException | None = None
        self._pipeline = pipeline(iter(self._given.get, None))
        threading.Thread(target=self._collect, name="headrace-line", daemon=True).start()

    def give(self, given: Given) -> Future[list[Batch]]:
        """Its batches, after all steps, in time. Raises HeadraceError, here and there, from then on always."""
        answer: Future[list[Batch]] = Future()
        with self._giving:
            if self._error is not None:
                raise self._error
            self._waiting.append(answer)
            self._given.put(given)
        return answer

    def through(self, given: Given) -> list[Batch]:
        """Its batches, after all steps. Raises HeadraceError, from then on always."""
        return self.give(given).result()

    def close(self) -> None:
        """Ends its threads once what was given is through."""
        with self._giving:
            self._error = self._error or RunError("closed")
            self._given.put(None)

    @property
    def failed(self) -> bool:
        """Whether all calls raise."""
        return self._error is not None

    def _collect(self) -> None:
        collected: list[Batch] = []
        try:
            for batch in self._pipeline.batches():
                collected.append(batch)
                if batch.last:
                    self._waiting.popleft().set_result(collected)
                    collected = []
        except BaseException as error:  # noqa: BLE001 - a worker's boundary; it is raised in every call
            with self._giving:
                self._error = error
            for answer in self._waiting:
                answer.set_exception(error)
        finally:
            self._pipeline.stop()


def line_of_batches(shop: Workshop, *, queue_bytes: int, stall_timeout_s: float) -> Line[Iterable[Batch]]:
    """The steps of a workshop, which are given the batches of one partition at a time."""

    def pipeline(partitions: Iterator[Iterable[Batch]]) -> Pipeline:
        batches = chain.from_iterable(partitions)
        return Pipeline(batches, shop, queue_bytes=queue_bytes, stall_timeout_s=stall_timeout_s)

    return Line(pipeline)
