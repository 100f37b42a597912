"""Who holds a lock, and whether that process is still there."""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds a lock. kernel: names the boot and the process numbers' space, in which `pid` counts;
    started: when the process began, in the kernel's ticks; the two are None where the system does not tell."""

    owner: str
    host: str
    pid: int
    kernel: str | None
    started: str | None
    since: str
    lease_s: float

    @classmethod
    def me(cls, lease_s: float = 0.0) -> Self:
        """This process, from now on; lease_s: how long it holds what it does not renew (0: until it ends)."""
        pid, since = os.getpid(), datetime.now(UTC).isoformat(timespec="seconds")
        return cls(uuid.uuid4().hex, socket.gethostname(), pid, _kernel(), _started(pid), since, lease_s)

    @classmethod
    def from_json(cls, data: bytes) -> Self | None:
        """What `to_json` wrote; None where it is something else."""
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError):
            return None

    def to_json(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    def is_gone(self) -> bool:
        """Whether the process was one of this system's and has ended; False where that cannot be told."""
        return self.kernel is not None and self.kernel == _kernel() and self.started != _started(self.pid)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


def _kernel() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a living process began; None when it has ended, if only its parent has not noticed yet."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]
