"""A cluster that loses nodes while a job runs: Ray waits for others, however long; here it is said what for."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from headrace.engine.ray_data.cluster_facts import this_cluster
from headrace.plan.allotting import demands
from headrace.plan.cluster import Cluster
from headrace.plan.feasible import Demand, unmet
from headrace.plan.legs import Leg

_EVERY_S = 15.0
_log = logging.getLogger("headrace")


@contextlib.contextmanager
def room_watched(
    legs: Sequence[Leg],
    rows: Callable[[], int],
    *,
    cluster: Callable[[], Cluster] = this_cluster,
    every_s: float = _EVERY_S,
) -> Iterator[None]:
    """Meanwhile, where no more `rows` are done and the cluster has no room for all legs any more, a warning says so.

    The run is left to wait: it goes on when a node joins.
    """
    ended = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(legs, rows, cluster, every_s, ended), name="headrace-room", daemon=True
    )
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join(1.0)  # a cluster that does not answer holds nobody up


def _watch(
    legs: Sequence[Leg],
    rows: Callable[[], int],
    cluster: Callable[[], Cluster],
    every_s: float,
    ended: threading.Event,
) -> None:
    asked, before, said = demands(legs), rows(), ""
    while not ended.wait(every_s):
        now = rows()
        short = _short(asked, cluster) if now == before else ""
        if short and short != said:
            _log.warning("no rows are done any more: %s; the run goes on when there is room", short)
        before, said = now, short


def _short(asked: Sequence[Demand], cluster: Callable[[], Cluster]) -> str:
    with contextlib.suppress(Exception):  # Ray's, while the cluster does not answer
        return unmet(asked, cluster()) or ""
    return ""
