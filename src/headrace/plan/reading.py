"""How a cluster's read tasks share out a job's partitions: pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.plan.sizing import SENT_BYTES

MOST_TASKS = 1000  # each costs the driver about 50 kB: 1.1 GB at 20,000
_LEAST_S = 1.0  # of a task's work: a process for it takes 1.5 CPU-seconds to start
_PARTITION_S = 0.01  # what a partition costs a task at least
_MOST_OF_A_GROUP = 64  # partitions, of a second each or more: a task that is lost is begun again
_ROUNDS = 2  # a slot takes at most half of its part of what is left
_AHEAD_BYTES = 4 * SENT_BYTES
_MOST_AHEAD = 64  # partitions


@dataclass(frozen=True)
class ReadTasks:
    """groups: the partitions of each task, int64, consecutive. ahead: partitions that a task may have read before they
    are taken from it."""

    groups: tuple[NDArray[np.int64], ...]
    ahead: int


def read_tasks(numbers: NDArray[np.int64], *, slots: int, seconds: float, nbytes: float) -> ReadTasks:
    """For `slots` tasks at once.

    Guided self-scheduling (Polychronopoulos and Kuck, 1987): a group is a part of what is left, so that the first ones
    fill every worker behind them in one go, and the last ones are short and end together. No task has less than a
    second's work where there is more, so that cheap reading does not start a process on every CPU.

    seconds: to read a partition, as the first batch showed it; 0 where it showed nothing. nbytes: a partition's, as it
    travels.
    """
    least = max(_worthwhile(seconds), -(-len(numbers) // MOST_TASKS))
    most = max(least, _MOST_OF_A_GROUP)
    groups, begun = [], 0
    while begun < len(numbers):
        fair = -(-(len(numbers) - begun) // (_ROUNDS * max(1, slots)))
        size = min(most, max(least, fair))
        groups.append(numbers[begun : begun + size])
        begun += size
    ahead = int(_AHEAD_BYTES / max(1.0, nbytes))
    return ReadTasks(tuple(groups), min(_MOST_AHEAD, max(2, ahead)))


def _worthwhile(seconds: float) -> int:
    return max(1, int(_LEAST_S / max(_PARTITION_S, seconds))) if seconds else 1
