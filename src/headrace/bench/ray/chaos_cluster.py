"""The cluster that is struck, on this machine: a head that only drivers use, and nodes that die and that join."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psutil

from headrace.core.optional import load

NODES = 2
_CPUS = 2  # a node
_STORE_BYTES = 80 << 20  # of objects a node; Ray's least is 75 MiB
# Ray's own takes 15 s to notice that a node is gone, in which a run only waits.
_WATCHED = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
    "health_check_timeout_ms": 5000,
}
_ENDS_S = 20.0  # for workers to end by themselves whose driver has ended
_NEEDED_FOR = "the benchmark of a cluster that is struck"

# What Ray calls the processes of workers, while they do it.
TITLES: Mapping[str, tuple[str, ...]] = {
    "actor": ("ray::MapWorker(",),
    "reader": ("ray::Read",),
    "writer": ("ray::MapBatches(_in_task)",),
    "settler": ("ray::headrace settle",),
}
_WORKING = (*(title for titles in TITLES.values() for title in titles),)


class StruckCluster:
    """A running cluster; `environment` is what its drivers need."""

    def __init__(self, cluster: Any, environment: Mapping[str, str]) -> None:
        self._cluster, self.environment = cluster, dict(environment)
        self.address = str(cluster.address)

    def complete(self) -> None:
        """Nodes join until there are as many as at first."""
        while len(self._nodes()) < NODES:
            self._join()

    def strike(self, kind: str, rng: random.Random, *, joins: bool) -> str | None:
        """SIGKILL to a worker of that kind, or with "raylet" to a node and all that is on it; what was hit.

        None when there is nothing of that kind now. joins: another node joins at once. One node is always left.
        """
        if kind != "raylet":
            found = self._workers(TITLES[kind])
            return _killed(rng.choice(found)) if found else None
        if len(self._nodes()) == 1:
            self._join()
        self._kill(rng.choice(self._nodes()))
        if joins:
            self._join()
        return "a node"

    def still_working(self) -> list[str]:
        """Workers that do something though no driver is there, and do not end by themselves; they are killed now."""
        deadline = time.monotonic() + _ENDS_S
        while (found := self._workers(_WORKING)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [title for process in found if (title := _killed(process)) is not None]

    def job_of(self, driver: int) -> str | None:
        """Ray's number of a driver, given by its process; None where it had not got so far."""
        from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled

        jobs = GcsClient(address=self.address).get_all_job_info()
        return next((job.hex() for job, info in jobs.items() if info.driver_pid == driver), None)

    def _join(self) -> None:
        self._cluster.add_node(num_cpus=_CPUS, object_store_memory=_STORE_BYTES)

    def _nodes(self) -> list[Any]:
        return sorted(self._cluster.worker_nodes, key=lambda node: node.unique_id)

    def _kill(self, node: Any) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            on_it = _raylet(node).children(recursive=True)
        self._cluster.remove_node(node, allow_graceful=False)
        for process in on_it:
            _killed(process)

    def _workers(self, titles: tuple[str, ...]) -> list[psutil.Process]:
        found = []
        for node in self._nodes():
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [p for p in _raylet(node).children() if _title(p).startswith(titles)]
        return found


@contextlib.contextmanager
def struck_cluster() -> Iterator[StruckCluster]:
    """A head without CPUs, which drivers connect to, and two nodes of two CPUs, each a raylet of its own.

    Raises MissingExtra.
    """
    utils = load("ray.cluster_utils", extra="ray", needed_for=_NEEDED_FOR)
    # Ray's sockets need a short path, and no other Ray of this machine is to be found.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as sessions:
        set_here = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": sessions}
        with _environment(set_here):
            cluster = utils.Cluster()
            try:
                head = {"num_cpus": 0, "include_dashboard": False, "_system_config": _WATCHED}
                cluster.add_node(object_store_memory=_STORE_BYTES, **head)
                struck = StruckCluster(cluster, os.environ)
                struck.complete()
                yield struck
            finally:
                cluster.shutdown()


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _raylet(node: Any) -> psutil.Process:
    return psutil.Process(node.all_processes["raylet"][0].process.pid)


def _title(process: psutil.Process) -> str:
    """What a process calls itself; nothing when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return " ".join(process.cmdline()[:1])
    return ""


def _killed(process: psutil.Process) -> str | None:
    """SIGKILL; what the process called itself, None when it was gone."""
    title = _title(process)
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
        return title
    return None
