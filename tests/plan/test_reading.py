"""How a cluster's read tasks share out the partitions of a job."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.plan.reading import MOST_TASKS, read_tasks

MIB = 1 << 20


@given(st.integers(0, 20_000), st.integers(1, 300), st.floats(0, 100))
def test_every_partition_is_read_once_by_few_tasks_the_last_of_which_are_short(
    count: int, slots: int, seconds: float
) -> None:
    groups = read_tasks(np.arange(count), slots=slots, seconds=seconds, nbytes=0).groups
    sizes = [len(group) for group in groups]
    assert np.concatenate([*groups, []]).tolist() == list(range(count))
    assert len(groups) <= MOST_TASKS
    assert sorted(sizes, reverse=True) == sizes
    if groups and (seconds == 0 or seconds >= 1):
        assert sizes[-1] <= -(-count // MOST_TASKS)
        assert sizes[0] <= max(-(-count // (2 * slots)), 1 + count // MOST_TASKS)


@pytest.mark.parametrize(("seconds", "tasks"), [(0.0001, 2), (0.1, 20), (1.0, 49), (0.0, 49)])
def test_a_task_has_a_second_of_work_so_that_cheap_reading_starts_few_processes(seconds: float, tasks: int) -> None:
    assert len(read_tasks(np.arange(200), slots=8, seconds=seconds, nbytes=0).groups) == tasks


@pytest.mark.parametrize(("nbytes", "ahead"), [(32 * MIB, 4), (100 * MIB, 2), (1000, 64)])
def test_as_much_is_read_ahead_as_memory_is_meant_for_it(nbytes: int, ahead: int) -> None:
    assert read_tasks(np.arange(8), slots=1, seconds=1, nbytes=nbytes).ahead == ahead
