"""What happened in a run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.core.partition import Account

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class StageReport:
    """One stage's work. Seconds are summed over its workers; milliseconds are of single batches.

    busy_s: time in which a worker (at most `workers` at once) had a batch. wait_in_s: waiting for input.
    wait_out_s: waiting for room behind it.
    """

    name: str
    workers: int
    rows: int
    busy_s: float
    cpu_s: float
    wait_in_s: float
    wait_out_s: float
    batch_ms_p50: float
    batch_ms_p99: float


@dataclass(frozen=True, slots=True)
class SessionReport:
    """One session of a run that was resumed: when it began (ISO 8601, UTC), rows it wrote, seconds it took."""

    started: str
    rows: int
    wall_s: float


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """Rows, time, memory and the limit of a run.

    Rows count the whole output, all sessions; times, CPU and rates are this session's. wall_s: all of it; startup_s:
    until the first row is read; probe_s: agreement and sizing, inside the rest. rows_per_s = rows_out of this session /
    (wall_s - startup_s). limit_rows_per_s: see plan.bottleneck. efficiency = rows_per_s / limit_rows_per_s.
    On a cluster peak_rss_bytes is of the largest process; `cluster`: its nodes, and how the object store fared.
    """

    rows_in: int
    rows_out: int
    rows_rejected: int
    rows_dropped: int
    rows_added: int
    wall_s: float
    startup_s: float
    probe_s: float
    rows_per_s: float
    cpu_s: float
    peak_rss_bytes: int
    engine: str
    precision: str | None
    agreement: dict[str, Any] | None
    batch_size: int
    stages: tuple[StageReport, ...]
    bottleneck: str | None
    verdict: str
    limit_rows_per_s: float | None
    efficiency: float | None
    sessions: tuple[SessionReport, ...]
    runtime: str | None = None
    gpu_busy: float | None = None
    gpu_mem_peak_bytes: int | None = None
    machine: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] | None = None
    out: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def account(self) -> Account:
        """What became of the rows of the whole output."""
        return Account(self.rows_in, self.rows_out, self.rows_rejected, self.rows_dropped, self.rows_added)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def to_json(self) -> str:
        """As indented JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> RunReport:
        """Reads `to_json`'s text."""
        values = json.loads(text)
        values["stages"] = tuple(StageReport(**s) for s in values["stages"])
        values["sessions"] = tuple(SessionReport(**s) for s in values["sessions"])
        return cls(**values)
