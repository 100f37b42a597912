"""Object stores and web addresses, read from servers on this machine."""

import functools
import http.server
import os
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

from headrace.core.errors import BadInput
from headrace.sources.images import ImageFiles, ImageListing
from headrace.sources.parquet import ParquetFiles

PHOTOS = ("b.jpg", "a.jpg", "sub/c.jpg", "sub/.d.jpg", "sub/_headrace/e.jpg", "notes.txt")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket that the environment leads to."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    settings = {
        "ENDPOINT_URL": endpoint,
        "ACCESS_KEY_ID": "id",
        "SECRET_ACCESS_KEY": "no",
        "DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket = boto3.resource("s3").Bucket("photos")
    bucket.create()
    yield bucket
    bucket.objects.delete()
    bucket.delete()


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


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.endswith("/broken.jpg"):
            self.send_error(500)
            return
        self.path = self.path.split("?")[0]
        super().do_GET()


@pytest.fixture
def web(photo_folder: Path) -> Iterator[str]:
    """The address of a server whose index page lists the photos."""
    (photo_folder / "notes.txt").touch()
    handler = functools.partial(_Quiet, directory=str(photo_folder))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_index_page_is_followed_into_its_folders(web: str, photo_folder: Path) -> None:
    listing = ImageFiles(web).list()
    assert keys(listing) == [web + n for n in ("a.JPG", "b.jpg", "sub/c.jpeg", "sub/deep/d.jpg", "z.jpg")]
    assert cells(listing) == [(photo_folder / k.removeprefix(web)).read_bytes() for k in keys(listing)]


def test_single_web_file_is_read_with_its_query(web: str, photo_folder: Path) -> None:
    listing = ImageFiles(f"{web}b.jpg?width=200").list()
    assert cells(listing) == [(photo_folder / "b.jpg").read_bytes()]


def test_web_file_that_the_server_fails_on_is_no_fault_of_the_row(web: str, photo_folder: Path) -> None:
    (photo_folder / "broken.jpg").write_bytes(b"x")
    with pytest.raises(OSError, match="500"):
        cells(ImageFiles(web).list())


def test_missing_web_file_and_web_globs_are_refused(web: str) -> None:
    with pytest.raises(BadInput, match=r"nowhere.jpg: does not exist; check the path"):
        ImageFiles(f"{web}nowhere.jpg").list()
    with pytest.raises(BadInput, match="has wildcards, which web addresses cannot"):
        ImageFiles(f"{web}*.jpg").list()
