"""The law of reading: whatever the cut, reads laid end to end are the rows asked for, in order."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Rows
from headrace.core.contracts import Listing
from headrace.sources.images import ImageFiles
from headrace.sources.items import Items
from headrace.sources.parquet import ParquetFiles

COUNT = 37


@pytest.fixture(scope="module")
def listings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Listing]:
    """37 rows in every form; a row's photo is `photo <number>`."""
    folder = tmp_path_factory.mktemp("rows")
    photos = [b"photo %d" % i for i in range(COUNT)]
    for number, photo in enumerate(photos):
        (folder / f"{number:03d}.jpg").write_bytes(photo)
    table = pa.table({"n": range(COUNT), "image": photos, "word": [f"w{i}" for i in range(COUNT)]})
    for name, start, stop, group in (("a", 0, 10, 4), ("b", 10, 10, 5), ("c", 10, 30, 7), ("d", 30, COUNT, 100)):
        pq.write_table(table.slice(start, stop - start), folder / f"{name}.parquet", row_group_size=group)
    items = [{"n": i, "image": photo, "word": f"w{i}"} for i, photo in enumerate(photos)]
    return {
        "files": ImageFiles(folder).list(),
        "items": Items(items).list(),
        "parquet": ParquetFiles(folder).list(),
        "plain parquet": ParquetFiles(folder, columns=("n", "word"), key_column="word").list(),
    }


def cells(rows: Rows) -> list[Any]:
    return [] if rows.cells is None else rows.cells


@given(data=st.data(), name=st.sampled_from(["files", "items", "parquet", "plain parquet"]), size=st.integers(1, 50))
def test_reads_laid_end_to_end_are_the_rows(
    listings: dict[str, Listing], data: st.DataObject, name: str, size: int
) -> None:
    listing = listings[name]
    assert listing.rows == COUNT
    start = data.draw(st.integers(0, COUNT))
    stop = data.draw(st.integers(start, COUNT))
    (whole,) = (r.load() for r in listing.reads(0, COUNT, COUNT))
    reads = list(listing.reads(start, stop, size))
    order = data.draw(st.permutations(range(len(reads))))  # any thread may load any read, in any order
    loaded = {i: reads[i].load() for i in order}
    pieces = [loaded[i] for i in range(len(reads))]
    assert [r.rows for r in reads] == [len(p.keys) for p in pieces]
    assert all(r.rows == size for r in reads[:-1])
    assert [k for p in pieces for k in p.keys] == whole.keys[start:stop]
    assert [c for p in pieces for c in cells(p)] == cells(whole)[start:stop]
    for column, values in whole.columns.items():
        found = [p.columns[column] for p in pieces]
        assert np.array_equal(np.concatenate(found) if found else values[:0], values[start:stop])


@pytest.mark.parametrize("name", ["files", "items", "parquet", "plain parquet"])
@pytest.mark.parametrize("rows", [1, 10, COUNT, COUNT + 5])
def test_head_is_the_first_rows(listings: dict[str, Listing], name: str, rows: int) -> None:
    head = listings[name].head(rows)
    assert head.rows == min(rows, COUNT)
    (whole,) = (r.load() for r in listings[name].reads(0, COUNT, COUNT))
    (first,) = (r.load() for r in head.reads(0, head.rows, COUNT))
    assert first.keys == whole.keys[: head.rows]
    assert (head.digest() == listings[name].digest()) == (head.rows == COUNT)


def test_rows_hold_the_photos_they_name(listings: dict[str, Listing], tmp_path: Path) -> None:
    for name in ("files", "items", "parquet"):
        (whole,) = (r.load() for r in listings[name].reads(0, COUNT, COUNT))
        assert whole.cells == [b"photo %d" % i for i in range(COUNT)], name
