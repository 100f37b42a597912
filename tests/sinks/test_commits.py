"""What is committed is told by the footers; a cache of them spares a resume from opening every part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace.core.batch import Reject
from headrace.core.errors import BadOutput
from headrace.core.partition import Account, Partition
from headrace.sinks import commits
from headrace.sinks.commits import CommitCache
from headrace.sinks.footers import part_name
from headrace.sinks.parquet import ParquetFolder

REJECT = Reject("c", 2, "decode", "E", "why", None)


@pytest.fixture
def folder(address: str) -> ParquetFolder:
    """A folder whose job was begun."""
    folder = ParquetFolder(address, "the job")
    folder.begin({})
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The partitions whose footers were read."""
    seen: list[int] = []
    footer = ParquetFolder.footer

    def counting(self: ParquetFolder, number: int) -> Any:
        seen.append(number)
        return footer(self, number)

    monkeypatch.setattr(ParquetFolder, "footer", counting)
    return seen


def put(folder: ParquetFolder, *numbers: int, rejects: tuple[Reject, ...] = ()) -> None:
    for number in numbers:
        account = Account(rows_in=1 + number % 3 + len(rejects), rows_out=1 + number % 3, rows_rejected=len(rejects))
        columns = {"x": np.full(account.rows_out, number)}
        folder.publish(Partition(number, 10 * number, 10 * number + account.rows_in), columns, account, rejects)


def resumed(folder: ParquetFolder) -> tuple[list[int], Account]:
    """What a new session finds."""
    again = ParquetFolder(folder.root, "the job")
    with again.lock():
        found = again.committed()
    return found.numbers.tolist(), found.total()


def unfinished(folder: ParquetFolder) -> ParquetFolder:
    """A session that nothing tells to write what its cache has not written yet."""
    return ParquetFolder(folder.root, "the job")


def cached(folder: ParquetFolder) -> list[str]:
    return sorted(name for name, _ in folder.store.list(commits.FOLDER))


def test_resume_of_a_session_that_ended_opens_no_part(folder: ParquetFolder, opened: list[int]) -> None:
    with folder.lock():
        put(folder, 0, 2)
        put(folder, 5, rejects=(REJECT,))
    for _ in range(2):
        assert resumed(folder) == ([0, 2, 5], Account(rows_in=8, rows_out=7, rows_rejected=1))
    assert opened == []
    assert ParquetFolder(folder.root, "the job").committed().numbers.tolist() == [0, 2, 5]


def test_resume_of_a_session_that_was_killed_opens_its_last_parts_once(
    folder: ParquetFolder, opened: list[int]
) -> None:
    with folder.lock():
        put(folder, 0, 1)
    put(unfinished(folder), 2, 3)
    for _ in range(2):
        assert resumed(folder)[0] == [0, 1, 2, 3]
    assert sorted(opened) == [2, 3]


def test_cache_is_written_as_it_grows(
    folder: ParquetFolder, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "_UNWRITTEN", 2)
    monkeypatch.setattr(commits, "_LINES", 4)
    put(folder, *range(11))
    assert len(cached(folder)) == 3
    assert resumed(folder)[0] == list(range(11))
    assert opened == [10]


def test_cache_is_written_in_time(folder: ParquetFolder, opened: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "_UNWRITTEN_S", 0.0)
    put(folder, 0, 1)
    assert resumed(folder)[0] == [0, 1]
    assert opened == []


@pytest.mark.parametrize("damage", ["gone", "broken", "cut", "flipped", "other columns"])
def test_cache_that_cannot_be_trusted_is_made_anew(folder: ParquetFolder, opened: list[int], damage: str) -> None:
    with folder.lock():
        put(folder, 0, 1)
        put(folder, 2, rejects=(REJECT,))
    whole = resumed(folder)
    (name,) = cached(folder)
    where = f"{commits.FOLDER}/{name}"
    data = folder.store.read(where)
    if damage == "gone":
        folder.store.delete(where)
    elif damage == "other columns":
        folder.store.replace(where, folder.store.read(part_name(0)))
    else:
        bad = {"broken": b"no Parquet", "cut": data[: len(data) // 2], "flipped": data[:40] + b"?" + data[41:]}
        folder.store.replace(where, bad[damage])
    assert resumed(folder) == whole
    assert sorted(opened) == [0, 1, 2]
    assert resumed(folder) == whole
    assert len(opened) == 3
    assert len(cached(folder)) == 1
    assert name not in cached(folder)


def test_part_that_was_removed_or_replaced_is_not_taken_from_the_cache(
    folder: ParquetFolder, opened: list[int]
) -> None:
    with folder.lock():
        put(folder, 0, 1, 2)
    folder.store.delete(part_name(0), part_name(1))
    put(unfinished(folder), 1, rejects=(REJECT,))
    assert resumed(folder) == ([1, 2], Account(rows_in=6, rows_out=5, rows_rejected=1))
    assert opened == [1]


def test_cache_of_another_job_is_not_believed(folder: ParquetFolder) -> None:
    with folder.lock():
        put(folder, 0)
    with pytest.raises(BadOutput, match="belongs to another job"):
        ParquetFolder(folder.root, "another").committed()


def test_many_short_files_are_put_together(
    folder: ParquetFolder, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "_SHORT", 3)
    monkeypatch.setattr(commits, "_LINES", 4)
    for number in range(6):
        again = ParquetFolder(folder.root, "the job")
        with again.lock():
            put(again, number)
    folder.store.delete(part_name(3))
    assert len(cached(folder)) == 6
    for _ in range(2):
        assert resumed(folder)[0] == [0, 1, 2, 4, 5]
        assert len(cached(folder)) == 2
    assert opened == []


def test_cache_that_cannot_be_written_stops_nobody(folder: ParquetFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = type(folder.store).replace

    def full(self: Any, name: str, data: bytes) -> None:
        if name.startswith(commits.FOLDER):
            raise OSError(28, "No space left on device")
        replace(self, name, data)

    monkeypatch.setattr(type(folder.store), "replace", full)
    monkeypatch.setattr(commits, "_UNWRITTEN", 1)
    with folder.lock():
        put(folder, 0, 1)
    assert resumed(folder)[0] == [0, 1]
    assert cached(folder) == []


def test_rejects_that_no_part_names_are_removed_by_the_next_session(folder: ParquetFolder) -> None:
    with folder.lock():
        put(folder, 0, rejects=(REJECT,))
    put(unfinished(folder), 1, rejects=(REJECT,))
    named = {name for name, _ in folder.store.list("_headrace/rejects")}
    early = "part-00000007-0123456789ab.parquet"
    for name in ("part-00000000-0123456789ab.parquet", early):
        folder.store.create(f"_headrace/rejects/{name}", b"of an attempt that died")
    ParquetFolder(folder.root, "the job").committed()  # without the lock it may be another run's, which is not done
    assert len(list(folder.store.list("_headrace/rejects"))) == 4
    resumed(folder)
    left = {name for name, _ in folder.store.list("_headrace/rejects")}
    assert left == named | {early}  # a writer that outlives its run may yet name it
    put(unfinished(folder), 7)
    resumed(folder)
    assert {name for name, _ in folder.store.list("_headrace/rejects")} == named


def made_anew(folder: ParquetFolder, number: int) -> None:
    """Publishes a part that was deleted by hand: of the same size, with rejects of its own."""
    (before,) = [size for name, size in folder.store.list("") if name == part_name(number)]
    folder.store.delete(part_name(number))
    put(folder, number, rejects=(REJECT,))
    assert [size for name, size in folder.store.list("") if name == part_name(number)] == [before]


@pytest.mark.parametrize("sessions", [("a", "b"), ("b", "a")])
def test_part_made_anew_keeps_its_rejects_whichever_line_of_the_cache_comes_last(
    folder: ParquetFolder, opened: list[int], sessions: tuple[str, str]
) -> None:
    old, new = unfinished(folder), unfinished(folder)
    old._cache._session, new._cache._session = sessions
    put(old, 0, rejects=(REJECT,))
    old._cache.flush()
    made_anew(new, 0)
    new._cache.flush()
    for _ in range(3):
        assert resumed(folder) == ([0], Account(rows_in=2, rows_out=1, rows_rejected=1))
        assert folder.rejects(0).column("key").to_pylist() == ["c"]
    assert len(opened) == 1 + 3  # one by a resume, which mends the cache; the others are the lines above
    assert len(list(folder.store.list("_headrace/rejects"))) == 1


def test_part_made_anew_keeps_its_rejects_when_its_session_was_killed(folder: ParquetFolder, opened: list[int]) -> None:
    put(folder, 0, rejects=(REJECT,))
    folder._cache.flush()
    made_anew(unfinished(folder), 0)
    for _ in range(2):
        resumed(folder)
        assert folder.rejects(0).column("key").to_pylist() == ["c"]
    assert len(list(folder.store.list("_headrace/rejects"))) == 1


def test_lines_of_parts_that_are_gone_are_dropped(folder: ParquetFolder) -> None:
    with folder.lock():
        put(folder, 0, 1, 2)
    folder.store.delete(part_name(1))
    assert folder.committed().numbers.tolist() == [0, 2]
    assert folder.logged().tolist() == [0, 1, 2]  # without the lock nothing is mended
    assert resumed(folder)[0] == [0, 2]
    assert folder.logged().tolist() == [0, 2]
    folder.store.delete(part_name(0), part_name(2))
    assert resumed(folder)[0] == []
    assert cached(folder) == []


def test_commits_of_an_empty_folder_are_none(address: str) -> None:
    assert resumed(ParquetFolder(address)) == ([], Account())
    assert len(CommitCache(ParquetFolder(address).store).numbers("the job")) == 0
