"""`headrace bench clean-path`: what never losing a row costs when nothing fails.

The same pipeline over the same photos, twice, interleaved: into an output folder, with all that guards it (lock,
recorder, hashes, footers, sync, publishing, rejects), and into plain Parquet files that are simply written.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

import headrace.demo
from headrace.api.readers import read_images
from headrace.api.session import Into, write_job
from headrace.bench.corpus import make_jpegs
from headrace.bench.results import write_results
from headrace.core.batch import Columns, Reject
from headrace.core.partition import Account, Partition, Todo
from headrace.engine.flow.limits import RejectLimits
from headrace.engine.local.run import LocalRun
from headrace.engine.telling.clock import RunClock
from headrace.engine.telling.reporting import run_report
from headrace.job.job import Settings
from headrace.plan.draft import draft
from headrace.plan.machine import this_machine
from headrace.plan.recipe import make_recipe
from headrace.sinks.tables import table_of

WAYS = ("guarded", "plain")
ASKED = 0.98


class _PlainFolder:
    """Parts as files, and nothing else."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder

    def publish(self, partition: Partition, columns: Columns, account: Account, rejects: Sequence[Reject]) -> Account:
        assert not rejects
        pq.write_table(table_of(columns), self._folder / f"{partition.number}.parquet", compression="zstd")
        return account


def run_once(way: str, photos: Path, out: Path, precision: str) -> dict[str, float]:
    """One run in this process: rows a second, and CPU-seconds a row."""
    rows = read_images(photos).infer(headrace.demo.MODEL, precision=precision)
    settings, clock = Settings(batch_size=4, partition_rows=512), RunClock()
    if way == "guarded":
        report = write_job(rows.job, settings, Into(out=out), saved={}, on_progress=None, clock=clock).report
    else:
        recipe, machine = make_recipe(rows.job), this_machine()
        run = LocalRun(recipe, draft(recipe, settings, machine, saved={}), machine, clock, stall_timeout_s=600.0)
        todo = Todo.of(recipe.listing.rows, 512)
        run.settle(todo.first)
        run.write(todo, _PlainFolder(out), RejectLimits("reject", 1.0), None)
        report = run_report(run, run.written, run.worked, out=None)
    return {"rows_per_s": report.rows_per_s, "cpu_s_per_row": report.cpu_s / report.rows_out}


def run_clean_path(*, out: Path, work: Path, repetitions: int, photos: int) -> None:
    """Both ways, interleaved, `repetitions` times; writes medians and ratios as JSON."""
    folder = make_jpegs(work.absolute() / f"photos-{photos}", photos)
    results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for repetition in range(repetitions):
        for way in WAYS if repetition % 2 == 0 else reversed(WAYS):
            with tempfile.TemporaryDirectory(dir=work) as scratch:
                command = [sys.executable, "-m", "headrace.bench.clean_path", way, str(folder), f"{scratch}/out"]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
            results[way].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{repetition + 1}/{repetitions} {way}: {results[way][-1]['rows_per_s']:.1f} rows/s", flush=True)
    medians = {way: {k: statistics.median(r[k] for r in runs) for k in runs[0]} for way, runs in results.items()}
    ratio = medians["guarded"]["rows_per_s"] / medians["plain"]["rows_per_s"]
    cpu = medians["guarded"]["cpu_s_per_row"] / medians["plain"]["cpu_s_per_row"]
    body = {"photos": photos, "medians": medians, "repetitions": results, "rows_per_s_ratio": ratio, "cpu_ratio": cpu}
    write_results(out, "clean-path", body | {"asked": f"at least {ASKED}", "met": ratio >= ASKED})
    print(f"{'ok  ' if ratio >= ASKED else 'MISS'} guarded / plain: {ratio:.3f} rows/s, {cpu:.3f} CPU ({ASKED} asked)")


if __name__ == "__main__":
    print(json.dumps(run_once(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), "fp32")))
