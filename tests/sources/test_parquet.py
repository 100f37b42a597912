"""Parquet rows: keys, columns and photos of every kind they come as."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.core.batch import Rows
from headrace.core.errors import BadInput, ReadFailed
from headrace.sources.parquet import ParquetFiles, ParquetListing

PIXELS = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)


def written(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **options)
    return path


def read(listing: ParquetListing) -> Rows:
    (only,) = listing.reads(0, listing.rows, listing.rows)
    return only.load()


def test_key_is_file_and_row(tmp_path: Path) -> None:
    for name in ("b", "a"):
        written(tmp_path / f"{name}.parquet", pa.table({"n": range(3)}), row_group_size=2)
    listing = ParquetFiles(tmp_path).list()
    assert (listing.rows, listing.key_name, listing.has_images) == (6, "path", False)
    assert read(listing).keys == [f"{tmp_path}/{f}.parquet#{i}" for f in "ab" for i in range(3)]


def test_key_column_names_rows_and_is_no_column(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"sku": ["x", "y"], "n": [1, 2]}))
    listing = ParquetFiles(path, key_column="sku").list()
    rows = read(listing)
    assert (listing.key_name, rows.keys, list(rows.columns)) == ("sku", ["x", "y"], ["n"])
    assert read(ParquetFiles(path, key_column="sku", columns=("n",)).list()).keys == ["x", "y"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([b"a", b"b", b"c"]), [b"a", b"b", b"c"]),
        (pa.array([b"a", b"b", b"c"], pa.large_binary()), [b"a", b"b", b"c"]),
        (pa.array([{"bytes": b, "path": "p"} for b in (b"a", b"b", b"c")]), [b"a", b"b", b"c"]),
        (pa.FixedShapeTensorArray.from_numpy_ndarray(PIXELS), list(PIXELS)),
    ],
    ids=["binary", "large_binary", "struct", "tensor"],
)
def test_image_column_is_found_by_its_type(tmp_path: Path, column: pa.Array, expected: list[Any]) -> None:
    written(tmp_path / "a.parquet", pa.table({"n": range(3), "photo": column}), row_group_size=2)
    listing = ParquetFiles(tmp_path).list()
    assert (listing.has_images, listing.image_name) == (True, "photo")
    rows = read(listing)
    assert rows.columns["n"].tolist() == [0, 1, 2]
    assert list(rows.columns) == ["n"]
    assert rows.cells is not None
    assert all(np.array_equal(got, want) for got, want in zip(rows.cells, expected, strict=True))


def test_image_column_can_be_named_where_there_are_two(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"hash": [b"h"], "photo": [b"p"]}))
    assert read(ParquetFiles(path, image_column="photo").list()).cells == [b"p"]
    assert ParquetFiles(path, columns=("hash",), image_column="photo").list().image_name == "photo"


def test_stages_see_pixels_only_of_an_image_column_that_was_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"photo": [b"p"]}))
    assert ParquetFiles(path, image_column="photo").list().decodes
    assert not ParquetFiles(path).list().decodes


@pytest.mark.parametrize("column", [pa.array([b"a", None]), pa.array([{"bytes": b"a"}, {"bytes": None}])])
def test_null_image_is_an_error_of_its_row(tmp_path: Path, column: pa.Array) -> None:
    cells = read(ParquetFiles(written(tmp_path / "a.parquet", pa.table({"photo": column}))).list()).cells
    assert cells is not None
    assert cells[0] == b"a"
    assert str(cells[1]) == "the image is null"


def test_columns_keep_their_values(tmp_path: Path) -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    table = pa.table(
        {
            "text": ["a", None, "c"],
            "flag": [True, False, True],
            "words": [["a"], [], ["b", "c"]],
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
            "vector": pa.FixedShapeTensorArray.from_numpy_ndarray(vectors),
        }
    )
    columns = read(ParquetFiles(written(tmp_path / "a.parquet", table)).list()).columns
    assert columns["text"].tolist() == ["a", None, "c"]
    assert columns["flag"].tolist() == [True, False, True]
    assert [list(w) for w in columns["words"]] == [["a"], [], ["b", "c"]]
    assert columns["kind"].tolist() == ["x", "y", "x"]
    assert np.array_equal(columns["vector"], vectors)


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"n": [1], "photo": [b"p"], "word": ["w"]}))
    listing = ParquetFiles(path, columns=("word",)).list()
    assert not listing.has_images
    assert list(read(listing).columns) == ["word"]


def test_empty_files_give_no_rows(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", pa.table({"n": pa.array([], pa.int64())}))
    listing = ParquetFiles(tmp_path).list()
    assert listing.rows == 0
    assert list(listing.reads(0, 0, 4)) == []


@pytest.mark.parametrize("option", ["image_column", "key_column", "columns"])
def test_missing_column_is_refused_with_those_there_are(tmp_path: Path, option: str) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"n": [1], "word": ["w"]}))
    value: Any = ("no",) if option == "columns" else "no"
    with pytest.raises(BadInput) as caught:
        ParquetFiles(path, **{option: value}).list()
    assert str(caught.value) == f"{path}: has no column 'no'; it has n, word"


def test_file_that_lacks_a_column_is_named_before_the_run(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", pa.table({"n": [1], "word": ["w"]}))
    written(tmp_path / "b.parquet", pa.table({"n": [1]}))
    with pytest.raises(BadInput, match=r"b.parquet: lacks the columns \['word'\] of .*a.parquet; read files of one"):
        ParquetFiles(tmp_path).list()
    assert ParquetFiles(tmp_path, columns=("n",)).list().rows == 2


def test_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(BadInput, match=r"a.parquet: is not a readable Parquet file \(.*\); remove or mend it"):
        ParquetFiles(tmp_path).list()


def test_file_that_is_another_since_it_was_listed_stops_the_run_and_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"n": range(6)}), row_group_size=2)
    listing = ParquetFiles(path).list()

    def renamed_column(path: Path) -> None:
        written(path, pa.table({"m": range(6)}), row_group_size=2)

    def fewer_rows(path: Path) -> None:
        written(path, pa.table({"n": range(6)}), row_group_size=1)

    def fewer_groups(path: Path) -> None:
        written(path, pa.table({"n": range(6)}), row_group_size=6)

    for change in (renamed_column, fewer_rows, fewer_groups):
        change(path)
        with pytest.raises(ReadFailed, match=rf"^{path}, row group 2: cannot be read \(It is not what .+\); mend or"):
            [*listing.reads(0, 6, 2)][2].load()


def test_digest_follows_rows_and_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", pa.table({"n": [1, 2, 3], "word": ["a", "b", "c"]}))
    first = ParquetFiles(path).list().digest()
    assert ParquetFiles(path).list().digest() == first
    others = {ParquetFiles(path, columns=("n",)).list().digest()}
    written(path, pa.table({"n": [1, 2, 3], "word": ["a", "b", "c"]}), row_group_size=2)
    others.add(ParquetFiles(path).list().digest())
    written(path, pa.table({"n": [1, 2, 3], "word": ["a", "b", "longer"]}))
    others.add(ParquetFiles(path).list().digest())
    assert len(others | {first}) == 4


def test_description_holds_what_was_chosen() -> None:
    source = ParquetFiles("rows/", image_column="photo", key_column="sku", columns=("n",))
    assert source.describe() == {"kind": "parquet", "image_column": "photo", "key_column": "sku", "columns": ["n"]}
