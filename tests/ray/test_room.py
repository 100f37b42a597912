"""A run that can get on no more, as the cluster has lost nodes, says what it waits for."""

import itertools
import logging
import threading

import pytest

pytest.importorskip("ray")

from headrace.core.needs import Needs
from headrace.engine.ray_data.room import room_watched
from headrace.plan.cluster import Cluster, Node
from headrace.plan.legs import Leg

LEGS = (
    Leg(("read", "prepare"), needs=Needs.of(num_cpus=1)),
    Leg(("infer",), pooled=True, needs=Needs.of(num_cpus=1, concurrency=2)),
    Leg(("write",), needs=Needs.of(num_cpus=0)),
)


def nodes(count: int) -> Cluster:
    node = Node(name="n", cpus=2, gpus=0, memory_bytes=1 << 30, object_store_bytes=1 << 27, resources={}, labels={})
    return Cluster((node,) * count)


def watched_for_some_looks(rows: "itertools.count[int] | itertools.repeat[int]", cluster: Cluster) -> None:
    looks, enough = itertools.count(), threading.Event()

    def look() -> int:
        if next(looks) == 4:
            enough.set()
        return next(rows)

    with room_watched(LEGS, look, cluster=lambda: cluster, every_s=0.001):
        assert enough.wait(30)


def test_pool_that_fills_what_is_left_of_the_cluster_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "headrace"):
        watched_for_some_looks(itertools.repeat(7), nodes(1))
    (record,) = caplog.records
    assert "infer" in record.getMessage()


@pytest.mark.parametrize(("rows", "count"), [(itertools.repeat(7), 2), (itertools.count(), 1)])
def test_nothing_is_told_where_there_is_room_or_rows_are_done(
    rows: "itertools.count[int] | itertools.repeat[int]", count: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "headrace"):
        watched_for_some_looks(rows, nodes(count))
    assert caplog.records == []
