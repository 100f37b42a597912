"""The driver's peak memory over a cheap job of very many rows, in partitions as they come and in very many of them.

`python -m headrace.bench.ray.memory WAY DATA OUT` prints one JSON line. Only this process counts, which drives the run;
Ray's own processes and its object store are others.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

import headrace as hr
from headrace.bench.ray.child import peak_rss_bytes
from headrace.bench.ray.ground import NotReady, slots
from headrace.bench.ray.sleepers import doubled

_PART_ROWS = 250  # of "parts", 4,000 of 10^6 rows: what a part leaves behind in the driver counts 3,600 times
_GROUP_ROWS = 10_000  # a row group


def make_numbers(folder: Path, rows: int) -> Path:
    """A Parquet file of `rows` numbers below `folder`, made once and kept."""
    path = folder / f"numbers-{rows}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"number": range(rows)}), path, row_group_size=_GROUP_ROWS)
    return path


def _headrace(data: Path, out: Path) -> None:
    hr.read_parquet(data).map_batches(doubled).write_parquet(out, engine="ray")


def _headrace_parts(data: Path, out: Path) -> None:
    hr.read_parquet(data).map_batches(doubled).write_parquet(out, engine="ray", partition_rows=_PART_ROWS)


def _ray(data: Path, out: Path) -> None:
    import ray

    rows = ray.data.read_parquet(str(data), override_num_blocks=pq.read_metadata(data).num_rows // _PART_ROWS)
    rows.map_batches(doubled, batch_size=_PART_ROWS).write_parquet(str(out))


WAYS: dict[str, Callable[[Path, Path], None]] = {"headrace": _headrace, "headrace-parts": _headrace_parts, "ray": _ray}


def measure_once(way: str, data: Path, out: Path) -> dict[str, float]:
    """One measurement, in this process; `imported_rss_bytes` is what it held before the run."""
    rows = pq.read_metadata(data).num_rows
    with slots(os.cpu_count() or 1):
        before, began = peak_rss_bytes(), time.perf_counter()
        WAYS[way](data, out)
        seconds, peak = time.perf_counter() - began, peak_rss_bytes()
    written = pads.dataset(out, format="parquet").count_rows()
    if written != rows:
        raise NotReady(f"{written} rows came out of {rows}")
    return {
        "driver_rss_bytes": peak,
        "imported_rss_bytes": before,
        "rows_per_s": rows / seconds,
    }


if __name__ == "__main__":
    print(json.dumps(measure_once(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
