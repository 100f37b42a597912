"""The jobs that `headrace bench chaos` kills: `python -m headrace.bench.chaos_jobs NAME INPUT OUT`.

Each notes what it reads in the file that HEADRACE_CHAOS_READS names: one key a line, before the row is read. Of photos
that is every file at the moment it is opened; of items, every row that reaches the stage.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import headrace as hr
from headrace.demo import MODEL
from headrace.sources.local import LocalFolder
from headrace.sources.stores import ArrowLocation

READS = "HEADRACE_CHAOS_READS"
ITEMS = 320
PARTITION_ROWS = 16
BAD_EVERY = 97

_SMALL = hr.Preprocess(resize_short=16, crop=16)
_SLOW_S = 0.008
_MENDED = "HEADRACE_CHAOS_MENDED"
# Big numbers: some 2 ms of pure Python a row, so that a kill finds workers in the middle of a batch.
_POWER = 800


class Fast:
    """Some numbers of a photo's pixels."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """batch["image"]: uint8 [N, 16, 16, 3]."""
        pixels = batch["image"].reshape(len(batch["image"]), -1)
        return {"sum": pixels.sum(axis=1, dtype=np.int64), "mean": pixels.mean(axis=1, dtype=np.float32)}


class Slow(Fast):
    """The same, waiting as a model on a device would."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """batch["image"]: uint8 [N, 16, 16, 3]."""
        time.sleep(_SLOW_S)
        return super().__call__(batch)


def digits(batch: dict[str, Any]) -> dict[str, Any]:
    """Holds the GIL, and takes no batch in which the last of a hundred or so is."""
    note(map(str, batch["n"]))
    if any(n % BAD_EVERY == BAD_EVERY - 1 for n in batch["n"]):
        raise ValueError("a number that is too much")
    return {"n": batch["n"], "digits": [sum(map(int, str(int(n) ** _POWER))) for n in batch["n"]]}


def frail(batch: dict[str, Any]) -> dict[str, Any]:
    """Takes no batch with one of every four numbers in it, until it is mended."""
    note(map(str, batch["n"]))
    if _MENDED not in os.environ and any(n % 4 == 1 for n in batch["n"]):
        raise ValueError("a number that is too much")
    time.sleep(_SLOW_S)
    return {"n": batch["n"]}


def note(keys: Iterable[str]) -> None:
    """Adds lines to the file of reads."""
    append(os.environ[READS], keys)


def append(file: str, lines: Iterable[str]) -> None:
    """Adds lines to a file, in one write: lines of several processes do not mix."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
    finally:
        os.close(descriptor)


def _note_reads() -> None:
    """Makes places note the files that are read from them."""
    local, arrow = LocalFolder.read, ArrowLocation.read

    def read_local(self: LocalFolder, path: str) -> bytes:
        note([path])
        return local(self, path)

    def read_arrow(self: ArrowLocation, path: str) -> bytes:
        note([self.prefix + path])
        return arrow(self, path)

    LocalFolder.read, ArrowLocation.read = read_local, read_arrow  # type: ignore[method-assign]


def fast(photos: str, out: str) -> None:
    """Photos through a quick class in threads; the batch size is the run's to find."""
    _over_photos(photos, out, Fast)


def slow(photos: str, out: str) -> None:
    """Photos through a class that takes its time."""
    _over_photos(photos, out, Slow, batch_size=4)


def some(photos: str, out: str) -> None:
    """The first half of the photos; `added` goes on from there."""
    files = sorted(map(str, Path(photos).iterdir()))
    _over_photos(files[: len(files) // 2], out, Slow)


def added(photos: str, out: str) -> None:
    """All photos into a folder that `some` has filled."""
    _over_photos(photos, out, Slow, resume_new=True)


def _over_photos(photos: str | list[str], out: str, model: type, **settings: Any) -> None:
    job = hr.read_images(photos).infer(model, preprocess=_SMALL)
    job.write_parquet(out, partition_rows=PARTITION_ROWS, max_rejected=0.5, **settings)


def command(photos: str, out: str) -> None:
    """Photos through the demo's MobileNetV2, by the command line."""
    sys.argv = ["headrace", "run", photos, "--model", str(MODEL), "--out", out, "--precision", "fp32"]
    sys.argv += ["--batch-size", "4", "--partition-rows", str(PARTITION_ROWS), "--max-rejected", "0.5"]
    runpy.run_module("headrace", run_name="__main__")


def processes(plan: str, out: str) -> None:
    """Items through a Python stage in the worker processes that the saved plan asks for."""
    job = hr.from_items([{"n": i} for i in range(ITEMS)]).map_batches(digits)
    job.write_parquet(out, plan=plan, batch_size=4, partition_rows=PARTITION_ROWS, max_rejected=0.5)


def broken(_: str, out: str) -> None:
    """Items through a stage that fails on many of them; `mended` runs those again."""
    _over_items(out)


def mended(_: str, out: str) -> None:
    """The rejects of `broken`, run again after the stage was mended."""
    os.environ[_MENDED] = "1"
    _over_items(out, retry=True)


def _over_items(out: str, *, retry: bool = False) -> None:
    job = hr.from_items([{"n": i} for i in range(ITEMS)]).map_batches(frail)
    job.write_parquet(out, batch_size=4, partition_rows=PARTITION_ROWS, max_rejected=0.5, retry=retry)


_JOBS: dict[str, Callable[[str, str], None]] = {
    f.__name__: f for f in (fast, slow, command, processes, some, added, broken, mended)
}

if __name__ == "__main__":
    _note_reads()
    _JOBS[sys.argv[1]](sys.argv[2], sys.argv[3])
