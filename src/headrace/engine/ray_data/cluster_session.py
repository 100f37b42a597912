"""A cluster that this process is connected to, and jobs on it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from headrace.core.errors import BadCluster
from headrace.engine.ray_data.cluster_facts import this_cluster
from headrace.engine.ray_data.connecting import Connection, connected
from headrace.engine.ray_data.run import RayRun
from headrace.engine.ray_data.seeing import require_seen
from headrace.engine.telling.clock import RunClock
from headrace.job.job import Settings
from headrace.plan.allotting import allotted, demands, leg_choices
from headrace.plan.cluster import Cluster, counted_nodes
from headrace.plan.draft import draft
from headrace.plan.feasible import unmet
from headrace.plan.legs import Leg, legs
from headrace.plan.machine import this_machine
from headrace.plan.plan import Choice, Plan
from headrace.plan.recipe import Recipe

_ASKED_FOR = 4  # files that stand for all of the input

_log = logging.getLogger("headrace")


@dataclass(frozen=True)
class ClusterSession:
    """A connection, and what the cluster had when it was made."""

    connection: Connection
    cluster: Cluster
    settings: Settings

    def legs(self, recipe: Recipe) -> tuple[Leg, ...]:
        """A job's legs with all that they ask for."""
        given = self.settings.workers
        model_workers = given if isinstance(given, int) else None
        return allotted(legs(recipe), recipe, self.cluster, model_workers=model_workers)

    def draft(self, recipe: Recipe, *, saved: Mapping[str, Any]) -> Plan:
        """A plan with a reason for every choice. Raises BadCluster where the cluster cannot hold the job."""
        cut = self.legs(recipe)
        if (short := unmet(demands(cut), self.cluster)) is not None:
            what, _, fix = short.rpartition("; ")
            raise BadCluster(self.connection.address, what, fix)
        plan = draft(recipe, replace(self.settings, workers="auto"), this_machine(), saved=saved, elsewhere=True)
        where = f"Ray {self.connection.version} at {self.connection.address}"
        one = Choice(1, "a reader takes one CPU; there are as many as the cluster has room for")
        return replace(
            plan,
            engine=Choice("ray", f"{where}: {counted_nodes(len(self.cluster.nodes))}, {self.cluster.cpus:g} CPUs"),
            prepare_workers=plan.prepare_workers if plan.prepare_workers.given else one,
            io_concurrency=plan.io_concurrency if plan.io_concurrency.given or recipe.listing.remote else one,
            stages={},
            cluster=leg_choices(cut, self.cluster),
        )

    def run(self, recipe: Recipe, plan: Plan, clock: RunClock, *, out: str, **session: Any) -> RayRun:
        """A session of a job on the cluster. Raises BadInput, BadOutput where nodes do not see what is local."""
        local = () if recipe.listing.remote else islice(recipe.listing.files(), _ASKED_FOR)
        require_seen(inputs={key: size for key, size, _ in local if size >= 0}, out=None if "://" in out else Path(out))
        legs, is_client = self.legs(recipe), self.connection.is_client
        return RayRun(recipe, plan, self.cluster, legs, clock, is_client=is_client, **session)


@contextlib.contextmanager
def cluster_session(settings: Settings) -> Iterator[ClusterSession]:
    """Connects to the cluster that the settings name; see `connected`. Raises BadCluster, MissingExtra."""
    with connected(settings.address) as connection:
        if connection.dashboard_url is not None:
            _log.info("Ray's dashboard: %s", connection.dashboard_url)
        yield ClusterSession(connection, this_cluster(), settings)
