"""How a run is getting on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """rows: finished so far in this session, of `rows_total`. busy: each stage's busy share (0..1) in the last
    10 seconds."""

    rows: int
    rows_total: int
    rows_rejected: int
    rows_per_s: float
    eta_s: float | None
    busy: Mapping[str, float] = field(default_factory=dict)


OnProgress = Callable[[Progress], None]
