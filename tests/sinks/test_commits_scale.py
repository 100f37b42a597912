"""A resume opens few files however many partitions are done: what 10^4 show holds for 10^6."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from headrace.core.partition import Account, Partition, Round, Todo
from headrace.sinks.commits import CommitCache
from headrace.sinks.footers import Footer, part_name
from headrace.sinks.parquet import ParquetFolder
from headrace.sinks.stores import LocalStore

MANY = 10_000
GAP = 7_777


class ManyParts(LocalStore):
    """A store with parts that need not be made; what is read of it is counted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads: list[str] = []

    def list(self, folder: str, stem: str = "") -> Iterator[tuple[str, int]]:
        if folder:
            return super().list(folder, stem)
        return ((part_name(n), 1000 + n) for n in reversed(range(MANY)) if n != GAP)

    def read(self, name: str) -> bytes:
        self.reads.append(name)
        return super().read(name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ParquetFolder:
    """A folder with many parts, all of them in the cache."""
    monkeypatch.setattr("headrace.sinks.commits._UNWRITTEN", 4096)
    store = ManyParts(tmp_path)
    cache = CommitCache(store)
    for number in range(MANY):
        account = Account(rows_in=10, rows_out=9, rows_rejected=1)
        footer = Footer(Partition(number, 10 * number, 10 * number + 10), "0" * 12, account, None, "the job", "f" * 64)
        cache.add(1000 + number, footer)
    cache.flush()
    folder = ParquetFolder(tmp_path, "the job")
    folder.store = store
    folder._cache = CommitCache(store)
    return folder


def test_resume_among_many_parts_reads_a_file_of_the_cache_for_4096_of_them(folder: ParquetFolder) -> None:
    committed = folder.committed()
    assert isinstance(folder.store, ManyParts)
    assert len(folder.store.reads) == 3
    assert len(committed) == MANY - 1
    assert committed.total() == Account(rows_in=99_990, rows_out=89_991, rows_rejected=9_999)
    assert committed.numbers.nbytes + committed.accounts.nbytes == 48 * len(committed)
    todo = Todo((Round("input", 0, 10 * MANY + 5, 0, 10),), committed)
    assert list(todo) == [Partition(GAP, 10 * GAP, 10 * GAP + 10), Partition(MANY, 10 * MANY, 10 * MANY + 5)]
    assert (todo.first.number, todo.rows, bool(todo)) == (GAP, 15, True)
    assert np.array_equal(committed.numbers, np.delete(np.arange(MANY), GAP))
