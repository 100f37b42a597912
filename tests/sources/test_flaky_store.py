"""A store that throttles, fails or cuts connections costs no row; one that is not there stops the run at once."""

import io
import os
import re
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from headrace.core.errors import BadInput, ReadFailed
from headrace.sources import retrying
from headrace.sources.images import ImageFiles, ImageListing
from headrace.sources.parquet import ParquetFiles
from headrace.sources.retrying import fault_of

TRIES = retrying.PATIENCE.tries
FOREVER = 1000
BYTES_OF_A, BYTES_OF_B = b"bytes of a" * 100, b"bytes of b" * 100
A, B, BUCKET = "/photos/in/a.jpg", "/photos/in/b.jpg", "/photos"


def said(status: int, code: str) -> tuple[int, dict[str, str], bytes]:
    """An answer as S3 gives it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as S3 says it</Message></Error>"
    return status, {"Content-Type": "application/xml"}, body.encode()


SLOW_DOWN = said(503, "SlowDown")
PASSING = {"slow-down": SLOW_DOWN, "internal": said(500, "InternalError"), "reset": "reset", "cut": "cut"}
names = pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)


def cells(listing: ImageListing) -> list[Any]:
    return [c for r in listing.reads(0, listing.rows, 2) for c in r.load().cells or ()]


def listed(filesystem: fs.S3FileSystem) -> ImageListing:
    return ImageFiles("s3://photos/in", filesystem=filesystem).list()


@names
@pytest.mark.parametrize("failures", [1, TRIES - 1])
def test_object_is_read_once_the_store_has_stopped_failing(
    store: Any, impatient: fs.S3FileSystem, waits: list[float], fault: Any, failures: int
) -> None:
    listing = listed(impatient)
    store.fail(A, [fault] * failures)
    assert cells(listing) == [BYTES_OF_A, BYTES_OF_B]
    assert (store.count(A), store.count(B)) == (failures + 1, 1)
    assert len(waits) == failures or fault == "reset"  # some of those curl tries again itself


@pytest.mark.parametrize("fault", [(503, {}, b""), (500, {}, b""), (429, {}, b""), "reset"])
def test_object_is_found_once_the_store_has_stopped_failing(store: Any, impatient: fs.S3FileSystem, fault: Any) -> None:
    listing = listed(impatient)
    store.fail(A, [fault] * 2, method="HEAD")
    assert cells(listing) == [BYTES_OF_A, BYTES_OF_B]
    assert store.count(A, "HEAD") == 3


@names
def test_object_that_the_store_fails_on_for_ever_becomes_an_error_of_its_row(
    store: Any, impatient: fs.S3FileSystem, fault: Any
) -> None:
    listing = listed(impatient)
    store.fail(A, [fault] * FOREVER)
    failed, other = cells(listing)
    assert (fault_of(failed), other) == ("transient", BYTES_OF_B)
    assert store.count(A) == TRIES or (store.count(A) > TRIES and fault == "reset")


@names
def test_store_that_fails_on_everything_stops_the_run_and_the_object_is_named(
    store: Any, impatient: fs.S3FileSystem, fault: Any
) -> None:
    listing = listed(impatient)
    for path in (A, B):
        store.fail(path, [fault] * FOREVER)
    with pytest.raises(ReadFailed, match=r"^s3://photos/in/a.jpg: cannot be read \(.+\), each time it was tried; wait"):
        cells(listing)
    assert (store.count(A), store.count(B)) == (TRIES, 1) or fault == "reset"
    for path in (A, B):
        store.fail(path, [])
    assert cells(listing) == [BYTES_OF_A, BYTES_OF_B]


@names
def test_bucket_is_listed_once_the_store_has_stopped_failing(
    store: Any, impatient: fs.S3FileSystem, fault: Any
) -> None:
    store.fail(BUCKET, [fault] * (TRIES - 1))
    assert listed(impatient).rows == 2
    store.fail(BUCKET, [fault] * FOREVER)
    with pytest.raises(BadInput, match=r"^s3://photos/in: cannot be listed \(.+\); check access"):
        listed(impatient)


def test_pyarrows_own_retries_come_first(store: Any, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    listing = ImageFiles("s3://photos/in").list()
    store.fail(A, [SLOW_DOWN])
    assert cells(listing) == [BYTES_OF_A, BYTES_OF_B]
    assert waits == []


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState"])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_object_that_is_forbidden_becomes_an_error_of_its_row(
    store: Any, impatient: fs.S3FileSystem, code: str, method: str
) -> None:
    listing = listed(impatient)
    store.fail(A, [said(403, code)] * FOREVER, method=method)
    forbidden, other = cells(listing)
    assert (type(forbidden), other) == (OSError, BYTES_OF_B)
    assert store.count(A, method) == 1


def test_object_that_is_deleted_at_the_last_moment_becomes_an_error_of_its_row(
    store: Any, impatient: fs.S3FileSystem
) -> None:
    listing = listed(impatient)
    store.fail(A, [said(404, "NoSuchKey")])
    missing, other = cells(listing)
    assert "NOT_FOUND" in str(missing) or "NO_SUCH_KEY" in str(missing)
    assert other == BYTES_OF_B


def test_bucket_that_is_gone_stops_the_run_at_once(
    store: Any, impatient: fs.S3FileSystem, bucket: Any, waits: list[float]
) -> None:
    listing = listed(impatient)
    bucket.objects.delete()
    bucket.delete()
    with pytest.raises(ReadFailed) as caught:
        cells(listing)
    assert re.fullmatch(
        r"s3://photos/in/a.jpg: cannot be read \(.*NO_SUCH_BUCKET.*\); check the address and the credentials, "
        r"then run the same command again: it goes on from here",
        str(caught.value),
        re.DOTALL,
    )
    assert waits == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken"), (400, "InvalidToken")],
)
def test_credentials_that_no_longer_hold_stop_the_run_at_once(
    store: Any, impatient: fs.S3FileSystem, waits: list[float], status: int, code: str
) -> None:
    listing = listed(impatient)
    store.fail(A, [said(status, code)] * FOREVER, method="HEAD")
    store.fail(BUCKET, [said(status, code)] * FOREVER)
    with pytest.raises(ReadFailed, match="check the address and the credentials, then run the same command again"):
        cells(listing)
    assert (store.count(A, "HEAD"), store.count(A), waits) == (1, 0, [])
    with pytest.raises(BadInput, match=r"^s3://photos/in: cannot be listed .+; check access, address and credentials"):
        listed(impatient)


def test_host_that_is_not_there_is_refused_without_being_tried_again(bucket: Any, waits: list[float]) -> None:
    nowhere = fs.S3FileSystem(
        endpoint_override="no-such-host.invalid",
        region="us-east-1",
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )
    with pytest.raises(BadInput, match=r"^s3://photos/in: cannot be listed .+; check access, address and credentials"):
        ImageFiles("s3://photos/in", filesystem=nowhere).list()
    assert waits == []


def test_parquet_is_read_through_faults(store: Any, impatient: fs.S3FileSystem, bucket: Any) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": range(6)}), sink, row_group_size=3)
    bucket.put_object(Key="rows/a.parquet", Body=sink.getvalue())
    path = "/photos/rows/a.parquet"
    store.fail(path, [SLOW_DOWN, "cut"])
    listing = ParquetFiles("s3://photos/rows", filesystem=impatient).list()
    store.fail(path, ["reset", SLOW_DOWN])
    rows = [r.load() for r in listing.reads(0, 6, 4)]
    assert [n for r in rows for n in r.columns["n"].tolist()] == [*range(6)]
    listing = ParquetFiles("s3://photos/rows", filesystem=impatient).list()
    store.fail(path, [SLOW_DOWN] * FOREVER)
    with pytest.raises(ReadFailed, match=r"^s3://photos/rows/a.parquet, row group 0: cannot be read \(.+\), each time"):
        [r.load() for r in listing.reads(0, 6, 4)]
    with pytest.raises(BadInput, match=r"^s3://photos/rows/a.parquet: cannot be read \(.+SLOW_DOWN.+\); check access"):
        ParquetFiles("s3://photos/rows", filesystem=impatient).list()
