"""The measures of `headrace bench ray`, and what they must show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.bench import measures as m
from headrace.bench.measures import Measure, Numbers, Workbench
from headrace.bench.pipeline import Medians, Target, photos
from headrace.bench.ray import memory, overhead, scaling
from headrace.bench.ray.arithmetic import linearity, overhead_ratio
from headrace.bench.ray.child import json_of_module
from headrace.bench.ray.startup import first_row

SLOTS = (4, 16, 32)
WORKERS = (1, 2, 4, 8, 16)
ROWS = (10_000, 100_000, 1_000_000)
_ALL = 1_000_000  # rows: more photos than there are
# 64 photos, as in bench pipeline, are 13 s, a third of them the start of two torch actors.
_SEEDS_ROWS = 256
_PACKAGE = "headrace.bench.ray"

_Run = Callable[[Workbench, Path], Numbers]


def _module(name: str, timeout_s: float, *arguments: object) -> _Run:
    def run(bench: Workbench, scratch: Path) -> Numbers:
        return json_of_module(f"{_PACKAGE}.{name}", [*arguments, scratch / "out"], scratch=scratch, timeout_s=timeout_s)

    return run


def _twice(bench: Workbench, scratch: Path) -> Numbers:
    return _module("twice", 600.0, bench.photos, bench.resnet50, "bf16")(bench, scratch)


def _memory(way: str, rows: int) -> _Run:
    def run(bench: Workbench, scratch: Path) -> Numbers:
        data = memory.make_numbers(bench.work / "numbers", rows)
        return _module("memory", 900.0, way, data)(bench, scratch)

    return run


MEASURES = (
    Measure("pipeline/headrace on Ray", _twice),
    Measure("pipeline/headrace local", m.ours(photos, "resnet50", "bf16")),
    Measure("pipeline/textbook Ray Data", m.peer("ray_textbook", photos, "resnet50", "bf16", _ALL)),
    Measure("pipeline/seeds fp32", m.peer("ray_seeds", photos, "resnet50", "fp32", _SEEDS_ROWS, as_module=True), 3),
    Measure("startup/ray", first_row("ray")),
    Measure("startup/local", first_row("local")),
    *(
        Measure(f"overhead/{way}/{count}", _module("overhead", 300.0, way, count), 3)
        for count in SLOTS
        for way in overhead.WAYS
    ),
    *(
        Measure(f"scaling/{way}/{workers}", _module("scaling", 300.0, way, workers), 3)
        for workers in WORKERS
        for way in scaling.WAYS
    ),
    *(Measure(f"memory/{way}/{rows}", _memory(way, rows), 2) for rows in ROWS for way in memory.WAYS),
)


def _rates(above: str, below: str) -> dict[str, Any]:
    names = (f"pipeline/{above}", f"pipeline/{below}")
    return {"value": lambda x: x[names[0]]["rows_per_s"] / x[names[1]]["rows_per_s"], "needs": names}


def _overhead(way: str, count: int) -> dict[str, Any]:
    name = f"overhead/{way}/{count}"
    return {"value": lambda x: overhead_ratio(x[name]["seconds"], x[name]["ideal_s"]), "needs": (name,)}


def _linearity(way: str) -> dict[str, Any]:
    names = {workers: f"scaling/{way}/{workers}" for workers in WORKERS}
    return {
        "value": lambda x: linearity({workers: x[name]["rows_per_s"] for workers, name in names.items()}),
        "needs": tuple(names.values()),
    }


def _growth(way: str) -> dict[str, Any]:
    before, after = (f"memory/{way}/{rows}" for rows in ROWS[-2:])
    return {
        "value": lambda x: x[after]["driver_rss_bytes"] / x[before]["driver_rss_bytes"],
        "needs": (before, after),
    }


_OURS = {"headrace-infer": "hr.ray.infer", "headrace-engine": "engine"}

TARGETS = (
    Target("headrace on Ray / textbook Ray Data", 1.6, **_rates("headrace on Ray", "textbook Ray Data")),
    Target("headrace on Ray / headrace local", 0.75, **_rates("headrace on Ray", "headrace local")),
    Target("headrace on Ray / the seeds' script", 9.0, **_rates("headrace on Ray", "seeds fp32")),
    *(
        Target(f"overhead of {shown}, {count} slots", 0.10, at_most=True, **_overhead(way, count))
        for way, shown in _OURS.items()
        for count in SLOTS
    ),
    Target("least of rate(n) / n x rate(1), n <= 16 workers", 0.95, **_linearity("headrace")),
    Target("driver's peak RSS, 10^6 / 10^5 rows", 1.05, at_most=True, **_growth("headrace")),
    Target("the same in 4,000 / 400 parts", 1.05, at_most=True, **_growth("headrace-parts")),
)


def beside(found: Medians) -> dict[str, float]:
    """What no target asks: plain Ray Data's share of the same, by name; whole processes; start-up."""
    asked: dict[str, dict[str, Any]] = {
        **{f"overhead of {way}, {n} slots": _overhead(way, n) for way in ("ray-tasks", "ray-actors") for n in SLOTS},
        "linearity of plain Ray Data": _linearity("ray"),
        "driver's peak RSS of plain Ray Data, 10^6 / 10^5 rows": _growth("ray"),
    }
    values = {n: a["value"](found) for n, a in asked.items() if all(name in found for name in a["needs"])}
    for name, numbers in found.items():
        if name.startswith("pipeline/"):
            values[f"rows/s of the whole process, {name[9:]}"] = numbers["rows"] / numbers["wall_s"]
    return values
