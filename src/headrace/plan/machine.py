"""The machine, as facts that decisions take: what may be used of it, not what it has."""

from __future__ import annotations

import math
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """cores: what affinity and the cgroup's quota allow. memory_bytes: the lower of the machine's and the cgroup's.
    gpus: those that NVIDIA's driver lists."""

    cores: int
    memory_bytes: int
    cpu: str
    gpus: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, with Python and system."""
        return asdict(self) | {"python": platform.python_version(), "system": platform.platform(terse=True)}


def this_machine() -> Machine:
    """Reads the facts of the machine that this runs on."""
    affinity = len(os.sched_getaffinity(0))
    quota = _quota()
    cores = affinity if quota is None else max(1, min(affinity, math.floor(quota)))
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    gpus = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return Machine(cores, min(physical, _memory_limit() or physical), cpu_name(), gpus)


def _quota() -> float | None:
    """Cores by the cgroup's CPU quota (v2); None without one."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _memory_limit() -> int | None:
    try:
        text = (_CGROUP / "memory.max").read_text().strip()
    except OSError:
        return None
    return None if text == "max" else int(text)


def cpu_name() -> str:
    """This machine's CPU, as it calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
