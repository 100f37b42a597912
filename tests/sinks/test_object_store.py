"""What S3 alone brings: conditions, lost answers, pieces, pages, and errors that must not name credentials."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.core.errors import BadOutput, HeadraceError
from headrace.sinks.object_store import S3Store
from headrace.sinks.parquet import ParquetFolder
from headrace.sinks.s3_client import S3Client

PIECE = 5 << 20  # the least that S3 takes

Proceed = Callable[[], Any]


@pytest.fixture
def store(bucket: Any) -> S3Store:
    return S3Store("s3://outputs/there/", piece_bytes=PIECE)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that were called."""
    seen: list[str] = []
    call = S3Client._call

    def counting(self: S3Client, operation: str, arguments: dict[str, Any]) -> Any:
        seen.append(operation)
        return call(self, operation, arguments)

    monkeypatch.setattr(S3Client, "_call", counting)
    return seen


def uploads(bucket: Any) -> list[str]:
    return [upload.object_key for upload in bucket.multipart_uploads.all()]


def keys(bucket: Any) -> list[str]:
    return sorted(found.key for found in bucket.objects.all())


def lose_the_answer(_request: Any, proceed: Proceed) -> Any:
    proceed()
    return 500, {}, ""


def conflict(_request: Any, _proceed: Proceed) -> Any:
    text = "<Error><Code>ConditionalRequestConflict</Code><Message>Under way</Message></Error>"
    return 409, {"content-type": "application/xml"}, text


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1])
def test_object_of_any_size_is_created_once_and_whole(store: S3Store, bucket: Any, size: int) -> None:
    data = os.urandom(1 << 16) * (size // (1 << 16) + 1)
    assert store.create("part", data[:size])
    assert not store.create("part", b"other")
    assert not store.create("part", data)
    assert store.read("part") == data[:size]
    store.replace("part", data)
    assert store.read("part") == data
    assert uploads(bucket) == []


def test_of_two_uploads_in_pieces_one_wins(store: S3Store, bucket: Any) -> None:
    barrier = threading.Barrier(2)

    def attempt(number: int) -> bool:
        barrier.wait(10)
        return store.create("part", bytes([number]) * (PIECE + 1))

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(attempt, range(2)))
    assert sorted(won) == [False, True]
    assert store.read("part")[:1] == bytes([won.index(True)])
    assert uploads(bucket) == []


@pytest.mark.parametrize("size", [10, PIECE + 1])
def test_write_whose_answer_was_lost_is_known_for_ones_own(store: S3Store, faults: Any, size: int) -> None:
    faults["put_object" if size < PIECE else "_key_response_post"] += (
        [lose_the_answer] if size < PIECE else [lambda _, go: go(), lose_the_answer]
    )
    assert store.create("part", b"x" * size)
    assert store.read("part") == b"x" * size
    assert not store.create("part", b"x" * size)


@pytest.mark.parametrize("size", [10, PIECE + 1])
def test_conflict_with_another_write_under_way_is_tried_again(
    store: S3Store, bucket: Any, faults: Any, requests: list[str], size: int
) -> None:
    faults["put_object"] += [conflict, conflict] if size < PIECE else []
    faults["_key_response_post"] += [lambda _, go: go(), conflict] if size > PIECE else []
    assert store.create("part", b"x" * size)
    assert store.read("part") == b"x" * size
    assert uploads(bucket) == []
    assert requests.count("put_object") == (3 if size < PIECE else 0)
    assert requests.count("upload_part") == (4 if size > PIECE else 0)


def test_swap_replaces_only_what_it_was_shown(store: S3Store) -> None:
    first = store.swap("lease", b"1", None)
    assert first is not None
    assert store.swap("lease", b"2", None) is None
    second = store.swap("lease", b"2", first)
    assert second not in (None, first)
    assert store.swap("lease", b"3", first) is None
    found = store.look("lease")
    assert (found.data, found.etag) == (b"2", second)
    assert 0 <= found.age_s < 60
    store.delete("lease")
    assert store.swap("lease", b"3", second) is None
    assert keys_of(store) == []


def keys_of(store: S3Store) -> list[str]:
    return [name for name, _ in store.list("")]


def test_upload_that_fails_is_aborted(store: S3Store, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    send = S3Store._send

    def failing(self: S3Store, key: str, upload: str, number: int, *rest: Any) -> Any:
        if number == 2:
            raise OSError(5, "Input/output error")
        return send(self, key, upload, number, *rest)

    monkeypatch.setattr(S3Store, "_send", failing)
    with pytest.raises(OSError, match="Input/output"):
        store.create("part", b"x" * (PIECE + 1))
    assert (keys(bucket), uploads(bucket)) == ([], [])


KILLED_IN_AN_UPLOAD = f"""
import os, signal
from headrace.sinks.object_store import S3Store
send = S3Store._send
def killing(self, key, upload, number, *rest):
    answer = send(self, key, upload, number, *rest)
    os.kill(os.getpid(), signal.SIGKILL)
S3Store._send = killing
S3Store("s3://outputs/there", piece_bytes={PIECE}).create("part-00000000.parquet", b"x" * ({PIECE} + 1))
"""


def test_writer_killed_in_the_middle_of_an_upload_leaves_nothing_to_be_seen(store: S3Store, bucket: Any) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_AN_UPLOAD], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (keys(bucket), len(uploads(bucket))) == ([], 1)
    others = bucket.Object("there/other-tool").initiate_multipart_upload()
    store.sweep()
    assert uploads(bucket) == ["there/other-tool"]
    others.abort()
    assert store.create("part-00000000.parquet", b"y" * (PIECE + 1))
    assert store.read("part-00000000.parquet")[:1] == b"y"


@pytest.fixture
def pages_of_five(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Listings come five names at a time."""
    call = S3Client._call

    def small(self: S3Client, operation: str, arguments: dict[str, Any]) -> Any:
        more = {"MaxKeys": 5} if operation == "list_objects_v2" else {}
        return call(self, operation, arguments | more)

    monkeypatch.setattr(S3Client, "_call", small)
    return


@pytest.mark.usefixtures("pages_of_five")
def test_many_names_are_listed_whole_however_they_are_cut(store: S3Store) -> None:
    numbers = [*range(23), 100, 101, 12345678, 99999999, 123456789]
    parts = {f"part-{n:08d}.parquet" for n in numbers}
    rejects = {f"part-{7:08d}-{attempt:012x}.parquet" for attempt in range(12)}
    for name in (*parts, "part-x", "notes", *(f"zz {i}&" for i in range(7))):
        store.create(name, b"12")
    for name in rejects:
        store.create(f"_headrace/rejects/{name}", b"")
    assert {n for n in dict(store.list("", "part-")) if n != "part-x"} == parts
    assert dict(store.list("")).keys() == parts | {"part-x", "notes"} | {f"zz {i}&" for i in range(7)}
    assert dict(store.list("_headrace/rejects", "part-")).keys() == rejects
    store.clear("_headrace", {})
    assert list(store.list("_headrace/rejects")) == []
    assert set(dict(store.list("", "part-")).values()) == {2}


def test_footer_costs_one_request(store: S3Store, requests: list[str]) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"x": range(10**5)}), file)
    store.create("part", file.getvalue())
    requests.clear()
    with store.open("part") as opened:
        assert pq.read_metadata(opened).num_rows == 10**5
    assert requests == ["get_object"]


def test_answer_that_breaks_off_is_read_again(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import IncompleteReadError
    from botocore.response import StreamingBody

    store.create("part", b"whole")
    read, broken = StreamingBody.read, [True, True]

    def breaking(self: StreamingBody, amt: int | None = None) -> bytes:
        if broken:
            broken.pop()
            raise IncompleteReadError(actual_bytes=2, expected_bytes=5)
        return read(self, amt)  # type: ignore[no-any-return]

    monkeypatch.setattr(StreamingBody, "read", breaking)
    assert store.read("part") == b"whole"


def test_missing_bucket_is_named(bucket: Any) -> None:
    with pytest.raises(BadOutput) as caught:
        ParquetFolder("s3://no-such-bucket/out").check()
    assert str(caught.value) == (
        "s3://no-such-bucket/out: cannot be written (no such bucket); "
        "create it, or check its name, or choose another folder"
    )


def test_missing_credentials_are_told(bucket: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(BadOutput, match=r"no credentials that can be used: NoCredentialsError\); see that you may"):
        ParquetFolder("s3://outputs/out").check()


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("AccessDenied", 403, r"cannot be written \(AccessDenied: No\); see that you may write there"),
        ("InvalidAccessKeyId", 403, r"\(InvalidAccessKeyId: No\); see that you may"),
        ("ExpiredToken", 400, r"\(ExpiredToken: No\); see that you may"),
        ("InvalidRequest", 400, r"\(InvalidRequest: No\); mend it"),
    ],
)
def test_refusal_is_told_without_credentials(bucket: Any, faults: Any, code: str, status: int, told: str) -> None:
    text = f"<Error><Code>{code}</Code><Message>No</Message><AWSAccessKeyId>AKIAKEY</AWSAccessKeyId></Error>"
    faults["put_object"].append(lambda *_: (status, {"content-type": "application/xml"}, text))
    with pytest.raises(BadOutput, match=told) as caught:
        ParquetFolder("s3://outputs/out").check()
    assert "AKIAKEY" not in str(caught.value)
    assert "AKIAKEY" not in str(caught.value.__cause__)


def test_store_that_cannot_be_reached_is_named(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:s3cr3t@127.0.0.1:1/")
    monkeypatch.setattr("headrace.sinks.s3_client._TRIES", 1)
    with pytest.raises(BadOutput, match=r"127\.0\.0\.1 cannot be reached: EndpointConnectionError") as caught:
        ParquetFolder("s3://outputs/out").check()
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("setting", [("ENDPOINT_URL", "nonsense"), ("PROFILE", "nobody")])
def test_settings_that_make_no_sense_are_refused(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str]
) -> None:
    monkeypatch.setenv(f"AWS_{setting[0]}", setting[1])
    with pytest.raises(BadOutput, match=r"s3://outputs/out: cannot be written \(\w+\); check AWS_\* settings"):
        ParquetFolder("s3://outputs/out")


def test_store_that_ignores_conditions_is_refused(store: S3Store, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call = S3Client._call

    def ignorant(self: S3Client, operation: str, arguments: dict[str, Any]) -> Any:
        heeded = {n: v for n, v in arguments.items() if n not in ("IfNoneMatch", "IfMatch")}
        return call(self, operation, heeded)

    monkeypatch.setattr(S3Client, "_call", ignorant)
    with pytest.raises(BadOutput, match="ignores If-None-Match and If-Match"):
        store.check()
    assert keys(bucket) == []


def test_boto3_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(HeadraceError, match=r"writing to s3://outputs/out needs boto3: pip install 'headrace\[s3\]'"):
        S3Store("s3://outputs/out")


def test_probe_of_a_run_that_was_killed_is_swept(store: S3Store, bucket: Any) -> None:
    store.create("_headrace/tmp/probe.left", b"1")
    store.sweep()
    assert keys(bucket) == []
