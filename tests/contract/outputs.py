"""What the contract's tests share: cheap models, and a look at what was written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import headrace as hr
from headrace import demo

MODEL = demo.MODEL
SMALL = hr.Preprocess(resize_short=16, crop=16)
FAULTS = ("truncated", "empty", "fake", "unreadable")


class Mean:
    """A cheap model: the mean of a photo's pixels."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"mean": batch["image"].reshape(len(batch["image"]), -1).mean(axis=1).astype(np.float32)}


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


def leftovers(out: Path) -> list[Path]:
    """Files that are half-written or lie where they should not."""
    staged = list((out / "_headrace/tmp").glob("*")) if out.exists() else []
    return staged + [p for p in out.glob("*") if p.name != "_headrace" and p not in parts(out)]
