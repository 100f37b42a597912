"""A part appears whole or not at all, once, and a full disk leaves nothing behind."""

import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from headrace.core.batch import Reject
from headrace.core.errors import BadOutput, WriteFailed
from headrace.core.partition import Account, Partition
from headrace.sinks.parquet import ParquetFolder
from headrace.sinks.publish import publish, replace

PARTITION = Partition(3, 30, 40)


@pytest.fixture
def folder(tmp_path: Path) -> ParquetFolder:
    return ParquetFolder(tmp_path / "out", "the job")


def columns(value: int) -> dict[str, Any]:
    return {"path": np.array(["a", "b"], dtype=object), "x": np.full(2, value)}


def put(folder: ParquetFolder, value: int, rejects: tuple[Reject, ...] = ()) -> Account:
    account = Account(rows_in=2 + len(rejects), rows_out=2, rows_rejected=len(rejects))
    return folder.publish(PARTITION, columns(value), account, rejects)


def files(folder: ParquetFolder) -> list[str]:
    return sorted(str(p.relative_to(folder.root)) for p in folder.root.rglob("*") if p.is_file())


def test_second_of_two_discards_its_work_and_gets_the_firsts_account(folder: ParquetFolder) -> None:
    first = put(folder, 1, (Reject("c", "decode", "E", "why", b"\xff"),))
    assert put(folder, 2) == first
    assert put(folder, 2, (Reject("c", "decode", "E", "why", None),)) == first
    assert pq.read_table(folder.root / "part-00000003.parquet")["x"].to_pylist() == [1, 1]
    assert len(list((folder.state / "rejects").iterdir())) == 1


def test_of_many_at_once_exactly_one_wins(tmp_path: Path) -> None:
    staging = tmp_path / "tmp"
    staging.mkdir()
    barrier = threading.Barrier(8)

    def attempt(number: int) -> bool:
        barrier.wait(10)
        return publish(str(number).encode() * 1000, tmp_path / "part", staging)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(8)))
    assert won.count(True) == 1
    assert (tmp_path / "part").read_text() == str(won.index(True)) * 1000
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize("call", ["link", "fsync", "write"])
def test_full_disk_is_told_and_leaves_no_part(
    folder: ParquetFolder, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.check()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if call == "write":
            patch.setattr("headrace.sinks.publish.write_synced", full)
        else:
            patch.setattr(os, call, full)
        with pytest.raises(WriteFailed, match=r"part-00000003\.parquet: No space left on device; make room"):
            put(folder, 1, (Reject("c", "decode", "E", "why", None),))
        if call == "write":
            with pytest.raises(WriteFailed, match=r"plan\.toml: No space left"):
                folder.write_state("plan.toml", "x")
    assert [f for f in files(folder) if f.startswith(("part", "_headrace/tmp", "_headrace/rejects"))] == []
    assert put(folder, 2).rows_out == 2


def test_failed_replacement_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plan.toml").write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="Input/output"):
        replace(b"new", tmp_path / "plan.toml", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["plan.toml"]
    assert (tmp_path / "plan.toml").read_text() == "old"


def test_footer_tells_partition_account_rejects_and_job(folder: ParquetFolder) -> None:
    put(folder, 1, (Reject("c", "decode", "ValueError", "broken", b"bytes"),))
    footer = json.loads(pq.read_metadata(folder.root / "part-00000003.parquet").metadata[b"headrace"])
    assert footer["partition"] == {"number": 3, "start": 30, "stop": 40}
    assert footer["account"] == {"rows_in": 3, "rows_out": 2, "rows_rejected": 1, "rows_dropped": 0, "rows_added": 0}
    assert footer["fingerprint"] == "the job"
    assert footer["attempt"] in footer["rejects"]
    rejects = pq.read_table(folder.state / "rejects" / footer["rejects"]).to_pylist()
    assert rejects == [
        {"key": "c", "stage": "decode", "error_type": "ValueError", "message": "broken", "original": b"bytes"}
    ]
    assert folder.committed() == {3: Account(rows_in=3, rows_out=2, rows_rejected=1)}


def test_parts_of_others_are_refused(folder: ParquetFolder, tmp_path: Path) -> None:
    put(folder, 1)
    with pytest.raises(BadOutput, match="belongs to another job"):
        ParquetFolder(tmp_path / "out", "another").committed()
    (tmp_path / "foreign").mkdir()
    pq.write_table(pq.read_table(folder.root / "part-00000003.parquet"), tmp_path / "foreign/x.parquet")
    with pytest.raises(BadOutput, match="holds Parquet files that headrace did not write"):
        ParquetFolder(tmp_path / "foreign").check()
    pq.write_table(
        pq.read_table(tmp_path / "foreign/x.parquet").replace_schema_metadata({}), folder.root / "part-00000004.parquet"
    )
    with pytest.raises(BadOutput, match="is no part that headrace wrote"):
        folder.committed()


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/headrace", "s3://bucket/out"])
def test_folder_that_cannot_be_written_is_refused(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(BadOutput):
        ParquetFolder(where if where[0] in "/s" else tmp_path / where).check()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_checking_a_folder_leaves_no_trace(tmp_path: Path) -> None:
    ParquetFolder(tmp_path / "new/deep").check()
    (tmp_path / "empty").mkdir()
    ParquetFolder(tmp_path / "empty").check()
    assert [p.name for p in tmp_path.rglob("*")] == ["empty"]


def test_clearing_takes_only_what_headrace_wrote(folder: ParquetFolder) -> None:
    put(folder, 1)
    (folder.root / "notes.txt").write_text("mine")
    folder.clear()
    assert files(folder) == ["notes.txt"]
    assert put(folder, 2).rows_out == 2
