"""Text for a terminal."""

from __future__ import annotations

import time
from pathlib import Path

_LONGEST = 2000


def printable(text: str) -> str:
    """`text` as one line that a terminal shows and does not obey.

    Control characters (escape codes and line ends among them), marks that turn or hide text, and bytes that are none
    are written out as \\xNN or \\uNNNN; of more than 2,000 characters the middle is left out.
    """
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in _shortened(text))
    return _shortened("".join(shown))


def _shortened(text: str) -> str:
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[1 - half :]}"


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
