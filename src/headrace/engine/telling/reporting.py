"""The run report of a session, from what its engine tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from headrace.core.partition import Account
from headrace.core.report import RunReport, SessionReport, StageReport
from headrace.engine.telling.clock import RunClock
from headrace.plan.bottleneck import verdict
from headrace.plan.machine import Machine
from headrace.plan.plan import Plan


class Told(Protocol):
    """A session as its engine tells it, once it has ended."""

    @property
    def engine(self) -> str:
        """The engine's name."""
        ...

    @property
    def plan(self) -> Plan:
        """How it ran."""
        ...

    @property
    def machine(self) -> Machine:
        """The machine, or all of the cluster's together."""
        ...

    @property
    def clock(self) -> RunClock:
        """The session's times."""
        ...

    def stages(self) -> Sequence[StageReport]:
        """Each stage's part."""
        ...

    def cpu_s(self) -> float:
        """CPU seconds of all its processes."""
        ...

    def peak_rss_bytes(self) -> int:
        """The most memory that one of its processes held."""
        ...

    def gpu(self) -> tuple[float | None, int | None]:
        """GPU busy share (0..1) and peak bytes; None where nothing can say."""
        ...

    def cluster(self) -> Mapping[str, Any] | None:
        """What the report says of a cluster; None on one machine."""
        ...


def run_report(
    told: Told, total: Account, session: Account, *, out: str | None, earlier: Sequence[SessionReport] = ()
) -> RunReport:
    """`total` over the whole output, `session` what this session wrote."""
    clock, plan, stages = told.clock, told.plan, told.stages()
    seconds = clock.wall_s - clock.startup_s
    running = max(1e-9, seconds - clock.probe_s)
    judged = verdict(stages, rows=session.rows_in, seconds=running, cores=told.machine.cores)
    rate = session.rows_out / seconds if seconds > 0 else 0.0
    gpu_busy, gpu_mem_peak_bytes = told.gpu()
    cluster = told.cluster()
    return RunReport(
        rows_in=total.rows_in,
        rows_out=total.rows_out,
        rows_rejected=total.rows_rejected,
        rows_dropped=total.rows_dropped,
        rows_added=total.rows_added,
        wall_s=round(clock.wall_s, 4),
        startup_s=round(clock.startup_s, 4),
        probe_s=round(clock.probe_s, 4),
        rows_per_s=round(rate, 2),
        cpu_s=round(told.cpu_s(), 3),
        peak_rss_bytes=told.peak_rss_bytes(),
        engine=told.engine,
        precision=None if plan.precision is None else str(plan.precision.value),
        agreement=None if plan.agreement is None else dict(plan.agreement),
        batch_size=int(plan.value("batch_size")),
        stages=tuple(stages),
        bottleneck=judged.bottleneck,
        verdict=judged.text,
        limit_rows_per_s=None if judged.limit_rows_per_s is None else round(judged.limit_rows_per_s, 2),
        efficiency=None if not judged.limit_rows_per_s else round(rate / judged.limit_rows_per_s, 4),
        sessions=(*earlier, SessionReport(clock.started, session.rows_out, round(clock.wall_s, 3))),
        runtime=None if plan.runtime is None else str(plan.runtime.value),
        gpu_busy=gpu_busy,
        gpu_mem_peak_bytes=gpu_mem_peak_bytes,
        machine=told.machine.to_dict(),
        cluster=None if cluster is None else dict(cluster),
        out=out,
    )
