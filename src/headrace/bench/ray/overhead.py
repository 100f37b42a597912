"""The published microbenchmark: blocks read from S3 and cached, then a step that sleeps 1 s a block, timed alone.

`python -m headrace.bench.ray.overhead WAY SLOTS OUT` prints one JSON line. Ways: plain Ray Data with tasks (as it was
published) and with actors, headrace's model stage on the cached dataset, and headrace's engine on as many partitions.

Starting worker processes (1.5 CPU-seconds each) is in no way's time: tasks find as many processes up as there are
slots; with actors Ray Data is told to wait until all are up, and the clock starts then.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

import headrace as hr
from headrace.bench.ray.arithmetic import ideal_s, opening
from headrace.bench.ray.ground import NotReady, bucket, slots, wait_for_actors, warm_workers
from headrace.bench.ray.sleepers import BLOCK_S, BlockSleeper, sleep_a_block

BLOCKS_A_SLOT = 4  # the ideal is 4 s, near the 4.383 s that were published
_ROWS = 16  # a block
# Of the engine's workers: reading and publishing need slots too, while as many blocks sleep at once as there are slots.
_ENGINE_CPUS = 0.5
_TIMES = ["worker", "ready", "began", "ended"]


@dataclass(frozen=True)
class _Done:
    """What a way took, from its call until its result was there. times: a row for each of the blocks' rows."""

    called_at: float
    done_at: float
    times: pa.Table
    probe_s: float = 0.0


def _ray_tasks(cached: Any, count: int, out: Path) -> _Done:
    return _timed(cached.map_batches(sleep_a_block, batch_size=None))


def _ray_actors(cached: Any, count: int, out: Path) -> _Done:
    import ray

    pool = ray.data.ActorPoolStrategy(size=count)
    return _timed(cached.map_batches(BlockSleeper, batch_size=None, compute=pool, num_cpus=1))


def _infer(cached: Any, count: int, out: Path) -> _Done:
    ray_functions: Any = hr.ray
    return _timed(ray_functions.infer(cached, BlockSleeper, batch_size=_ROWS, concurrency=count, num_cpus=1))


def _engine(cached: Any, count: int, out: Path) -> _Done:
    rows = hr.from_items(range(_ROWS * cached.num_blocks()))
    step = rows.map_batches(BlockSleeper, batch_size=_ROWS, concurrency=count, num_cpus=_ENGINE_CPUS)
    called_at = time.time()
    report = step.write_parquet(out, engine="ray", partition_rows=_ROWS, batch_size=_ROWS)
    times = pads.dataset(out, format="parquet").to_table(_TIMES)
    return _Done(called_at + report.startup_s, called_at + report.wall_s, times, report.probe_s)


WAYS: dict[str, Callable[[Any, int, Path], _Done]] = {
    "ray-tasks": _ray_tasks,
    "ray-actors": _ray_actors,
    "headrace-infer": _infer,
    "headrace-engine": _engine,
}


def _timed(step: Any) -> _Done:
    import ray

    called_at = time.time()
    done = step.materialize()
    done_at = time.time()
    return _Done(called_at, done_at, pa.concat_tables(ray.get(done.to_arrow_refs())).select(_TIMES))


def _cached(ray: Any, store: Any, blocks: int) -> Any:
    """The blocks in Ray's object store; small files would share one."""
    names = [f"blocks/{number:04d}.parquet" for number in range(blocks)]
    for number, name in enumerate(names):
        with store.open_output_stream(name) as file:
            pq.write_table(pa.table({"number": range(number * _ROWS, (number + 1) * _ROWS)}), file)
    return ray.data.read_parquet(names, filesystem=store).repartition(blocks).materialize()


def measure_once(way: str, count: int, out: Path) -> dict[str, float]:
    """One measurement, in this process. seconds: the step's, without workers' start; whole_s: from the call."""
    blocks = BLOCKS_A_SLOT * count
    with slots(count) as ray, bucket("blocks") as store:
        wait_for_actors(ray)
        cached = _cached(ray, store, blocks)
        warm_workers(ray, count)
        done = WAYS[way](cached, count, out)
    if done.times.num_rows != blocks * _ROWS:
        raise NotReady(f"{done.times.num_rows} rows came out of {blocks * _ROWS}")
    times = done.times.filter(pc.not_equal(done.times["worker"], os.getpid()))  # what the driver itself has tried
    ready, began = (times[name].to_pylist() for name in ("ready", "began"))
    return {
        "seconds": done.done_at - opening(done.called_at, ready, began),
        "ideal_s": ideal_s(blocks, count, BLOCK_S),
        "whole_s": done.done_at - done.called_at,
        "probe_s": done.probe_s,
        "blocks": blocks,
        "workers": len(set(times["worker"].to_pylist())),
    }


if __name__ == "__main__":
    print(json.dumps(measure_once(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
