"""Whole runs into S3: the rows of a local run, resumed, retried, finished and started anew as there."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace import demo
from headrace.sinks import locks
from headrace.sinks.parquet import ParquetFolder

ROWS = 25
OPTIONS: dict[str, Any] = {"partition_rows": 4, "batch_size": 2, "max_rejected": 1.0}


def halves(batch: dict[str, Any]) -> dict[str, Any]:
    """Refuses one of them."""
    if any(n == 7 for n in batch["n"]):
        raise ValueError("no seven")
    return {"half": batch["n"] / 2, "text": [str(n) for n in batch["n"]]}


def job() -> hr.Dataset:
    return hr.from_items([{"n": n} for n in range(ROWS)]).map_batches(halves)


def parts(address: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of every part."""
    store = ParquetFolder(address).store
    names = sorted(name for name, _ in store.list("") if name.startswith("part-"))
    return {n: pq.ParquetFile(pa.BufferReader(store.read(n))).read().to_pylist() for n in names}


def state(address: str) -> set[str]:
    """What lies in `_headrace`."""
    return {name for below in ("_headrace", "_headrace/tmp") for name, _ in ParquetFolder(address).store.list(below)}


def rejected(address: str) -> list[tuple[str, str]]:
    store = ParquetFolder(address).store
    tables = [ParquetFolder(address).rejects_of(n) for n, _ in store.list("_headrace/rejects")]
    return sorted((r["key"], r["message"]) for t in tables for r in t.to_pylist())


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    """The parts of a local run that nothing has disturbed."""
    job().write_parquet(tmp_path / "undisturbed", **OPTIONS)
    return parts(str(tmp_path / "undisturbed"))


def test_run_writes_the_rows_of_a_local_one(address: str, undisturbed: Any) -> None:
    report = job().write_parquet(address, **OPTIONS)
    assert parts(address) == undisturbed
    assert len(undisturbed) == 7
    assert rejected(address) == [("7", "no seven")]
    assert (report.out, report.rows_out, report.rows_rejected) == (address, ROWS - 1, 1)
    assert json.loads(ParquetFolder(address).read_state("report.json") or "")["rows_in"] == ROWS
    assert state(address) == {"job.json", "plan.toml", "report.json"}


def test_finished_output_is_left_as_it_is(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = job().write_parquet(address, **OPTIONS)

    def forbidden(*_: object) -> None:
        raise AssertionError("a finished output was written to")

    monkeypatch.setattr(ParquetFolder, "publish", forbidden)
    monkeypatch.setattr(ParquetFolder, "write_state", forbidden)
    assert job().write_parquet(address, **OPTIONS) == first


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import test_runs_into_stores as runs
from headrace.sinks.parquet import ParquetFolder
publish = ParquetFolder.publish
def killing(self, partition, *rest):
    if partition.number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return publish(self, partition, *rest)
ParquetFolder.publish = killing
runs.job().write_parquet(sys.argv[1], **runs.OPTIONS)
"""


def test_run_that_was_killed_goes_on_where_it_was(
    address: str, undisturbed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, address, str(Path(__file__).parent)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(parts(address)) == 3
    published: list[int] = []
    publish = ParquetFolder.publish

    def counting(self: ParquetFolder, partition: Any, *rest: Any) -> Any:
        published.append(partition.number)
        return publish(self, partition, *rest)

    monkeypatch.setattr(ParquetFolder, "publish", counting)
    report = job().write_parquet(address, **OPTIONS)
    assert published == [3, 4, 5, 6]
    assert parts(address) == undisturbed
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (ROWS, ROWS - 1, 1)
    assert rejected(address) == [("7", "no seven")]
    assert "lease.json" not in state(address)


def test_overwrite_starts_anew(address: str) -> None:
    job().write_parquet(address, **OPTIONS)
    report = job().limit(3).write_parquet(address, overwrite=True, **OPTIONS)
    assert report.rows_out == 3
    assert list(parts(address)) == ["part-00000000.parquet"]
    assert rejected(address) == []


def test_another_job_is_refused(address: str) -> None:
    job().write_parquet(address, **OPTIONS)
    with pytest.raises(hr.JobChanged):
        job().limit(3).write_parquet(address, **OPTIONS)


def test_run_whose_lease_is_taken_stops_and_leaves_the_rest_to_the_other(
    bucket: Any, undisturbed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, publish = "s3://outputs/out", ParquetFolder.publish

    def losing(self: ParquetFolder, partition: Any, *rest: Any) -> Any:
        if partition.number == 2:
            self.store.delete(locks.LEASE)
            assert isinstance(self._lock, locks.Lease)
            self._lock.renew()
        return publish(self, partition, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ParquetFolder, "publish", losing)
        with pytest.raises(hr.WriteFailed, match="another run has taken it"):
            job().write_parquet(address, **OPTIONS)
    assert len(parts(address)) == 2
    job().write_parquet(address, **OPTIONS)
    assert parts(address) == undisturbed


def test_two_runs_into_one_output_at_once_are_one(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.0)
    publish, refused = ParquetFolder.publish, []

    def meeting(self: ParquetFolder, partition: Any, *rest: Any) -> Any:
        if not refused:
            with pytest.raises(hr.BadOutput, match="another run is writing there"):
                job().write_parquet(address, **OPTIONS)
            refused.append(True)
        return publish(self, partition, *rest)

    monkeypatch.setattr(ParquetFolder, "publish", meeting)
    assert job().write_parquet(address, **OPTIONS).rows_out == ROWS - 1
    assert refused == [True]


def test_plan_of_a_run_is_shown_from_there(address: str) -> None:
    job().write_parquet(address, **OPTIONS)
    assert job().plan(address).partition_rows.value == 4
    assert job().plan(f"{address}/nowhere").partition_rows.open


def test_command_writes_there_and_says_when_it_is_finished(address: str, photo_folder: Path, tmp_path: Path) -> None:
    options = [str(photo_folder), "--model", str(demo.MODEL), "--out", address, "--precision", "fp32"]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "headrace", "run", *options]
    for _ in range(2):
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert f"{address} is finished: 5 rows" in ran.stdout
    assert f"report: {address}/_headrace/report.json" in ran.stdout
    assert sum(map(len, parts(address).values())) == 5


def test_second_command_is_refused_with_exit_2(address: str, photo_folder: Path) -> None:
    options = [str(photo_folder), "--model", str(demo.MODEL), "--out", address]
    with ParquetFolder(address).lock():
        command = [sys.executable, "-m", "headrace", "run", *options]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 2
    assert f"another run is writing there (process {os.getpid()} on " in " ".join(ran.stderr.split())


def noise(batch: dict[str, Any]) -> dict[str, Any]:
    """Some 20 KB a row, which do not compress."""
    return {"noise": [random.Random(int(n)).randbytes(20_000) for n in batch["n"]]}


def test_run_that_a_full_disk_stops_goes_on_when_there_is_room(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(tiny)], check=True)

    resize(10 << 20)
    noisy = hr.from_items([{"n": n} for n in range(ROWS)]).map_batches(noise)
    noisy.write_parquet(tmp_path / "undisturbed", **OPTIONS)
    publish = ParquetFolder.publish

    def failing(self: ParquetFolder, partition: Any, *rest: Any) -> Any:
        if partition.number == 2:
            resize(shutil.disk_usage(tiny).used + 40_000)  # half of what it needs
        return publish(self, partition, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ParquetFolder, "publish", failing)
        with pytest.raises(hr.WriteFailed, match="No space left on device; make room"):
            noisy.write_parquet(tiny / "out", **OPTIONS)
    resize(10 << 20)
    out = str(tiny / "out")
    assert len(parts(out)) == 2
    assert sorted(p.name for p in tiny.glob("out/*")) == ["_headrace", "part-00000000.parquet", "part-00000001.parquet"]
    noisy.write_parquet(out, **OPTIONS)
    assert parts(out) == parts(str(tmp_path / "undisturbed"))
    assert state(out) == {"job.json", "plan.toml", "report.json"}
