"""A job as operators of Ray Data: how partitions are shared out, and how promptly they set off."""

from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("ray")

import ray.data

from headrace.engine.ray_data.carried import carry
from headrace.engine.ray_data.graph import MOST_READ_TASKS, grouped, operators
from headrace.engine.ray_data.prompt import Prompt
from headrace.plan.legs import Leg

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning")  # Ray warns of its own defaults


@given(st.integers(0, 20_000), st.integers(1, 300))
def test_every_partition_is_read_once_by_few_tasks_the_last_of_which_are_short(count: int, slots: int) -> None:
    groups = grouped(np.arange(count), slots)
    sizes = [len(group) for group in groups]
    assert np.concatenate([*groups, []]).tolist() == list(range(count))
    assert len(groups) <= MOST_READ_TASKS
    assert sorted(sizes[:-1], reverse=True) == sizes[:-1]
    if groups:
        assert sizes[-1] <= -(-count // MOST_READ_TASKS)
        assert sizes[0] <= max(-(-count // (2 * slots)), sizes[-1], 1 + count // MOST_READ_TASKS)


class Watching(Prompt):
    """Notes at each turn of Ray's loop what the cluster is known to have, and what is fetched how."""

    turns: ClassVar[list[tuple[bool, float, str]]] = []

    def on_execution_step(self, executor: Any) -> None:
        asked_of = executor._resource_manager
        known = not executor._cluster_autoscaler.get_total_resources().is_zero()
        Watching.turns.append((known, asked_of.get_global_limits().cpu, type(executor._metadata_fetcher).__name__))
        super().on_execution_step(executor)


def test_an_execution_knows_what_the_cluster_has_as_soon_as_that_is_known(local_ray: object) -> None:
    dataset = ray.data.range(4, override_num_blocks=4)
    dataset.context.custom_execution_callback_classes = [Watching]
    assert dataset.map_batches(lambda batch: batch).count() == 4  # type: ignore[arg-type]
    first = next(place for place, (known, _, _) in enumerate(Watching.turns) if known)
    assert all(cpus > 0 for _, cpus, _ in Watching.turns[first + 1 :])
    assert {fetcher for _, _, fetcher in Watching.turns} == {"InlineMetadataFetcher"}


def test_only_the_dataset_of_a_job_is_made_prompt(local_ray: object) -> None:
    carried: Any = carry(None, run="none", named={})
    made = operators(carried, [Leg(("read", "prepare", "write"))], [np.arange(3)])
    assert made._dataset.context.custom_execution_callback_classes == [Prompt]
    assert ray.data.DataContext.get_current().custom_execution_callback_classes == []
