"""How throughput grows with model workers, one a logical GPU, on a simulated cluster of several raylets.

`python -m headrace.bench.ray.scaling WAY WORKERS OUT` prints one JSON line. The model takes 50 ms a batch and no core,
and says when each batch was done; the rate is that of the time in which all workers were at work (arithmetic.steady).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pyarrow.dataset as pads

import headrace as hr
from headrace.bench.ray.arithmetic import steady
from headrace.bench.ray.ground import NotReady, gpu_cluster, wait_for_actors
from headrace.bench.ray.sleepers import BATCH_S, SleepingModel

_BATCH = 4  # rows: tiny, as 16 worker processes share the machine's cores
_PART = 40 * _BATCH  # 2 s of work
_PARTS_A_WORKER = 10


def _headrace(workers: int, out: Path) -> float:
    rows = hr.from_items(range(_PARTS_A_WORKER * _PART * workers))
    step = rows.map_batches(SleepingModel, batch_size=_BATCH, num_gpus=1, concurrency=workers)
    report = step.write_parquet(out, engine="ray", partition_rows=_PART, batch_size=_BATCH)
    return report.wall_s - report.startup_s


def _ray(workers: int, out: Path) -> float:
    import ray

    began, parts = time.perf_counter(), _PARTS_A_WORKER * workers
    rows = ray.data.range(parts * _PART, override_num_blocks=parts)
    pool = ray.data.ActorPoolStrategy(size=workers)
    step = rows.map_batches(SleepingModel, batch_size=_BATCH, compute=pool, num_gpus=1)  # noqa: HR043 - it sleeps
    step.write_parquet(str(out))
    return time.perf_counter() - began


WAYS: dict[str, Callable[[int, Path], float]] = {"headrace": _headrace, "ray": _ray}


def _done_at(out: Path) -> dict[int, list[float]]:
    """By worker, when its batches were done; without what the driver itself has tried."""
    table = pads.dataset(out, format="parquet").to_table(["worker", "done_at"])
    found = defaultdict(list)
    for worker, done_at in set(zip(*(table[name].to_pylist() for name in table.column_names), strict=True)):
        found[worker].append(done_at)
    found.pop(os.getpid(), None)
    return dict(found)


def measure_once(way: str, workers: int, out: Path) -> dict[str, float]:
    """One measurement, in this process. rows_per_s: steady; whole_rows_per_s: of the run without start-up."""
    with gpu_cluster(workers) as ray:
        wait_for_actors(ray)
        seconds = WAYS[way](workers, out)
    done_at = _done_at(out)
    if len(done_at) != workers:
        raise NotReady(f"{len(done_at)} model workers were at work where {workers} were asked for")
    window = steady(done_at)
    return {
        "rows_per_s": _BATCH * window.batches_per_s,
        "of_ideal": window.batches_per_s * BATCH_S / workers,
        "window_s": window.seconds,
        "window_ratio": window.ratio,
        "whole_rows_per_s": _PARTS_A_WORKER * _PART * workers / seconds,
    }


if __name__ == "__main__":
    print(json.dumps(measure_once(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
