"""`headrace bench pipeline`: photos in, predictions out, against the limit and the peers, in one interleaved run.

The frame is MLPerf's offline rule: all samples are there at once, throughput counts, accuracy is checked on the same
model. It differs in that decoding, reading, fsync, hashing and Parquet are inside the time, and that no power is
measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from headrace.bench import measures as m
from headrace.bench.data import prepare
from headrace.bench.measures import Measure, Numbers, Workbench, measured
from headrace.bench.results import write_results
from headrace.core.optional import installed

_VERSIONS = ("numpy", "pyarrow", "pillow", "simplejpeg", "openvino", "torch", "ray", "daft")
Medians = dict[str, Numbers]


@dataclass(frozen=True)
class Target:
    """A figure that the benchmark must show: computed from medians, at least (or at most) `mark`."""

    name: str
    mark: float
    value: Callable[[Medians], float]
    at_most: bool = False
    needs: tuple[str, ...] = ()

    def met(self, value: float) -> bool:
        """Whether a value reaches the mark."""
        return value <= self.mark if self.at_most else value >= self.mark


def photos(bench: Workbench) -> Path:
    """The folder of the standard photos."""
    return bench.photos


def many(bench: Workbench) -> Path:
    """The folder of ten times as many."""
    return bench.many_photos


def raw(bench: Workbench) -> Path:
    """The Parquet files of raw images."""
    return bench.raw


MEASURES = (
    Measure("limit/resnet50/bf16", m.limit("resnet50", "bf16")),
    Measure("headrace/resnet50/bf16", m.ours(photos, "resnet50", "bf16")),
    Measure("ray/resnet50/bf16", m.peer("ray_textbook", photos, "resnet50", "bf16", 500)),
    Measure("daft/resnet50/bf16", m.peer("daft_peer", photos, "resnet50", "bf16", 500)),
    Measure("limit/mobilenet/fp32", m.limit("mobilenet", "fp32")),
    Measure("headrace/mobilenet/fp32", m.ours(photos, "mobilenet", "fp32")),
    Measure("limit/mobilenet/bf16", m.limit("mobilenet", "bf16")),
    Measure("headrace/mobilenet/bf16", m.ours(photos, "mobilenet", "bf16")),
    Measure("ray/mobilenet/bf16", m.peer("ray_textbook", photos, "mobilenet", "bf16", 1000)),
    Measure("daft/mobilenet/bf16", m.peer("daft_peer", photos, "mobilenet", "bf16", 1000)),
    Measure("ray_seeds/resnet50/fp32", m.peer("ray_seeds", photos, "resnet50", "fp32", 64, as_module=True)),
    Measure("dataloader/resnet50/fp32", m.peer("dataloader", photos, "resnet50", "fp32", 64, as_module=True)),
    Measure("headrace/raw/bf16", m.ours(raw, "mobilenet", "bf16", "--image-column", "image")),
    Measure("ray/raw/bf16", m.peer("ray_raw_parquet", raw, "mobilenet", "bf16", 2000)),
    Measure("headrace/mobilenet/fp32/20000", m.ours(many, "mobilenet", "fp32"), most=3),
    Measure("headrace/mobilenet/auto/20000", m.ours(many, "mobilenet", "auto"), most=3),
    Measure("accuracy/mobilenet/fp32", m.accuracy("mobilenet", "fp32")),
    Measure("import", m.import_time),
    Measure("one photo", m.one_photo),
)


def _ratio(above: str, below: str, number: str = "rows_per_s", number_below: str | None = None) -> dict[str, Any]:
    return {"value": lambda x: x[above][number] / x[below][number_below or number], "needs": (above, below)}


def _of_limit(model: str) -> dict[str, Any]:
    return _ratio(f"headrace/{model}", f"limit/{model}", "rows_per_s", "limit_rows_per_s")


def _cpu_over_limit(model: str) -> dict[str, Any]:
    ours, limit = f"headrace/{model}", f"limit/{model}"
    return {
        "value": lambda x: x[ours]["cpu_s_per_row"] / (x[limit]["decode_s"] + x[limit]["infer_s"]),
        "needs": (ours, limit),
        "at_most": True,
    }


TARGETS = (
    Target("headrace / limit, ResNet-50 bf16", 0.92, **_of_limit("resnet50/bf16")),
    Target("headrace / limit, MobileNetV2 fp32", 0.90, **_of_limit("mobilenet/fp32")),
    Target("headrace / limit, MobileNetV2 bf16", 0.85, **_of_limit("mobilenet/bf16")),
    Target(
        "headrace / textbook Ray Data, same runtime, ResNet-50 bf16",
        2.0,
        **_ratio("headrace/resnet50/bf16", "ray/resnet50/bf16"),
    ),
    Target(
        "headrace / textbook Ray Data, same runtime, MobileNetV2 bf16",
        2.0,
        **_ratio("headrace/mobilenet/bf16", "ray/mobilenet/bf16"),
    ),
    Target(
        "headrace / Daft, same runtime, ResNet-50 bf16", 1.35, **_ratio("headrace/resnet50/bf16", "daft/resnet50/bf16")
    ),
    Target(
        "headrace / Daft, same runtime, MobileNetV2 bf16",
        1.35,
        **_ratio("headrace/mobilenet/bf16", "daft/mobilenet/bf16"),
    ),
    Target(
        "headrace / the seeds' script (torch fp32 on Ray Data)",
        12.0,
        **_ratio("headrace/resnet50/bf16", "ray_seeds/resnet50/fp32"),
    ),
    Target(
        "headrace / torch DataLoader + torch fp32 loop",
        8.0,
        **_ratio("headrace/resnet50/bf16", "dataloader/resnet50/fp32"),
    ),
    Target("raw uint8 Parquet: headrace / textbook Ray Data", 2.0, **_ratio("headrace/raw/bf16", "ray/raw/bf16")),
    Target(
        "precision auto / best fixed, 20,000 photos",
        0.93,
        **_ratio("headrace/mobilenet/auto/20000", "headrace/mobilenet/fp32/20000"),
    ),
    Target("CPU-seconds / (decode + infer), ResNet-50", 1.10, **_cpu_over_limit("resnet50/bf16")),
    Target("CPU-seconds / (decode + infer), MobileNetV2 fp32", 1.15, **_cpu_over_limit("mobilenet/fp32")),
    Target(
        "peak RSS, 20,000 / 2,000 photos",
        1.05,
        at_most=True,
        **_ratio("headrace/mobilenet/fp32/20000", "headrace/mobilenet/fp32", "peak_rss_bytes"),
    ),
    Target(
        "top-1 of 20 ImageNet photos, MobileNetV2 (the weights' own: 18)",
        18,
        lambda x: x["accuracy/mobilenet/fp32"]["right"],
        needs=("accuracy/mobilenet/fp32",),
    ),
    Target("import headrace, s", 0.3, lambda x: x["import"]["seconds"], at_most=True, needs=("import",)),
    Target("one photo, cold process, s", 1.2, lambda x: x["one photo"]["seconds"], at_most=True, needs=("one photo",)),
)


def run_pipeline(*, out: Path, work: Path, repetitions: int, only: str | None, photos: int) -> None:
    """Makes the data, runs every measure once a repetition, and writes medians and targets as JSON."""
    bench = prepare(work, photos)
    chosen = [x for x in MEASURES if only is None or only in x.name]
    results: dict[str, list[Numbers]] = {x.name: [] for x in chosen}
    for repetition in range(repetitions):
        for measure in (x for x in chosen if repetition < x.most):
            numbers = measured(measure, bench)
            results[measure.name].append(numbers)
            main = numbers.get("rows_per_s", numbers.get("limit_rows_per_s", numbers.get("seconds", 0.0)))
            print(f"{repetition + 1}/{repetitions} {measure.name}: {main:.2f}", flush=True)
        _write(out, results, photos)
    for row in targets(medians(results)):
        print(f"{'ok  ' if row['met'] else 'MISS'} {row['name']}: {row['value']:.3f} ({row['asked']})")


def medians(results: dict[str, list[Numbers]]) -> Medians:
    """The median of every number of every measure."""
    return {
        name: {k: statistics.median(r[k] for r in runs if k in r) for k in runs[0]}
        for name, runs in results.items()
        if runs
    }


def targets(found: Medians, asked: Sequence[Target] = TARGETS) -> list[dict[str, Any]]:
    """Every target whose measures were run: what was asked, what was got."""
    rows = []
    for target in asked:
        if all(name in found for name in target.needs):
            value = target.value(found)
            mark = f"{'at most' if target.at_most else 'at least'} {target.mark:g}"
            rows.append({"name": target.name, "asked": mark, "value": value, "met": target.met(value)})
    return rows


def _write(out: Path, results: dict[str, list[Numbers]], photos: int) -> None:
    found = medians(results)
    body = {
        "versions": {n: version(n) for n in _VERSIONS if installed("PIL" if n == "pillow" else n)},
        "photos": photos,
        "targets": targets(found),
        "medians": found,
        "repetitions": results,
    }
    write_results(out, "pipeline", body)
