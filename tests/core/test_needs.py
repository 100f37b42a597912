"""What a stage asks of a cluster is checked when it is said."""

from typing import Any

import pytest

from headrace.core.errors import BadOption
from headrace.core.needs import Needs


def test_nothing_said_is_nothing_chosen() -> None:
    assert not Needs.of().chosen
    assert Needs.of(num_gpus=0.5).chosen


def test_workers_are_a_number_or_at_least_and_at_most() -> None:
    assert Needs.of(concurrency=3).workers == (3, 3)
    assert Needs.of(concurrency=(1, 4)).workers == (1, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_cpus": -1}, "num_cpus must be a number >= 0, got -1"),
        ({"num_cpus": True}, "num_cpus must be a number >= 0, got True"),
        ({"num_gpus": float("inf")}, "num_gpus must be a number >= 0, got inf"),
        ({"num_gpus": 1.5}, "num_gpus must be a fraction below 1 or a whole number, got 1.5"),
        ({"resources": {"disk": "fast"}}, "disk must be a number >= 0, got 'fast'"),
        ({"resources": {"GPU": 1}}, "resources must be without 'GPU'"),
        ({"label_selector": {"zone": 1}}, "label_selector must be labels and values as text"),
        ({"concurrency": 0}, "concurrency must be an integer >= 1, or (at least, at most) so many, got 0"),
        ({"concurrency": (4, 2)}, "(at least, at most) so many, got (4, 2)"),
        ({"concurrency": (1, 2, 3)}, "(at least, at most) so many, got (1, 2, 3)"),
    ],
)
def test_what_no_cluster_can_give_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOption) as caught:
        Needs.of(**options)
    assert message in str(caught.value)
