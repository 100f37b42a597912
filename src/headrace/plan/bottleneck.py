"""Which stage limits a run, how fast it could go, and that in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.core.report import StageReport

IDLE = 0.5  # no stage is what limits when even the busiest one stands still for longer
SATURATED = 0.85  # share of the cores' time from which the CPU itself is what limits


@dataclass(frozen=True, slots=True)
class Verdict:
    """bottleneck: a stage's name; limit_rows_per_s: the rate the stages' own costs allow; text: both, in words."""

    bottleneck: str | None
    limit_rows_per_s: float | None
    text: str


def verdict(stages: Sequence[StageReport], *, rows: int, seconds: float, cores: int) -> Verdict:
    """Which stage limits.

    The limit is the lower of cores / (CPU-seconds a row over all stages) and, stage by stage, workers / (busy seconds a
    row while the cores have time to spare). Where the cores are saturated the stage that costs the most CPU limits;
    else the one whose workers wait the least.
    """
    cpu = sum(s.cpu_s for s in stages)
    if rows == 0 or seconds <= 0 or cpu <= 0:
        return Verdict(None, None, "no rows went through this session")
    by_cpu = cores * rows / cpu
    saturation = cpu / (cores * seconds)
    if saturation >= SATURATED:
        worst = max(stages, key=lambda s: s.cpu_s)
        share = worst.cpu_s / cpu
        text = (
            f"{worst.name}-bound: {cores} cores busy {saturation:.0%}, {share:.0%} of that in {worst.name} "
            f"({1000 * worst.cpu_s / rows:.2f} ms CPU a row)"
        )
        return Verdict(worst.name, by_cpu, text)
    worst = max(stages, key=lambda s: s.busy_s / (s.workers * seconds))
    busy = min(1.0, worst.busy_s / (worst.workers * seconds))
    limit = min(by_cpu, worst.workers * rows / worst.busy_s if worst.busy_s > 0 else by_cpu)
    if busy < IDLE:
        text = f"too short to fill the pipeline: {worst.name}, the busiest stage, was busy {busy:.0%}"
        return Verdict(worst.name, limit, text)
    text = f"{worst.name}-bound: {worst.workers} {worst.name} workers busy {busy:.0%}, cores busy {saturation:.0%}"
    return Verdict(worst.name, limit, text + _waiting([s for s in stages if s is not worst], seconds))


def _waiting(stages: Sequence[StageReport], seconds: float) -> str:
    """Which of the other stages waits most, and what share of its time."""
    if not stages:
        return ""
    share, name = max((min(1.0, (s.wait_in_s + s.wait_out_s) / (s.workers * seconds)), s.name) for s in stages)
    return f"; {name} waits {share:.0%}"
