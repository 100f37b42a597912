"""Objects are listed and read from a store on this machine."""

import os
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from headrace.core.errors import BadInput
from headrace.sources.images import ImageFiles, ImageListing
from headrace.sources.parquet import ParquetFiles

PHOTOS = ("b.jpg", "a.jpg", "sub/c.jpg", "sub/.d.jpg", "sub/_headrace/e.jpg", "notes.txt")


@pytest.fixture
def filled(bucket: Any) -> Any:
    for name in PHOTOS:
        bucket.put_object(Key=f"in/{name}", Body=f"bytes of {name}".encode())
    return bucket


def keys(listing: ImageListing) -> list[str]:
    return [e.key for e in listing.entries]


def cells(listing: ImageListing) -> list[Any]:
    return [c for r in listing.reads(0, listing.rows, 2) for c in r.load().cells or ()]


def test_prefix_is_listed_and_read_by_full_address(filled: Any) -> None:
    listing = ImageFiles("s3://photos/in/").list()
    assert keys(listing) == [f"s3://photos/in/{n}" for n in ("a.jpg", "b.jpg", "sub/c.jpg")]
    assert cells(listing) == [b"bytes of a.jpg", b"bytes of b.jpg", b"bytes of sub/c.jpg"]
    assert keys(ImageFiles("s3://photos").list()) == keys(listing)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("*.jpg", ["a.jpg", "b.jpg"]), ("**/*.jpg", ["a.jpg", "b.jpg", "sub/c.jpg"]), ("[!b].*", ["a.jpg"])],
)
def test_globs_match_as_they_do_locally(filled: Any, pattern: str, found: list[str]) -> None:
    assert keys(ImageFiles(f"s3://photos/in/{pattern}").list()) == [f"s3://photos/in/{n}" for n in found]


def test_single_object_is_taken_whatever_its_suffix(filled: Any) -> None:
    assert cells(ImageFiles("s3://photos/in/notes.txt").list()) == [b"bytes of notes.txt"]


def test_anonymous_address_reads_unsigned_and_leaves_no_trace_in_keys(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}'
    filled.Policy().put(Policy=policy)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    listing = ImageFiles("s3://anonymous@photos/in/*.jpg").list()
    assert keys(listing) == ["s3://photos/in/a.jpg", "s3://photos/in/b.jpg"]
    assert cells(listing) == [b"bytes of a.jpg", b"bytes of b.jpg"]
    assert listing.place.filesystem == fs.S3FileSystem(
        anonymous=True,
        endpoint_override=os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"),
        scheme="http",
        region="us-east-1",
    )


@pytest.mark.parametrize("where", ["s3://no-such-bucket/in", "s3://photos/nowhere", "s3://no-such-bucket/*.jpg"])
def test_missing_bucket_or_prefix_is_named(filled: Any, where: str) -> None:
    with pytest.raises(BadInput) as caught:
        ImageFiles(where).list()
    assert str(caught.value) == f"{where}: does not exist; check the path"


def test_object_that_is_gone_becomes_an_error(filled: Any) -> None:
    listing = ImageFiles("s3://photos/in").list()
    filled.Object("in/b.jpg").delete()
    first, gone, last = cells(listing)
    assert (first, last) == (b"bytes of a.jpg", b"bytes of sub/c.jpg")
    assert isinstance(gone, FileNotFoundError)


def test_parquet_is_read_from_there(bucket: Any) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"n": range(5), "photo": [b"%d" % i for i in range(5)]}), sink, row_group_size=2)
    bucket.put_object(Key="rows/a.parquet", Body=sink.getvalue().to_pybytes())
    listing = ParquetFiles("s3://photos/rows/").list()
    rows = [r.load() for r in listing.reads(1, 5, 3)]
    assert [k for r in rows for k in r.keys] == [f"s3://photos/rows/a.parquet#{i}" for i in range(1, 5)]
    assert [c for r in rows for c in r.cells or ()] == [b"1", b"2", b"3", b"4"]


def test_odd_names_of_objects_are_keys_and_are_read(bucket: Any) -> None:
    names = ["in/?token=x#y.jpg", "in/@.jpg", "in/a b+c%41é.jpg"]
    for name in [*names, "in/../up.jpg"]:  # names that begin with a dot are hidden
        bucket.put_object(Key=name, Body=name.encode())
    listing = ImageFiles("s3://photos").list()
    found = dict(zip(keys(listing), cells(listing), strict=True))
    assert found == {f"s3://photos/{name}": name.encode() for name in names}


def test_object_whose_name_cannot_be_read_becomes_an_error_of_its_row(filled: Any) -> None:
    filled.put_object(Key="in//a.jpg", Body=b"unreachable")
    error, *others = cells(ImageFiles("s3://photos/in").list())
    assert (type(error), len(others)) == (OSError, 3)
    assert "Empty path component in path photos/in//a.jpg" in str(error)
    with pytest.raises(BadInput, match=r"^s3://photos/in//a.jpg: cannot be listed \(Empty path component"):
        ImageFiles("s3://photos/in//a.jpg").list()
