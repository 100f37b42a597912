"""How long a cold command takes to its first row, and until the first part is there."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from headrace.bench.measures import Numbers, Workbench
from headrace.bench.ray.child import run_command

_TIMEOUT_S = 300.0


def first_row(engine: str) -> Callable[[Workbench, Path], Numbers]:
    """`headrace run` on one photo. seconds: until its first row is read, by the report; both others from outside."""

    def run(bench: Workbench, scratch: Path) -> Numbers:
        photo, out = next(bench.photos.rglob("*.jpg")), scratch / "out"
        command = [sys.executable, "-m", "headrace", "run", str(photo), "--model", str(bench.mobilenet)]
        began = time.time()
        run_command([*command, "--out", str(out), "--engine", engine], scratch=scratch, timeout_s=_TIMEOUT_S)
        ended = time.time()
        report = json.loads((out / "_headrace/report.json").read_text())
        first_part_s = min(part.stat().st_mtime for part in out.glob("part-*.parquet")) - began
        return {"seconds": report["startup_s"], "first_part_s": first_part_s, "command_s": ended - began}

    return run
