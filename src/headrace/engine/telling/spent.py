"""What stages' workers in other processes spend, told in pieces and added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from headrace.core.report import StageReport
from headrace.engine.flow.meters import StageMeter

_KEPT = 8192


@dataclass(frozen=True, slots=True)
class Spent:
    """What one stage's workers in one process have done since the process last told. Seconds; durations of batches.

    workers: how many batches the process works on at once.
    """

    stage: str
    process: str
    workers: int
    rows: int
    busy_s: float
    cpu_s: float
    wait_in_s: float
    wait_out_s: float
    durations_s: tuple[float, ...] = ()


class Telling:
    """The meters of one process; `since` gives what has come to them since it was last asked."""

    def __init__(self, process: str, meters: Mapping[str, StageMeter]) -> None:
        self._process, self._meters = process, meters
        self._told: dict[str, tuple[float, ...]] = {}

    def since(self, cpu_s: Mapping[str, float] | None = None) -> list[Spent]:
        """Stage by stage; cpu_s: seconds in all so far of stages whose own threads do not compute."""
        return [self._piece(name, meter, (cpu_s or {}).get(name)) for name, meter in self._meters.items()]

    def _piece(self, name: str, meter: StageMeter, cpu_s: float | None) -> Spent:
        now = (meter.rows, meter.busy_s(), meter.cpu_s if cpu_s is None else cpu_s, *meter.wait_s)
        before = self._told.get(name, (0.0,) * len(now))
        self._told[name] = now
        rows, busy_s, cpu_s, wait_in_s, wait_out_s = (max(0.0, a - b) for a, b in zip(now, before, strict=True))
        return Spent(
            stage=name,
            process=self._process,
            workers=meter.workers,
            rows=int(rows),
            busy_s=busy_s,
            cpu_s=cpu_s,
            wait_in_s=wait_in_s,
            wait_out_s=wait_out_s,
            durations_s=tuple(meter.take_newest_s()),
        )


@dataclass
class _Stage:
    workers: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    seconds: np.ndarray[tuple[int], np.dtype[np.float64]] = field(default_factory=lambda: np.zeros(4))
    durations: list[float] = field(default_factory=list)
    seen: int = 0


class Ledger:
    """All that was told, added up by stage, in the order of `names`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._stages = {name: _Stage() for name in names}
        self._random = np.random.default_rng(0)

    def add(self, spent: Iterable[Spent]) -> None:
        """Adds what a process told."""
        for one in spent:
            stage = self._stages.setdefault(one.stage, _Stage())
            stage.workers[one.process] = one.workers
            stage.rows += one.rows
            stage.seconds += (one.busy_s, one.cpu_s, one.wait_in_s, one.wait_out_s)
            for duration in one.durations_s:
                self._sample(stage, duration)

    def _sample(self, stage: _Stage, duration: float) -> None:
        stage.seen += 1
        if len(stage.durations) < _KEPT:
            stage.durations.append(duration)
        elif (place := int(self._random.integers(stage.seen))) < _KEPT:
            stage.durations[place] = duration

    def busy(self) -> dict[str, tuple[float, int]]:
        """Busy seconds of each stage so far, and how many batches all its processes work on at once."""
        return {n: (float(s.seconds[0]), sum(s.workers.values())) for n, s in tuple(self._stages.items())}

    def cpu_s(self) -> float:
        """CPU seconds of all stages."""
        return float(sum(stage.seconds[1] for stage in self._stages.values()))

    def reports(self) -> list[StageReport]:
        """Each stage's part of a run report."""
        return [self._report(name, stage) for name, stage in self._stages.items()]

    def _report(self, name: str, stage: _Stage) -> StageReport:
        p50, p99 = np.percentile(1000 * np.array(stage.durations or [0.0]), [50, 99])
        busy_s, cpu_s, wait_in_s, wait_out_s = (round(float(s), 4) for s in stage.seconds)
        return StageReport(
            name=name,
            workers=max(1, sum(stage.workers.values())),
            rows=stage.rows,
            busy_s=busy_s,
            cpu_s=cpu_s,
            wait_in_s=wait_in_s,
            wait_out_s=wait_out_s,
            batch_ms_p50=round(float(p50), 3),
            batch_ms_p99=round(float(p99), 3),
        )
