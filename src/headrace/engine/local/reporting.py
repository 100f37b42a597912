"""The run report of a local session, from its clock and meters."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.core.partition import Account
from headrace.core.report import RunReport, SessionReport, StageReport
from headrace.engine.local.clock import cpu_s, peak_rss_bytes
from headrace.engine.local.run import LocalRun
from headrace.plan.bottleneck import verdict


def run_report(
    run: LocalRun, total: Account, session: Account, *, out: str | None, earlier: Sequence[SessionReport] = ()
) -> RunReport:
    """`total` over the whole output, `session` what this session wrote."""
    clock, plan = run.clock, run.plan
    stages = stage_reports(run)
    seconds = clock.wall_s - clock.startup_s
    running = max(1e-9, seconds - clock.probe_s)
    judged = verdict(stages, rows=session.rows_in, seconds=running, cores=run.machine.cores)
    rate = session.rows_out / seconds if seconds > 0 else 0.0
    sessions = (*earlier, SessionReport(clock.started, session.rows_out, round(clock.wall_s, 3)))
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
        cpu_s=round(cpu_s() + sum(map(run.workers_cpu_s, run.meters)), 3),
        peak_rss_bytes=peak_rss_bytes(),
        engine="local",
        precision=None if plan.precision is None else str(plan.precision.value),
        agreement=None if plan.agreement is None else dict(plan.agreement),
        batch_size=int(plan.value("batch_size")),
        stages=tuple(stages),
        bottleneck=judged.bottleneck,
        verdict=judged.text,
        limit_rows_per_s=None if judged.limit_rows_per_s is None else round(judged.limit_rows_per_s, 2),
        efficiency=None if not judged.limit_rows_per_s else round(rate / judged.limit_rows_per_s, 4),
        sessions=sessions,
        runtime=None if plan.runtime is None else str(plan.runtime.value),
        gpu_busy=run.gpu.busy,
        gpu_mem_peak_bytes=run.gpu.mem_peak_bytes,
        machine=run.machine.to_dict(),
        out=out,
    )


def stage_reports(run: LocalRun) -> list[StageReport]:
    """Each stage's part. A runtime computes on threads of its own: the model's CPU is what no other thread has used."""
    clock, meters = run.clock, run.meters
    counted = sum(m.cpu_s for n, m in meters.items() if n != "infer") + clock.meter.cpu_s
    model = max(0.0, clock.running_cpu_s - counted)
    reports = [m.report(cpu_s=model if n == "infer" else m.cpu_s + run.workers_cpu_s(n)) for n, m in meters.items()]
    return [*reports, clock.meter.report()]
