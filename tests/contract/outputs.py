"""What the contract's tests share: cheap models, and a look at what was written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace import demo

MODEL = demo.MODEL
SMALL = hr.Preprocess(resize_short=16, crop=16)
FAULTS = ("truncated", "empty", "fake", "unreadable")


class Mean:
    """A cheap model: the mean of a photo's pixels."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"mean": batch["image"].reshape(len(batch["image"]), -1).mean(axis=1).astype(np.float32)}


def only(engine: str, why: str) -> pytest.MarkDecorator:
    """For a test of one engine; `why` is for who reads it."""
    return pytest.mark.parametrize("engine", [engine], indirect=True)


def read_by(engine: str, rows: range | list[int], batch_rows: int) -> list[str]:
    """The names of the photos that a run over `rows` reads, sorted. On a cluster the first batch is run once more."""
    first = list(rows)[:batch_rows] if engine == "ray" else []
    return sorted(f"{row:03d}" for row in [*rows, *first])


def parts(out: Path) -> list[Path]:
    """The part files, in order."""
    return sorted(out.glob("part-*.parquet"))


def written(out: Path) -> list[dict[str, Any]]:
    """All rows that were written, in order of part and row."""
    return [row for part in parts(out) for row in pq.ParquetFile(part).read().to_pylist()]


def rejected(out: Path) -> list[dict[str, Any]]:
    """All rejects that the parts' footers name, in order."""
    named = [footer(part)["rejects"] for part in parts(out)]
    folder = out / "_headrace/rejects"
    return [row for name in named if name for row in pq.ParquetFile(folder / name).read().to_pylist()]


def footer(part: Path) -> dict[str, Any]:
    """What a part says of itself."""
    body: dict[str, Any] = json.loads(pq.read_metadata(part).metadata[b"headrace"])
    return body


def numbers_of(out: Path) -> list[int]:
    """The partitions that are committed."""
    return [int(part.stem.removeprefix("part-")) for part in parts(out)]


def leftovers(out: Path) -> list[Path]:
    """Files that are half-written or lie where they should not."""
    staged = list((out / "_headrace/tmp").glob("*")) if out.exists() else []
    return staged + [p for p in out.glob("*") if p.name != "_headrace" and p not in parts(out)]
