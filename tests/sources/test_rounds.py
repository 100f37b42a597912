"""Listings made of listings read as the rows that they stand for."""

import gc
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.contracts import Listing
from headrace.core.partition import Commits, Round, Todo
from headrace.sources.items import Items
from headrace.sources.local import LocalFolder
from headrace.sources.parquet import ParquetFiles
from headrace.sources.rounds import JoinedListing, SelectedListing


def items(*values: int) -> Listing:
    return Items([{"n": v} for v in values]).list()


def read(listing: Listing, start: int, stop: int, size: int) -> list[int]:
    found = []
    for one in listing.reads(start, stop, size):
        rows = one.load()
        assert len(rows.keys) == one.rows <= size
        found += rows.columns["n"].tolist()
    return found


@given(values=st.lists(st.integers(0, 10**6), min_size=1, max_size=30), size=st.integers(1, 9), data=st.data())
def test_selected_rows_are_read_in_their_order(values: list[int], size: int, data: st.DataObject) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(values) - 1), min_size=1)))
    selected = SelectedListing(items(*values), np.array(chosen, np.int64))
    assert selected.rows == len(chosen)
    assert read(selected, 0, len(chosen), size) == [values[i] for i in chosen]
    start = data.draw(st.integers(0, len(chosen) - 1))
    assert read(selected, start, len(chosen), size) == [values[i] for i in chosen[start:]]
    assert read(selected.head(2), 0, min(2, len(chosen)), size) == [values[i] for i in chosen[:2]]


@given(parts=st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=8), min_size=1, max_size=4), data=st.data())
def test_joined_listings_are_one_behind_the_other(parts: list[list[int]], data: st.DataObject) -> None:
    joined = JoinedListing([items(*p) for p in parts])
    starts = [0, *accumulate(len(p) for p in parts)]
    assert joined.rows == starts[-1]
    assert [n for a, p in zip(starts, parts, strict=False) for n in read(joined, a, a + len(p), 3)] == list(
        chain(*parts)
    )
    rows = SelectedListing(joined, np.array([0, joined.rows - 1], np.int64)) if joined.rows > 1 else None
    if rows is not None:
        assert read(rows, 0, 2, 2) == [parts[0][0], parts[-1][-1]]
    fewer = joined.head(data.draw(st.integers(1, joined.rows)))
    assert (fewer.digest() == joined.digest()) == (fewer.rows == joined.rows)
    assert [n for i in range(fewer.rows) for n in read(fewer, i, i + 1, 1)] == [*chain(*parts)][: fewer.rows]


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    partition_rows=st.integers(1, 9),
    done=st.sets(st.integers(0, 60)),
)
def test_rounds_cover_every_row_once(sizes: list[int], partition_rows: int, done: set[int]) -> None:
    rounds = [Round("input", 0, sizes[0], 0, partition_rows)]
    for size in sizes[1:]:
        rounds.append(rounds[-1].next("added", size))
    from headrace.core.partition import Account

    commits = Commits.of({n: Account() for n in done if n < rounds[-1].stop})
    everything = list(Todo(tuple(rounds), Commits.of({})))
    assert [p.number for p in everything] == list(range(rounds[-1].stop))
    assert [p.start for p in everything] == [0, *[p.stop for p in everything[:-1]]]
    assert everything[-1].stop == sum(sizes)
    left = Todo(tuple(rounds), commits)
    assert [p.number for p in left] == [p.number for p in everything if p.number not in done]
    assert left.rows == sum(p.rows for p in left)
    assert bool(left) == any(True for _ in left)


@given(sizes=st.lists(st.integers(1, 8), min_size=1, max_size=4), size=st.integers(1, 9), data=st.data())
def test_rows_across_listings_are_read_in_order(sizes: list[int], size: int, data: st.DataObject) -> None:
    values = [*range(sum(sizes))]
    starts = accumulate(sizes, initial=0)
    joined = JoinedListing([items(*values[a : a + n]) for a, n in zip(starts, sizes, strict=False)])
    start = data.draw(st.integers(0, joined.rows))
    stop = data.draw(st.integers(start, joined.rows))
    assert read(joined, start, stop, size) == values[start:stop]


GROUP = 8


@pytest.fixture
def parquet(tmp_path: Path) -> Listing:
    """40 numbers in row groups of 8."""
    pq.write_table(pa.table({"n": range(40)}), tmp_path / "a.parquet", row_group_size=GROUP)
    return ParquetFiles(tmp_path / "a.parquet").list()


@pytest.fixture
def held(parquet: Listing, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each time that a row group is read: the tables in memory before it."""
    found: list[int] = []
    opened = LocalFolder.open

    def counting(self: LocalFolder, path: str) -> Any:
        gc.collect()
        found.append(
            sum(1 for one in gc.get_objects() if type(one).__name__ == "_LoadedGroup" and one._table is not None)
        )
        return opened(self, path)

    monkeypatch.setattr(LocalFolder, "open", counting)
    return found


@pytest.mark.parametrize("size", [1, 3, 40])
def test_scattered_rows_of_a_row_group_share_its_loading(parquet: Listing, held: list[int], size: int) -> None:
    rows = [*range(0, 40, 3)]
    selected = SelectedListing(JoinedListing([parquet]), np.array(rows, np.int64))
    assert read(selected, 0, len(rows), size) == rows
    assert len(held) == 40 // GROUP
    assert max(held) <= 1  # with the one that is read then: two


def test_rows_asked_for_one_by_one_share_the_loading_of_two_groups(parquet: Listing, held: list[int]) -> None:
    for row in (1, 17, 2, 18, 3, 19, 33, 34, 20):
        (one,) = parquet.reads(row, row + 1, 1)
        assert one.load().columns["n"].tolist() == [row]
    assert len(held) == 3
    assert max(held) <= 1  # with the one that is read then: two


def test_rounds_of_one_source_share_what_is_kept(parquet: Listing, held: list[int], tmp_path: Path) -> None:
    for name in "bcd":
        pq.write_table(pa.table({"n": range(8)}), tmp_path / f"{name}.parquet")
    listing = ParquetFiles(tmp_path).list()
    parts = [listing.only([key]) for key, *_ in listing.files()]
    joined = JoinedListing(parts)
    held.clear()
    rows = np.array([0, 40, 42, 48, 50, 56, 58], np.int64)
    assert read(SelectedListing(joined, rows), 0, 7, 2) == [0, 0, 2, 0, 2, 0, 2]
    assert len(held) == 4
    assert max(held) <= 1  # with the one that is read then: two


def test_read_group_is_let_go_after_its_last_row(parquet: Listing, held: list[int]) -> None:
    for one in parquet.reads(0, 40, 4):
        one.load()
    assert len(held) == 40 // GROUP
    assert max(held) <= 1


def test_joined_listing_keeps_the_parts_it_was_made_of() -> None:
    parts = [items(1, 2)]
    joined = JoinedListing(parts)
    parts.append(items(3))
    assert joined.rows == sum(read.rows for read in joined.reads(0, 9, 9)) == 2
