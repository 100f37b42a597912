"""A measured module: a process of its own, with a deadline, whose last line of stdout is its numbers as JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.bench.measures import MeasureFailed

_SHOWN = 2000  # characters of an error


def json_of_module(module: str, arguments: Sequence[object], *, scratch: Path, timeout_s: float) -> dict[str, Any]:
    """Runs `python -m module arguments` in `scratch`; the JSON object of its last line. Raises MeasureFailed."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    text = run_command(command, scratch=scratch, timeout_s=timeout_s)
    line = next((line for line in reversed(text.splitlines()) if line.startswith("{")), None)
    if line is None:
        raise MeasureFailed(" ".join(command), f"no JSON line in {text[-_SHOWN:]!r}")
    found: dict[str, Any] = json.loads(line)
    return found


def run_command(command: Sequence[str], *, scratch: Path, timeout_s: float) -> str:
    """Runs a command in `scratch` with an empty cache; its stdout. Raises MeasureFailed.

    Past `timeout_s` its process group is killed; Ray's own processes, in other groups, die with their driver. Their
    session files are in a folder of their own, so that no other Ray of this machine is found, or finds this one.
    """
    shown = " ".join(command)
    stdout, stderr = scratch / "stdout.txt", scratch / "stderr.txt"
    # Files, not pipes: grandchildren may hold them past the end. Ray's sockets need a short path.
    with (
        stdout.open("w") as out,
        stderr.open("w") as err,
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as sessions,
    ):
        environment = _environment(scratch) | {"RAY_TMPDIR": sessions}
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env=environment, cwd=scratch, start_new_session=True
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise MeasureFailed(shown, f"not done after {timeout_s:.0f} s: {stderr.read_text()[-_SHOWN:]}") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code != 0:
        raise MeasureFailed(shown, stderr.read_text()[-_SHOWN:])
    return stdout.read_text()


def _environment(scratch: Path) -> dict[str, str]:
    """Ours without proxies: object stores here are on loopback."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return kept | {
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def peak_rss_bytes() -> int:
    """The most memory that this process has held since its program was loaded.

    Not getrusage's: its peak lives on through exec, so it begins at what the process was forked from.
    """
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(peak.split()[1])
