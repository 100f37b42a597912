"""What can be measured once: each measure is a process of its own, and gives numbers by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import RunError

Numbers = dict[str, float]


@dataclass(frozen=True)
class Workbench:
    """Where models and data are; every measure writes into a folder that is gone afterwards."""

    work: Path
    photos: Path
    many_photos: Path
    raw: Path
    resnet50: Path
    mobilenet: Path
    labelled: Path


@dataclass(frozen=True)
class Measure:
    """A named thing to run once a repetition, in the first `most` of them."""

    name: str
    run: Callable[[Workbench, Path], Numbers]
    most: int = 1000


class MeasureFailed(RunError):
    """A measured process failed."""

    def __init__(self, command: str, error: str) -> None:
        super().__init__(command, error)
        self.command, self.error = command, error

    def __str__(self) -> str:
        return f"{self.command}: failed: {self.error}"


def measured(measure: Measure, bench: Workbench) -> Numbers:
    """Runs a measure with a scratch folder."""
    with tempfile.TemporaryDirectory(dir=bench.work) as scratch:
        return measure.run(bench, Path(scratch))


def ours(
    data: Callable[[Workbench], Path], model: str, precision: str, *extra: str
) -> Callable[[Workbench, Path], Numbers]:
    """headrace's command on a folder, with an empty cache."""

    def run(bench: Workbench, scratch: Path) -> Numbers:
        command = [sys.executable, "-m", "headrace", "run", str(data(bench)), "--model", str(getattr(bench, model))]
        command += ["--precision", precision, "--out", str(scratch / "out"), "--json", *extra]
        report = _json(command, scratch)
        return {
            "rows_per_s": report["rows_per_s"],
            "rows": report["rows_out"],
            "wall_s": report["wall_s"],
            "startup_s": report["startup_s"],
            "probe_s": report["probe_s"],
            "cpu_s_per_row": sum(s["cpu_s"] for s in report["stages"]) / report["rows_out"],
            "peak_rss_bytes": report["peak_rss_bytes"],
            "batch_size": report["batch_size"],
            **{f"cpu_ms_{s['name']}": 1000 * s["cpu_s"] / report["rows_out"] for s in report["stages"]},
        }

    return run


def limit(model: str, precision: str) -> Callable[[Workbench, Path], Numbers]:
    """Decode alone and inference alone (bench.limit)."""

    def run(bench: Workbench, scratch: Path) -> Numbers:
        command = [sys.executable, "-m", "headrace.bench.limit", "--data", str(bench.photos)]
        command += ["--model", str(getattr(bench, model)), "--precision", precision]
        found = _json(command, scratch)
        return {k: v for k, v in found.items() if isinstance(v, int | float)}

    return run


def peer(
    name: str, data: Callable[[Workbench], Path], model: str, precision: str, rows: int, *, as_module: bool = False
) -> Callable[[Workbench, Path], Numbers]:
    """A peer's script on the first `rows` rows; the better of its cold and its warm rate counts.

    as_module: the peer builds the torch module of that name instead of reading the ONNX file.
    """

    def run(bench: Workbench, scratch: Path) -> Numbers:
        reference = model if as_module else str(getattr(bench, model))
        command = [
            sys.executable,
            "-m",
            f"headrace.bench.peers.{name}",
            "--data",
            str(data(bench)),
            "--model",
            reference,
        ]
        command += ["--precision", precision, "--out", str(scratch / "out"), "--rows", str(rows)]
        found = _json(command, scratch)
        numbers: Numbers = {k: v for k, v in found.items() if isinstance(v, int | float)}
        numbers["cold_rows_per_s"] = numbers["rows_per_s"]
        numbers["rows_per_s"] = max(numbers["rows_per_s"], numbers.get("warm_rows_per_s", 0.0))
        return numbers

    return run


def accuracy(model: str, precision: str) -> Callable[[Workbench, Path], Numbers]:
    """Top-1 on foolbox's 20 ImageNet photos, whose names end in the class: the check that the answers are right."""

    def run(bench: Workbench, scratch: Path) -> Numbers:
        import pyarrow.parquet as pq

        command = [sys.executable, "-m", "headrace", "run", str(bench.labelled), "--model", str(getattr(bench, model))]
        command += ["--precision", precision, "--out", str(scratch / "out"), "--json"]
        _json(command, scratch)
        rows = pq.read_table(scratch / "out", columns=["path", "class_id"]).to_pylist()
        right = sum(int(Path(r["path"]).stem.split("_")[-1]) == r["class_id"] for r in rows)
        return {"right": right, "rows": len(rows)}

    return run


def import_time(bench: Workbench, scratch: Path) -> Numbers:
    """Seconds that `import headrace` takes in a fresh process."""
    code = "import time; t = time.perf_counter(); import headrace; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=scratch)
    return {"seconds": float(done.stdout)}


def one_photo(bench: Workbench, scratch: Path) -> Numbers:
    """Seconds from starting the command to its end, one photo, no caches of our own."""
    photo = next(bench.photos.rglob("*.jpg"))
    command = [sys.executable, "-m", "headrace", "run", str(photo), "--model", str(bench.mobilenet)]
    command += ["--out", str(scratch / "out"), "--json"]
    began = time.perf_counter()
    _json(command, scratch)
    return {"seconds": time.perf_counter() - began}


def _json(command: list[str], scratch: Path) -> dict[str, Any]:
    """Runs a command; the JSON object that its stdout ends in."""
    cache = scratch / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "RAY_AUTH_MODE": "disabled"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=scratch)
    if done.returncode != 0:
        raise MeasureFailed(" ".join(command), done.stderr[-2000:])
    text = done.stdout.strip()
    if not text.startswith("{\n"):  # one line, behind which a peer's workers may have logged
        text = next((line for line in reversed(text.splitlines()) if line.startswith("{")), "")
    if not text:
        raise MeasureFailed(" ".join(command), f"no JSON line in {done.stdout[-500:]!r}")
    found: dict[str, Any] = json.loads(text)
    return found
