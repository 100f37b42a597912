"""A run by Ray Client, where Ray Data 2.60 does not work: an actor in the cluster drives it."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

import ray

from headrace.engine.ray_data.carried import Carried
from headrace.engine.ray_data.graph import operators
from headrace.engine.ray_data.work import Told, Work
from headrace.plan.legs import Leg
from headrace.plan.reading import ReadTasks

_MOST = 64  # partitions that are told of in one answer
_WAIT_S = 0.5  # for more of them, behind the first


class _Driver:
    """The operators, inside the cluster."""

    def __init__(self, carried: Carried[Work], legs: Sequence[Leg], tasks: ReadTasks) -> None:
        self._operators = operators(carried, legs, tasks)
        self._told = self._operators.told()

    def more(self) -> list[Told]:
        """What is told next; nothing at the end."""
        began, told = time.monotonic(), []
        for one in self._told:
            told.append(one)
            if len(told) >= _MOST or time.monotonic() - began > _WAIT_S:
                break
        return told

    def summary(self) -> dict[str, Any]:
        """As `Operators.summary`."""
        return self._operators.summary()


class OperatorsAfar:
    """As `Operators`, driven by an actor."""

    def __init__(self, carried: Carried[Work], legs: Sequence[Leg], tasks: ReadTasks) -> None:
        self._driver = ray.remote(_Driver).options(num_cpus=0, max_restarts=0).remote(carried, legs, tasks)
        self._summary: dict[str, Any] = {}

    def told(self) -> Generator[Told]:
        """What is told of each partition as it is done, in no order; closing the iterator stops the run."""
        try:
            while answer := ray.get(self._driver.more.remote()):
                yield from answer
            self._summary = ray.get(self._driver.summary.remote())
        finally:
            ray.kill(self._driver)

    def summary(self) -> dict[str, Any]:
        """How the object store fared, and what Ray Data says of the run; nothing of a run that was stopped."""
        return self._summary
