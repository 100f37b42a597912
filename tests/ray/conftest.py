"""Rays to test on. A process has one at a time, so a test that asks for another kind stops the one before."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from headrace.engine.ray_data.connecting import Connection, connected

_SMALL = 100 << 20  # bytes of object store a node: Ray's least is 75 MiB


class _Held:
    """The Ray that the tests are connected to, and what stops it."""

    def __init__(self) -> None:
        self._stopping = ExitStack()
        self._kind: object = None
        self._ray: Any = None

    def of_kind(self, kind: object, start: Callable[[ExitStack], Any]) -> Any:
        """What `start` gave the last time, where that still runs; otherwise what it gives now."""
        if self._kind != kind:
            self.stop()
            import ray

            ray.shutdown()  # one that other tests of this process have kept
            self._ray, self._kind = start(self._stopping), kind
        return self._ray

    def stop(self) -> None:
        self._kind = None
        self._stopping.close()


@pytest.fixture(scope="session")
def _held() -> Iterator[_Held]:
    pytest.importorskip("ray")
    held = _Held()
    yield held
    held.stop()


@pytest.fixture
def no_ray(_held: _Held) -> None:
    """This process is connected to no Ray."""
    import ray

    _held.stop()
    ray.shutdown()


@pytest.fixture
def local_ray(_held: _Held) -> Connection:
    """A local Ray with 2 CPUs, which this process stays connected to; one for all tests in a row that use it."""
    options = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 4 * _SMALL}
    return _held.of_kind("local", lambda stopping: stopping.enter_context(connected("local", **options)))


@pytest.fixture
def cluster(_held: _Held) -> Callable[..., Any]:
    """Gives `ray.cluster_utils.Cluster` of several raylets on this machine, which this process is connected to:
    cluster({"num_cpus": 1, "node_name": "node-a"}, {"num_gpus": 2, ...}). The first is the head. The same nodes in a
    row give the same cluster: a test that changes one gives its nodes names that no other test uses.
    """

    def start(*nodes: dict[str, Any]) -> Any:
        return _held.of_kind(repr(nodes), lambda stopping: _cluster_of(nodes, stopping))

    return start


def _cluster_of(nodes: Sequence[dict[str, Any]], stopping: ExitStack) -> Any:
    from ray.cluster_utils import Cluster

    patch = stopping.enter_context(pytest.MonkeyPatch.context())
    for name, value in {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}.items():
        patch.setenv(name, value)
    cluster = Cluster()
    stopping.callback(cluster.shutdown)
    for node in nodes:
        cluster.add_node(**{"object_store_memory": _SMALL, "include_dashboard": False, **node})
    cluster.wait_for_nodes()
    stopping.enter_context(connected(cluster.address))
    return cluster
