"""Text for a terminal."""

from __future__ import annotations

import time
from pathlib import Path


def printable(text: str) -> str:
    """`text` with control characters (terminal escape codes among them) written out as \\xNN."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def seconds(value: float | None) -> str:
    """A duration: 42 s, 3:05, 1:02:03; "?" when not known."""
    if value is None:
        return "?"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def since_process_start_s() -> float:
    """Seconds since this process was started, so that imports count; 0 where the system does not tell."""
    try:
        started_ticks = float(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, IndexError, ValueError, AttributeError):
        return 0.0
    import os

    return max(0.0, uptime - started_ticks / os.sysconf("SC_CLK_TCK"))
