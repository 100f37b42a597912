"""The laws of a listing's files: cut into parts and read, they are the rows they were."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.contracts import Listing
from headrace.core.errors import BadInput
from headrace.sources.images import ImageFiles
from headrace.sources.items import Items
from headrace.sources.parquet import ParquetFiles
from headrace.sources.rounds import JoinedListing, SelectedListing

ROWS = (3, 0, 1, 5, 2, 4)


@pytest.fixture(scope="module")
def listings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Listing]:
    """Six files of either kind; one Parquet file is without rows."""
    folder = tmp_path_factory.mktemp("files")
    for number, rows in enumerate(ROWS):
        (folder / f"{number}.jpg").write_bytes(b"x" * rows)
        pq.write_table(pa.table({"n": range(rows)}), folder / f"{number}.parquet", row_group_size=2)
    files = {"images": ImageFiles(folder).list(), "parquet": ParquetFiles(folder).list()}
    return files | {f"head of {name}": listing.head(9) for name, listing in files.items()}


kinds = st.sampled_from(["images", "parquet", "head of images", "head of parquet"])


def rows(listing: Listing) -> list[str]:
    return [key for read in listing.reads(0, listing.rows, 4) for key in read.load().keys]


@given(name=kinds)
def test_all_files_are_the_listing(listings: dict[str, Listing], name: str) -> None:
    listing = listings[name]
    whole = listing.only([key for key, *_ in listing.files()])
    assert whole.digest() == listing.digest()
    assert rows(whole) == rows(listing)


@given(name=kinds, data=st.data())
def test_files_split_in_two_hold_each_row_once_and_in_order(
    listings: dict[str, Listing], name: str, data: st.DataObject
) -> None:
    listing = listings[name]
    keys = [key for key, *_ in listing.files()]
    mine = data.draw(st.sets(st.sampled_from(keys)))
    one, other = listing.only(mine), listing.only(set(keys) - mine)
    everything = rows(listing)
    assert len(rows(one)) == one.rows
    assert sorted(rows(one) + rows(other)) == sorted(everything)
    assert rows(one) == [key for key in everything if key.split("#")[0] in mine]
    assert [*one.files()] == [f for f in listing.files() if f[0] in mine]


@given(name=kinds, count=st.integers(0, 20))
def test_first_rows_come_from_the_first_files(listings: dict[str, Listing], name: str, count: int) -> None:
    listing = listings[name]
    head = listing.head(count)
    assert rows(head) == rows(listing)[:count]
    files = [*listing.files()]
    for (*cut, counts), (*whole, all_counts) in zip(head.files(), files, strict=False):
        assert (cut, counts) == (whole, all_counts[: len(counts)])
    assert {key.split("#")[0] for key in rows(head)} == {key for key, *_ in head.files()}


def test_files_are_named_with_their_sizes_and_rows(listings: dict[str, Listing]) -> None:
    images, parquet = ([*listings[name].files()] for name in ("images", "parquet"))
    assert [(size, rows) for _, size, rows in images] == [(size, (1,)) for size in ROWS]
    assert [Path(key).name for key, *_ in parquet] == [f"{i}.parquet" for i, count in enumerate(ROWS) if count]
    assert all(size == Path(key).stat().st_size for key, size, _ in parquet)
    assert [rows for *_, rows in parquet] == [(2, 1), (1,), (2, 2, 1), (2,), (2, 2)]


def test_row_group_that_a_limit_cuts_counts_whole(listings: dict[str, Listing]) -> None:
    assert [rows for *_, rows in listings["parquet"].head(5).files()] == [(2, 1), (1,), (2,)]
    assert [rows for *_, rows in listings["parquet"].head(2).files()] == [(2,)]
    assert [rows for *_, rows in listings["parquet"].head(1).files()] == [(2,)]


def test_only_rows_of_images_are_named_by_their_files(listings: dict[str, Listing]) -> None:
    for name, listing in (listings | {"items": Items([1]).list()}).items():
        derived = (JoinedListing([listing, listing]), SelectedListing(listing, np.array([0], np.int64)))
        assert [one.row_a_file for one in (listing, *derived)] == ["images" in name] * 3, name


def test_no_file_leaves_an_empty_listing(listings: dict[str, Listing]) -> None:
    for listing in listings.values():
        none = listing.only([])
        assert (none.rows, [*none.files()], [*none.reads(0, 0, 4)]) == (0, [], [])


def test_items_have_no_files() -> None:
    listing = Items([1, 2]).list()
    assert [*listing.files()] == []
    with pytest.raises(BadInput, match="from_items: items in memory have no files that new ones could be told by"):
        listing.only([])
