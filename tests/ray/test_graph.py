"""A job as operators of Ray Data."""

from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("ray")

import ray.data

from headrace.engine.ray_data.carried import carry
from headrace.engine.ray_data.graph import operators
from headrace.engine.ray_data.prompt import Prompt
from headrace.plan.legs import Leg
from headrace.plan.reading import ReadTasks

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning")  # Ray warns of its own defaults


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
    made = operators(carried, [Leg(("read", "prepare", "write"))], ReadTasks((np.arange(3),), 2))
    assert made._dataset.context.custom_execution_callback_classes == [Prompt]
    assert ray.data.DataContext.get_current().custom_execution_callback_classes == []
