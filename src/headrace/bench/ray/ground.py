"""What the measures run on: a Ray of logical slots, a simulated cluster with GPUs, and a bucket on loopback."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import time
from collections.abc import Iterator
from typing import Any

import pyarrow.fs as pafs

from headrace.core.errors import RunError
from headrace.core.optional import load

_STORE_BYTES = 200 * 1024**2  # of objects a node: the payloads are tiny, and Ray's default is 30 % of the memory
_GPUS_A_NODE = 4
_ACTORS_S = 180
_WARM_S = 0.5
_WARM_ROUNDS = 20
_WARM_MODULES = ("ray.data", "headrace.bench.ray.sleepers", "headrace.engine.ray_data.graph")
_NEEDED_FOR = "the benchmark of the Ray engine"


class NotReady(RunError):
    """A cluster has not come to the state that a measure begins with."""

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.missing = missing

    def __str__(self) -> str:
        return f"the measure cannot begin: {self.missing}"


def _quiet_ray() -> Any:
    """Ray, without progress bars, token file and usage report."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = load("ray", extra="ray", needed_for=_NEEDED_FOR)
    data = load("ray.data", extra="ray", needed_for=_NEEDED_FOR)
    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


@contextlib.contextmanager
def slots(count: int) -> Iterator[Any]:
    """Ray with `count` logical CPUs, whatever the machine has. Yields the ray module."""
    ray = _quiet_ray()
    ray.init(
        address="local",  # whatever other Ray this machine has
        num_cpus=count,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=_STORE_BYTES,
    )
    try:
        yield ray
    finally:
        ray.shutdown()


@contextlib.contextmanager
def gpu_cluster(gpus: int) -> Iterator[Any]:
    """A head node without GPUs and nodes of up to 4 logical GPUs, each a raylet of its own. Yields the ray module.

    A node has a CPU a GPU and one more, as reading and writing share the nodes with the models.
    """
    ray = _quiet_ray()
    utils = load("ray.cluster_utils", extra="ray", needed_for=_NEEDED_FOR)
    head = {"num_cpus": 2, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    cluster = utils.Cluster(initialize_head=True, head_node_args=head)
    try:
        for first in range(0, gpus, _GPUS_A_NODE):
            here = min(_GPUS_A_NODE, gpus - first)
            cluster.add_node(num_cpus=here + 1, num_gpus=here, object_store_memory=_STORE_BYTES)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield ray
    finally:
        ray.shutdown()
        cluster.shutdown()


def wait_for_actors(ray: Any) -> None:
    """Lets pools begin when all of their workers are up: on a few cores the last of 16 comes half a minute late."""
    ray.data.DataContext.get_current().wait_for_min_actors_s = _ACTORS_S


def warm_workers(ray: Any, count: int) -> None:
    """Returns once `count` worker processes are up, with the modules that any of the ways needs. Raises NotReady.

    Tasks go to processes that are up; an actor always gets a new one.
    """

    def where() -> int:
        for module in _WARM_MODULES:
            importlib.import_module(module)
        time.sleep(_WARM_S)
        return os.getpid()

    remote = ray.remote(num_cpus=1)(where)
    seen: set[int] = set()
    for _ in range(_WARM_ROUNDS):
        seen = set(ray.get([remote.remote() for _ in range(count)]))
        if len(seen) == count:
            return
    raise NotReady(f"{len(seen)} of {count} worker processes are up")


@contextlib.contextmanager
def bucket(name: str) -> Iterator[pafs.S3FileSystem]:
    """An empty bucket in moto's server, which runs in this process. Yields the file system that leads to it."""
    moto = load("moto.server", extra="bench", needed_for=_NEEDED_FOR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request otherwise
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        store = pafs.S3FileSystem(
            access_key="id",
            secret_key="no",  # noqa: S106 - moto's server takes any
            endpoint_override="{}:{}".format(*server.get_host_and_port()),
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        store.create_dir(name)
        yield store
    finally:
        server.stop()
