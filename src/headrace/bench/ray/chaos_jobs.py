"""The jobs whose cluster is struck: `python -m headrace.bench.ray.chaos_jobs NAME INPUT OUT NOTES [ADDRESS]`.

Without an address a job runs on the local engine. It notes in the file NOTES which rows it takes up: a line `LEG JOB
KEY` for every row, where LEG is "read" or "write" and JOB is Ray's number of the driver that the worker works for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import headrace as hr
from headrace.bench.chaos_jobs import Fast, append

ROWS = 96  # of every job
PARTITION_ROWS = 8
BATCH_ROWS = 4
BAD_EVERY = 29  # of the items
_SMALL = hr.Preprocess(resize_short=16, crop=16)
_READ_S, _MODEL_S = 0.15, 0.2  # a batch: a read task has a second of them, which a strike can fall into
_POOL_CPUS = 0.5  # a single node must have room for pool and readers, or a run waits until another node joins


class SlowPhotos(Fast):
    """Some numbers of a photo's pixels, waiting as a model on a device would."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """batch["image"]: uint8 [N, 16, 16, 3]."""
        time.sleep(_MODEL_S)
        return super().__call__(batch)


class SlowItems:
    """Squares, which take no batch with one of every few numbers in it."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """batch["n"]: int64 [N]."""
        time.sleep(_MODEL_S)
        if any(n % BAD_EVERY == BAD_EVERY - 1 for n in batch["n"]):
            raise ValueError("a number that is too much")
        return {"n": batch["n"], "square": batch["n"] ** 2}


def reading(batch: dict[str, Any], *, notes: str, key: str) -> dict[str, Any]:
    """Notes the rows, and takes a while."""
    _note("read", batch[key], notes)
    time.sleep(_READ_S)
    return batch


def writing(batch: dict[str, Any], *, notes: str, key: str) -> dict[str, Any]:
    """Notes the rows."""
    _note("write", batch[key], notes)
    return batch


def _note(leg: str, keys: Any, notes: str) -> None:
    import ray

    job = ray.get_runtime_context().get_job_id() if ray.is_initialized() else "-"
    append(notes, [f"{leg} {job} {key}" for key in keys])


def photos(source: str, notes: str) -> hr.Dataset:
    """Photos, some of them damaged, through readers, a pool of a model's workers, and writers."""
    modelled = hr.read_images(source).infer(SlowPhotos, preprocess=_SMALL, concurrency=2, num_cpus=_POOL_CPUS)
    return modelled.map_batches(writing, **_noted(notes, "path"))


def items(_: str, notes: str) -> hr.Dataset:
    """Numbers through readers, a pool that grows, and writers."""
    modelled = _numbers(notes).map_batches(SlowItems, concurrency=(1, 2), num_cpus=_POOL_CPUS)
    return modelled.map_batches(writing, **_noted(notes, "n"))


def tasks(_: str, notes: str) -> hr.Dataset:
    """Numbers through functions only: a task reads and publishes."""
    return _numbers(notes).map_batches(writing, **_noted(notes, "n"))


def _numbers(notes: str) -> hr.Dataset:
    return hr.from_items([{"n": i} for i in range(ROWS)]).map_batches(reading, **_noted(notes, "n"))


def _noted(notes: str, key: str) -> dict[str, Any]:
    return {"batch_size": BATCH_ROWS, "fn_kwargs": {"notes": notes, "key": key}}


JOBS: dict[str, Callable[[str, str], hr.Dataset]] = {f.__name__: f for f in (photos, items, tasks)}


def run(name: str, source: str, out: str, notes: str, address: str | None = None) -> None:
    """Runs a job into `out`."""
    engine = "local" if address is None else "ray"
    sized: dict[str, Any] = {"batch_size": BATCH_ROWS, "partition_rows": PARTITION_ROWS, "max_rejected": 0.5}
    JOBS[name](source, notes).write_parquet(out, engine=engine, address=address, **sized)


if __name__ == "__main__":
    run(*sys.argv[1:])
