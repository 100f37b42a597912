"""A part appears whole or not at all, once, with its rejects; what fails is told and leaves nothing behind."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.batch import Reject
from headrace.core.errors import BadOutput, WriteFailed
from headrace.core.partition import Account, Commits, Partition
from headrace.sinks.footers import encode, intact, part_name, part_number
from headrace.sinks.locks import LEASE, LOCK, Lease
from headrace.sinks.parquet import JOB_SCHEMA, ParquetFolder

PARTITION = Partition(3, 30, 40)
PART = "part-00000003.parquet"
REJECT = Reject("c", 2, "decode", "E", "why", b"\xff")


@pytest.fixture
def folder(address: str) -> ParquetFolder:
    return ParquetFolder(address, "the job")


def columns(value: int) -> dict[str, Any]:
    return {"path": np.array(["a", "b"], dtype=object), "x": np.full(2, value)}


def put(folder: ParquetFolder, value: int, rejects: tuple[Reject, ...] = (), at: Partition = PARTITION) -> Account:
    account = Account(rows_in=2 + len(rejects), rows_out=2, rows_rejected=len(rejects))
    return folder.publish(at, columns(value), account, rejects)


def table(folder: ParquetFolder, name: str) -> pa.Table:
    return pq.ParquetFile(pa.BufferReader(folder.store.read(name))).read()


def files(folder: ParquetFolder) -> list[str]:
    below = ("", "_headrace", "_headrace/tmp", "_headrace/rejects")
    return sorted(f"{b}/{n}".lstrip("/") for b in below for n, _ in folder.store.list(b))


def accounts(commits: Commits) -> dict[int, Account]:
    return {int(n): Account(*map(int, a)) for n, a in zip(commits.numbers, commits.accounts, strict=True)}


def test_second_of_two_discards_its_work_and_gets_the_firsts_account(folder: ParquetFolder) -> None:
    first = put(folder, 1, (REJECT,))
    assert put(folder, 2) == first
    assert put(folder, 2, (REJECT,)) == first
    assert table(folder, PART)["x"].to_pylist() == [1, 1]
    assert len(list(folder.store.list("_headrace/rejects"))) == 1


@pytest.mark.parametrize("call", ["link", "fsync", "write"])
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.ENOSPC, "No space left on device; make room"),
        (errno.EDQUOT, "Disk quota exceeded; make room within your quota"),
        (errno.EROFS, "Read-only file system; make it writable"),
        (errno.EIO, "Input/output error; mend it"),
    ],
)
def test_full_or_broken_disk_is_told_and_leaves_nothing(
    call: str, code: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ParquetFolder(tmp_path, "the job")
    folder.check()

    def failing(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        if call == "write":
            patch.setattr("headrace.sinks.stores.write_synced", failing)
        else:
            patch.setattr(os, call, failing)
        with pytest.raises(WriteFailed, match=rf"{PART}: {told}.*, and run the same command again: it goes on"):
            put(folder, 1, (REJECT,))
        if call != "link":
            with pytest.raises(WriteFailed, match=rf"plan\.toml: {told}"):
                folder.write_state("plan.toml", "x")
    assert files(folder) == []
    assert put(folder, 2).rows_out == 2


def test_disk_that_fills_between_rejects_and_part_leaves_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, link = ParquetFolder(tmp_path, "the job"), os.link

    def failing(source: Path, target: Path) -> None:
        if target.name == PART:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        link(source, target)

    monkeypatch.setattr(os, "link", failing)
    with pytest.raises(WriteFailed, match="No space left"):
        put(folder, 1, (REJECT,))
    assert files(folder) == []


def test_part_whose_name_may_not_outlive_a_power_cut_keeps_its_rejects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ParquetFolder(tmp_path, "the job")
    folder.begin({})

    def broken(synced: Path) -> None:
        if (synced / PART).exists():
            raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("headrace.sinks.stores.sync_folder", broken)
        with pytest.raises(WriteFailed, match="Input/output error; mend it"):
            put(folder, 1, (REJECT,))
    with folder.lock():
        assert accounts(folder.committed()) == {3: Account(rows_in=3, rows_out=2, rows_rejected=1)}
        assert folder.rejects(3).column("key").to_pylist() == ["c"]


def test_rejects_outlive_a_part_of_which_nobody_knows_whether_it_is_there(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ParquetFolder("s3://outputs/out", "the job")
    folder.begin({})
    create = type(folder.store).create

    def unanswered(self: Any, name: str, data: bytes) -> bool:
        created = create(self, name, data)
        if name == PART:
            raise OSError(5, "127.0.0.1 cannot be reached: ReadTimeoutError")
        return created

    with monkeypatch.context() as patch:
        patch.setattr(type(folder.store), "create", unanswered)
        with pytest.raises(WriteFailed, match="ReadTimeoutError; mend it"):
            put(folder, 1, (REJECT,))
    with folder.lock():
        assert accounts(folder.committed()) == {3: Account(rows_in=3, rows_out=2, rows_rejected=1)}
        assert folder.rejects(3).column("key").to_pylist() == ["c"]


@pytest.mark.parametrize("first", ["sleeper", "other"])
def test_run_that_slept_through_its_lease_in_a_publish_loses_no_rejects(
    first: str, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper, other = ParquetFolder("s3://outputs/out", "the job"), ParquetFolder("s3://outputs/out", "the job")
    sleeper.begin({})
    create = type(sleeper.store).create

    def late(name: str, data: bytes) -> bool:
        if name == PART:  # its request is under way when the other resumes
            with other.lock():
                assert len(other.committed()) == 0
                if first == "other":
                    put(other, 2, (REJECT,))
        return create(sleeper.store, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(sleeper.store, "create", late)
        put(sleeper, 1, (REJECT,))
    for _ in range(2):
        with other.lock():
            assert accounts(other.committed()) == {3: Account(rows_in=3, rows_out=2, rows_rejected=1)}
        assert other.rejects(3).column("key").to_pylist() == ["c"]
    assert table(other, PART)["x"].to_pylist() == [1 if first == "sleeper" else 2] * 2
    assert len(list(other.store.list("_headrace/rejects"))) == 1


def test_lock_that_is_lost_while_rejects_are_written_stops_the_part(
    folder: ParquetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = type(folder.store).create

    def losing(self: Any, name: str, data: bytes) -> bool:
        created = create(self, name, data)
        if name.startswith("_headrace/rejects/"):
            self.delete(LOCK, LEASE)
            if isinstance(folder._lock, Lease):
                assert not folder._lock.renew()
        return created

    monkeypatch.setattr(type(folder.store), "create", losing)
    with folder.lock(), pytest.raises(WriteFailed, match="does not hold the output any more"):
        put(folder, 1, (REJECT,))
    assert PART not in files(folder)
    assert list(folder.store.list("_headrace/rejects")) == []


def test_footer_tells_partition_account_rejects_and_job(folder: ParquetFolder) -> None:
    put(folder, 1, (REJECT,))
    footer = json.loads(pq.read_metadata(pa.BufferReader(folder.store.read(PART))).metadata[b"headrace"])
    assert footer["partition"] == {"number": 3, "start": 30, "stop": 40, "retried": False}
    assert footer["account"] == {"rows_in": 3, "rows_out": 2, "rows_rejected": 1, "rows_dropped": 0, "rows_added": 0}
    assert footer["fingerprint"] == "the job"
    assert footer["attempt"] in footer["rejects"]
    (reject,) = folder.rejects_of(footer["rejects"]).to_pylist()
    assert reject == {
        "key": "c",
        "row": 2,
        "stage": "decode",
        "error_type": "E",
        "message": "why",
        "original": b"\xff",
    }
    assert accounts(folder.committed()) == {3: Account(rows_in=3, rows_out=2, rows_rejected=1)}


@settings(deadline=None)
@given(st.lists(st.integers(), max_size=20), st.data())
def test_file_that_was_changed_anywhere_is_not_intact(values: list[int], data: st.DataObject) -> None:
    whole, digest = encode(pa.table({"x": pa.array([str(v) for v in values], pa.string())}))
    assert intact(whole)
    assert digest.encode() in whole
    at = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    assert not intact(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
    assert not intact(whole[:at])


@given(st.integers(0, 10**12))
def test_part_name_leads_back_to_its_number(number: int) -> None:
    assert part_number(part_name(number)) == number


@pytest.mark.parametrize("name", ["part-1.parquet", "part-000000001.parquet", "part-00000001.parquet.tmp", "x"])
def test_other_names_are_no_parts(name: str) -> None:
    assert part_number(name) is None


def test_parts_of_others_are_refused(folder: ParquetFolder) -> None:
    put(folder, 1)
    with pytest.raises(BadOutput, match="belongs to another job"):
        ParquetFolder(folder.root, "another").committed()
    folder.store.create("part-00000005.parquet", folder.store.read(PART))
    with pytest.raises(BadOutput, match=r"part-00000005\.parquet: belongs to another job"):
        folder.committed()
    folder.store.delete("part-00000005.parquet")
    for foreign in (encode(table(folder, PART).replace_schema_metadata({}))[0], b"PAR1 no Parquet PAR1", b""):
        folder.store.replace("part-00000004.parquet", foreign)
        with pytest.raises(BadOutput, match="is no part that headrace wrote"):
            folder.committed()


def test_folder_with_foreign_parquet_is_refused(folder: ParquetFolder) -> None:
    folder.store.create("x.parquet", b"")
    with pytest.raises(BadOutput, match="holds Parquet files that headrace did not write"):
        folder.check()
    assert files(folder) == ["x.parquet"]


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/headrace"])
def test_folder_that_cannot_be_written_is_refused(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(BadOutput, match="cannot be written"):
        ParquetFolder(where if where[0] == "/" else tmp_path / where).check()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_checking_a_folder_leaves_no_trace(tmp_path: Path) -> None:
    ParquetFolder(tmp_path / "new/deep").check()
    (tmp_path / "empty").mkdir()
    ParquetFolder(tmp_path / "empty").check()
    assert [p.name for p in tmp_path.rglob("*")] == ["empty"]


def test_clearing_takes_only_what_headrace_wrote(folder: ParquetFolder) -> None:
    with folder.lock():
        folder.begin({"of": "another time"})
        put(folder, 1, (REJECT,))
        folder.store.create("notes.txt", b"mine")
        folder.clear()
        assert [n for n in files(folder) if n not in ("_headrace/lock", "_headrace/lease.json")] == ["notes.txt"]
        folder.begin({})
        assert put(folder, 2).rows_out == 2
    assert files(folder) == ["_headrace/job.json", "notes.txt", PART]


def test_job_is_recorded_once_and_replaced_whole(folder: ParquetFolder) -> None:
    assert folder.read_job() is None
    folder.begin({"rows": 1})
    with pytest.raises(BadOutput, match="another run has begun there meanwhile"):
        folder.begin({"rows": 2})
    folder.replace_job({"rows": 3})
    assert folder.read_job() == {"schema_version": JOB_SCHEMA, "rows": 3}
    for broken, told in (("{", "is not readable"), ("[]", f"is no record of schema {JOB_SCHEMA}")):
        folder.write_state("job.json", broken)
        with pytest.raises(BadOutput, match=told):
            folder.read_job()


def test_state_tables_and_report_are_read_as_they_were_written(folder: ParquetFolder) -> None:
    assert folder.read_state("plan.toml") is None
    folder.write_state("plan.toml", "x = 1")
    assert folder.read_state("plan.toml") == "x = 1"
    assert folder.read_report() is None
    kept = pa.table({"key": ["a", "b"], "size": [1, 2]})
    folder.write_table("rounds/0000.parquet", kept)
    assert folder.read_table("rounds/0000.parquet").equals(kept)
    with pytest.raises(BadOutput, match=r"rounds/0001\.parquet: is not readable"):
        folder.read_table("rounds/0001.parquet")
    folder.store.replace("_headrace/plan.toml", b"\xff")
    with pytest.raises(BadOutput, match=r"plan\.toml: is not readable"):
        folder.read_state("plan.toml")


def test_all_parts_have_the_types_of_the_first_with_rows(folder: ParquetFolder) -> None:
    empty = {"path": np.empty(0, dtype=object), "x": np.empty(0, np.float64)}
    folder.publish(Partition(0, 0, 1), empty, Account(rows_in=1, rows_dropped=1), ())
    put(folder, 1, at=Partition(1, 1, 3))
    again = ParquetFolder(folder.root, "the job")
    again.committed()
    again.publish(Partition(2, 3, 4), empty, Account(rows_in=1, rows_dropped=1), ())
    halves = {"path": np.array(["a", "b"], dtype=object), "x": np.array([1.0, 2.0])}
    again.publish(PARTITION, halves, Account(rows_in=2, rows_out=2), ())
    kinds = [str(table(folder, part_name(n)).schema.field("x").type) for n in range(4)]
    assert kinds == ["double", "int64", "int64", "int64"]


def test_types_are_found_without_opening_a_part(folder: ParquetFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        put(folder, 1, at=Partition(number, 2 * number, 2 * number + 2))
    again = ParquetFolder(folder.root, "the job")
    again.committed()
    opened: list[str] = []
    open_file = type(folder.store).open

    def counting(self: Any, name: str) -> Any:
        opened.append(name)
        return open_file(self, name)

    monkeypatch.setattr(type(folder.store), "open", counting)
    put(again, 1, at=Partition(5, 10, 12))
    put(again, 1, at=Partition(6, 12, 14))
    assert opened == []
