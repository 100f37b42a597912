"""`headrace bench scale`: how long a run of very many commits, or of very many files, takes to its first row.

Each size is a process of its own. Resuming: a folder whose listing names N part files and whose cache of commits holds
them (the files are not there: nothing needs them), with one partition left to do. Listing: N files in a tree of folders
of 1,000. Measured until the first row is read: seconds, and how much the process has grown since its imports.
"""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from headrace.api.session import Into, write_job
from headrace.bench.results import write_results
from headrace.core.batch import Rows
from headrace.core.contracts import Read
from headrace.core.errors import HeadraceError
from headrace.core.partition import Account, Partition
from headrace.engine.telling.clock import RunClock
from headrace.job.job import Job, Settings
from headrace.sinks.commits import CommitCache
from headrace.sinks.footers import Footer, part_name
from headrace.sinks.parquet import ParquetFolder
from headrace.sinks.stores import LocalStore
from headrace.sources.images import ImageFiles
from headrace.sources.local import LocalFolder

SIZES = (1_000, 10_000, 100_000, 1_000_000)
ASKED = {"resume": 10.0, "list": 15.0}  # seconds, at 10^6
ASKED_RSS = 200e6
_PARTITION_ROWS = 4
_PART_BYTES = 3000


class _FirstRow(Exception):
    """The first row is about to be read."""


def _stop(*_: object) -> NoReturn:
    raise _FirstRow


@contextlib.contextmanager
def _until_the_first_row() -> Iterator[None]:
    """Ends what is run when `_stop` is met, and only then."""
    try:
        yield
    except _FirstRow:
        return
    except HeadraceError as error:
        if not isinstance(error.__cause__, _FirstRow):
            raise
        return
    raise AssertionError("it came to its end")


@dataclass(frozen=True)
class _Numbers:
    """A source of as many numbers as are asked for."""

    rows: int
    key_name: str = "item_id"
    image_name: str = "image"
    has_images: bool = False
    decodes: bool = False
    remote: bool = False
    row_a_file: bool = False
    burst_bytes: int = 0

    def describe(self) -> dict[str, Any]:
        return {"kind": "numbers"}

    def list(self) -> _Numbers:
        return self

    def inside(self, folder: str) -> bool:
        return False

    def digest(self) -> str:
        return str(self.rows)

    def files(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        return iter(())

    def only(self, keys: Collection[str]) -> _Numbers:
        return self

    def head(self, rows: int) -> _Numbers:
        return _Numbers(rows)

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        for first in range(start, stop, size):
            last = min(first + size, stop)
            numbers = np.arange(first, last)
            yield Read(last - first, 0, lambda n=numbers: Rows([str(i) for i in n], {"n": n}))  # type: ignore[misc]


def _run(job: Job, out: Path) -> None:
    settings = Settings(batch_size=_PARTITION_ROWS, partition_rows=_PARTITION_ROWS)
    write_job(job, settings, Into(out=out), saved={}, on_progress=None, clock=RunClock())


def _prepare_resume(job: Job, out: Path, commits: int) -> None:
    """A folder whose cache holds the commits of all partitions but the last."""
    publish = ParquetFolder.publish
    ParquetFolder.publish = _stop  # type: ignore[method-assign,assignment]
    with _until_the_first_row():
        _run(job, out)
    ParquetFolder.publish = publish  # type: ignore[method-assign]
    fingerprint = json.loads((out / "_headrace/job.json").read_text())["fingerprint"]
    cache, account = CommitCache(LocalStore(out)), Account(_PARTITION_ROWS, _PARTITION_ROWS)
    for number in range(commits):
        partition = Partition(number, number * _PARTITION_ROWS, (number + 1) * _PARTITION_ROWS)
        cache.add(_PART_BYTES, Footer(partition, f"{number:012x}", account, None, fingerprint, "0" * 64))
    cache.flush()


def _listed(commits: int) -> Any:
    """What listing the folder gives: the parts' names and sizes, as if they were there."""
    listing = LocalStore.list

    def simulated(self: LocalStore, folder: str, stem: str = "") -> Iterator[tuple[str, int]]:
        if folder == "" and stem == "part-":
            return ((part_name(n), _PART_BYTES) for n in range(commits))
        return listing(self, folder, stem)

    return simulated


def measure_once(what: str, size: int, folder: Path) -> dict[str, float]:
    """One measurement, in this process."""
    if what == "resume":
        job = Job(source=_Numbers((size + 1) * _PARTITION_ROWS))
        LocalStore.list = _listed(size)  # type: ignore[method-assign]
        _Numbers.reads = _stop  # type: ignore[method-assign,assignment]
    else:
        job = Job(source=ImageFiles(folder))
        LocalFolder.read = _stop  # type: ignore[method-assign,assignment]
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, _until_the_first_row():
        _run(job, folder if what == "resume" else Path(scratch) / "out")
    seconds = time.perf_counter() - began
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return {"seconds": seconds, "rss_growth_bytes": grown}


def _tree(folder: Path, files: int) -> Path:
    """`files` empty files, in folders of 1,000."""
    made = folder / f"tree-{files}"
    if not made.exists():
        for number in range(0, files, 1000):
            below = made / f"{number // 1000:04d}"
            below.mkdir(parents=True)
            for one in range(number, min(number + 1000, files)):
                (below / f"{one:07d}.jpg").touch()
    return made


def run_scale(*, out: Path, work: Path) -> None:
    """Both curves, into `out`/scale.json."""
    work.mkdir(parents=True, exist_ok=True)
    curves: dict[str, dict[str, dict[str, float]]] = {what: {} for what in ASKED}
    for size in SIZES:
        with tempfile.TemporaryDirectory(dir=work) as scratch:
            folder = Path(scratch) / "out"
            subprocess.run([sys.executable, "-m", __spec__.name, "prepare", str(size), str(folder)], check=True)
            folders = {"resume": folder, "list": _tree(work.absolute(), size)}
            for what, where in folders.items():
                command = [sys.executable, "-m", __spec__.name, what, str(size), str(where)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                found = curves[what][str(size)] = json.loads(done.stdout.splitlines()[-1])
                shown = f"{found['seconds']:.2f} s, {found['rss_growth_bytes'] / 1e6:.0f} MB more"
                print(f"{what} {size:,}: {shown} until the first row", flush=True)
    largest = {what: curve[str(SIZES[-1])] for what, curve in curves.items()}
    met = {w: f["seconds"] <= ASKED[w] and f["rss_growth_bytes"] <= ASKED_RSS for w, f in largest.items()}
    asked = {"seconds": ASKED, "rss_growth_bytes": ASKED_RSS, "at": SIZES[-1]}
    write_results(out, "scale", {"asked": asked, "met": met, "curves": curves})


if __name__ == "__main__":
    given_what, given_size, given_folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    if given_what == "prepare":
        _prepare_resume(Job(source=_Numbers((given_size + 1) * _PARTITION_ROWS)), given_folder, given_size)
    else:
        print(json.dumps(measure_once(given_what, given_size, given_folder)))
