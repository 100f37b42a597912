"""The engine that a job is to run on: where it is, how its plan is drafted, and its sessions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from headrace.core.contracts import SharedSink
from headrace.core.optional import load
from headrace.core.partition import Account, Partition, Todo
from headrace.core.progress import OnProgress
from headrace.engine.flow.limits import RejectLimits
from headrace.engine.telling.clock import RunClock
from headrace.engine.telling.reporting import Told
from headrace.job.job import Settings
from headrace.plan.draft import draft
from headrace.plan.machine import this_machine
from headrace.plan.plan import Plan
from headrace.plan.recipe import Recipe

if TYPE_CHECKING:
    from headrace.engine.ray_data.cluster_session import ClusterSession


class Run(Told, Protocol):
    """One session of a job: `settle` what is open, then `write`."""

    @property
    def written(self) -> Account:
        """What the sink has taken so far, as it adds to the account of the whole output."""
        ...

    @property
    def worked(self) -> Account:
        """What became of the rows of this session so far."""
        ...

    def settle(self, first: Partition) -> Plan:
        """The plan with nothing left open, by the first batch of `first`. Raises HeadraceError."""
        ...

    def write(self, todo: Todo, sink: SharedSink, limits: RejectLimits, on_progress: OnProgress | None) -> None:
        """Runs `todo` into `sink`. Raises RunError."""
        ...

    def close(self) -> None:
        """Ends what is left running; may be called again."""
        ...


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a session of an engine is told beside job and plan.

    out, job: of whom crashes are recorded. worked: former sessions got on. tolerant: any number of rows may fail.
    """

    out: str
    job: str
    keep_images: bool
    stall_timeout_s: float
    worked: bool
    tolerant: bool


class Engine(Protocol):
    """An engine that is ready to run jobs."""

    def draft(self, recipe: Recipe, *, saved: Mapping[str, Any]) -> Plan:
        """A plan with a reason for every choice; "auto" where the first batches will settle it."""
        ...

    def running(
        self, recipe: Recipe, plan: Plan, clock: RunClock, session: Session
    ) -> contextlib.AbstractContextManager[Run]:
        """A session, ended whatever comes."""
        ...


class LocalEngine:
    """This machine, one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._machine = settings, this_machine()

    def draft(self, recipe: Recipe, *, saved: Mapping[str, Any]) -> Plan:
        """A plan with a reason for every choice; "auto" where the first batches will settle it."""
        return draft(recipe, self._settings, self._machine, saved=saved)

    @contextlib.contextmanager
    def running(self, recipe: Recipe, plan: Plan, clock: RunClock, session: Session) -> Iterator[Run]:
        """A session, whose crashes are recorded."""
        from headrace.engine.flow.recorder import recording
        from headrace.engine.local.run import LocalRun

        with recording(session.out, session.job) as recorder:
            run = LocalRun(
                recipe,
                plan,
                self._machine,
                clock,
                keep_images=session.keep_images,
                stall_timeout_s=session.stall_timeout_s,
                recorder=recorder,
                worked=session.worked,
                tolerant=session.tolerant,
            )
            with contextlib.closing(run):
                yield run


class RayEngine:
    """A Ray cluster that this process is connected to."""

    def __init__(self, cluster: ClusterSession) -> None:
        self._cluster = cluster

    def draft(self, recipe: Recipe, *, saved: Mapping[str, Any]) -> Plan:
        """A plan with a reason for every choice, as the cluster's shape has it. Raises BadCluster."""
        return self._cluster.draft(recipe, saved=saved)

    @contextlib.contextmanager
    def running(self, recipe: Recipe, plan: Plan, clock: RunClock, session: Session) -> Iterator[Run]:
        """A session on the cluster."""
        run = self._cluster.run(
            recipe,
            plan,
            clock,
            out=session.out,
            keep_images=session.keep_images,
            stall_timeout_s=session.stall_timeout_s,
            worked=session.worked,
            tolerant=session.tolerant,
        )
        with contextlib.closing(run):
            yield run


@contextlib.contextmanager
def engine_of(settings: Settings) -> Iterator[Engine]:
    """The engine that the settings name; connected to its cluster meanwhile. Raises BadCluster, MissingExtra."""
    if settings.engine == "local":
        yield LocalEngine(settings)
        return
    from headrace.engine.ray_data.connecting import own_token

    own_token(settings.address)  # before Ray is imported
    load("ray", extra="ray", needed_for="engine='ray'")
    from headrace.engine.ray_data.cluster_session import cluster_session

    with cluster_session(settings) as cluster:
        yield RayEngine(cluster)
