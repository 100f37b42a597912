"""`headrace bench ray`: the Ray engine against Ray Data, the local engine, and the ideal, in one interleaved run."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from headrace.bench.data import prepare
from headrace.bench.measures import Numbers, measured
from headrace.bench.pipeline import medians, targets
from headrace.bench.ray.measuring import MEASURES, TARGETS, beside
from headrace.bench.results import write_results
from headrace.core.errors import BadOption

_VERSIONS = ("ray", "numpy", "pyarrow", "openvino", "torch")
# What a rate's time leaves out, so that the comparison can be judged.
COUNTED = {
    "pipeline/headrace": "rows / (wall_s - startup_s): without imports, ray.init, listing and the model's load until "
    "the first row is read; with probing, the start of workers after that, every part published and synced; on Ray the "
    "better of a cold run and a second one in the same cluster",
    "pipeline/textbook Ray Data, pipeline/seeds": "the better of a cold run (without imports and ray.init; with "
    "listing and the actors' start and model) and a second run in the same cluster, of the same photos",
    "overhead": "seconds: from the call, and with actors from when the last is up (from the first block, if one begins "
    "before), until the result is there: no way's time has the start of worker processes. whole_s has it",
    "scaling": "rows_per_s: while all workers were at work, from the last one's first batch to the first one's last",
    "memory": "driver_rss_bytes: the driver's process alone (VmHWM)",
    "startup": "one photo, cold: the report's startup_s; from the command's start to the first part, and to its end",
}
_MAIN = ("rows_per_s", "seconds")


def run_ray(*, out: Path, work: Path, repetitions: int, only: str | None, photos: int) -> None:
    """Runs every measure once a repetition, and writes medians and targets as `out`/ray.json.

    only: measures with this in their names; of the others the file keeps what it has. Raises BadOption when no measure
    is called so, MeasureFailed.
    """
    chosen = [measure for measure in MEASURES if only is None or only in measure.name]
    if not chosen:
        raise BadOption("--only", "part of one of " + ", ".join(measure.name for measure in MEASURES), only)
    bench = prepare(work, photos)
    results = _kept(out, photos) | {measure.name: [] for measure in chosen}
    for repetition in range(repetitions):
        for measure in (x for x in chosen if repetition < x.most):
            numbers = measured(measure, bench)
            results[measure.name].append(numbers)
            main = next(name for name in _MAIN if name in numbers)
            print(f"{repetition + 1}/{repetitions} {measure.name}: {numbers[main]:.2f} {main}", flush=True)
        _write(out, results, photos)
    for row in targets(medians(results), TARGETS):
        print(f"{'ok  ' if row['met'] else 'MISS'} {row['name']}: {row['value']:.3f} ({row['asked']})")


def _kept(out: Path, photos: int) -> dict[str, list[Numbers]]:
    """What the file has of measures that there still are, of the same versions and photos."""
    try:
        before = json.loads((out / "ray.json").read_text())
    except FileNotFoundError:
        return {}
    if (before["versions"], before["photos"]) != (_versions(), photos):
        return {}
    there = {measure.name for measure in MEASURES}
    return {name: numbers for name, numbers in before["repetitions"].items() if name in there}


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _VERSIONS}


def _write(out: Path, results: dict[str, list[Numbers]], photos: int) -> None:
    found = medians(results)
    body = {
        "versions": _versions(),
        "photos": photos,
        "counted": COUNTED,
        "targets": targets(found, TARGETS),
        "beside": beside(found),
        "medians": found,
        "repetitions": results,
    }
    write_results(out, "ray", body)
