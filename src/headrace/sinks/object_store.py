"""An output on S3, or a store that speaks as it does: an object is created on the condition that there is none."""

from __future__ import annotations

import contextlib
import io
import re
import uuid
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, cast

from headrace.core.errors import BadOutput
from headrace.sinks.s3_client import Refused, S3Client
from headrace.sinks.stores import refusal

_PIECE_BYTES = 64 << 20  # one request for most parts; S3 takes pieces of 5 MiB to 5 GiB, 10,000 of them
_UPLOADS = 4
_AT_ONCE = 1000  # what S3 lists or deletes by one request
_TAIL_BYTES = 64 << 10  # what pyarrow reads first of a Parquet file's end
_ATTEMPT = "headrace-attempt"
_OURS = re.compile(r"part-\d+\.parquet|_headrace/.*")
_STAGING = "_headrace/tmp"


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its bytes, its entity tag, and how long ago it was written by the store's clock, in whole seconds."""

    data: bytes
    etag: str
    age_s: float


class S3Store:
    """A prefix in a bucket. Every write carries a name of its own in its metadata, so that one whose answer was lost,
    and which is then refused when it is sent again, is told from another writer's."""

    is_local = False
    readers = 16

    def __init__(self, address: str, piece_bytes: int = _PIECE_BYTES) -> None:
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        if not re.fullmatch(r"[A-Za-z0-9._-]+", bucket):
            fix = "write s3://bucket/folder; keys come from the environment"
            raise BadOutput("s3://" + address.rsplit("@", 1)[-1].removeprefix("s3://"), "names no bucket", fix)
        self.root = f"s3://{bucket}/{prefix.strip('/')}".rstrip("/")
        self._prefix = self.root.removeprefix(f"s3://{bucket}").lstrip("/")
        self._prefix += "/" if self._prefix else ""
        self._piece_bytes = piece_bytes
        self._client = S3Client(bucket, self.root)

    def __reduce__(self) -> tuple[Any, ...]:
        return S3Store, (self.root, self._piece_bytes)  # another process connects for itself, with its own keys

    def create(self, name: str, data: bytes) -> bool:
        """One conditional request, or pieces that a conditional request puts together. When this raises the object may
        be there all the same: then the answer was lost."""
        if len(data) <= self._piece_bytes:
            return self.swap(name, data, None) is not None
        return bool(self._client.again(self._upload, name, data, {"IfNoneMatch": "*"}))

    def replace(self, name: str, data: bytes) -> None:
        """Whatever was there."""
        if len(data) <= self._piece_bytes:
            self._client.call("put_object", Key=self._prefix + name, Body=data)
        else:
            self._upload(name, data, {})

    def swap(self, name: str, data: bytes, etag: str | None) -> str | None:
        """Writes an object where there is one of this tag (None: where there is none); its tag, or None where not."""
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        key, attempt = self._prefix + name, uuid.uuid4().hex
        try:
            written = self._client.call("put_object", Key=key, Body=data, Metadata={_ATTEMPT: attempt}, **condition)
        except (Refused, FileNotFoundError):
            return self._tag_of(key, attempt)
        return str(written["ETag"])

    def _tag_of(self, key: str, attempt: str) -> str | None:
        """The tag of the object when this attempt has written it."""
        try:
            head = self._client.call("head_object", Key=key)
        except FileNotFoundError:
            return None
        return str(head["ETag"]) if head["Metadata"].get(_ATTEMPT) == attempt else None

    def _upload(self, name: str, data: bytes, condition: dict[str, str]) -> bool:
        """In pieces; nothing is to be seen before the last request."""
        key, attempt = self._prefix + name, uuid.uuid4().hex
        upload = self._client.call("create_multipart_upload", Key=key, Metadata={_ATTEMPT: attempt})["UploadId"]
        try:
            with ThreadPoolExecutor(_UPLOADS) as pool:
                starts = range(0, len(data), self._piece_bytes)
                sent = [pool.submit(self._send, key, upload, n, data, s) for n, s in enumerate(starts, 1)]
                pieces = {"Parts": [future.result() for future in sent]}
            self._client.call(
                "complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload=pieces, **condition
            )
        except (Refused, FileNotFoundError):  # not found: completed by a request whose answer was lost
            if self._tag_of(key, attempt) is None:
                self._abort(key, upload)
                return False
        except BaseException:
            self._abort(key, upload)
            raise
        return True

    def _send(self, key: str, upload: str, number: int, data: bytes, start: int) -> dict[str, Any]:
        piece = data[start : start + self._piece_bytes]
        sent = self._client.call("upload_part", Key=key, UploadId=upload, PartNumber=number, Body=piece)
        return {"ETag": sent["ETag"], "PartNumber": number}

    def _abort(self, key: str, upload: str) -> None:
        with contextlib.suppress(OSError):  # it cannot be seen; the next run tries again
            self._client.call("abort_multipart_upload", Key=key, UploadId=upload)

    def read(self, name: str) -> bytes:
        """A whole object."""
        return self._client.get(Key=self._prefix + name)[0]

    def look(self, name: str) -> Found:
        """A small object with its tag and age. Raises FileNotFoundError."""
        data, answer = self._client.get(Key=self._prefix + name)
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return Found(data, str(answer["ETag"]), (now - answer["LastModified"]).total_seconds())

    def open(self, name: str) -> BinaryIO:
        """One request for its last 64 KiB, where a footer lies; others for what is read before them."""
        return cast("BinaryIO", _Ranged(self._client, self._prefix + name))

    def list(self, folder: str, stem: str = "") -> Iterator[tuple[str, int]]:
        """A thousand a request. Where there are more, and all go on in digits, ten narrower requests take its place:
        10^6 names are 1,100 requests, most of them at the same time."""
        below = self._prefix + (f"{folder}/" if folder else "")
        with ThreadPoolExecutor(self.readers) as pool:
            waiting: set[Future[_Page]] = {pool.submit(self._page, below, stem, None)}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for page in (future.result() for future in done):
                    yield from page.files
                    waiting |= {pool.submit(self._page, below, *more) for more in page.more}

    def _page(self, below: str, stem: str, token: str | None) -> _Page:
        following = {"ContinuationToken": token} if token is not None else {}
        page = self._client.call("list_objects_v2", Prefix=below + stem, Delimiter="/", **following)
        files = [(key.removeprefix(below), size) for key, size in page["Files"] if key != below]
        if not page["Following"]:
            return _Page(files, [])
        if stem and token is None and all(name[len(stem) : len(stem) + 1].isdecimal() for name, _ in files):
            return _Page([], [(f"{stem}{digit}", None) for digit in range(10)])
        return _Page(files, [(stem, page["Following"])])

    def delete(self, *names: str) -> None:
        """A thousand a request."""
        self._delete([self._prefix + name for name in names])

    def _delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _AT_ONCE):
            objects = [{"Key": key} for key in keys[start : start + _AT_ONCE]]
            answer = self._client.call("delete_objects", Delete={"Objects": objects, "Quiet": True})
            for failed in answer.get("Errors", ()):
                raise OSError(f"{failed['Key']} cannot be deleted ({failed['Code']}: {failed['Message']})")

    def clear(self, folder: str, but: Collection[str]) -> None:
        """All objects whose names begin with the folder's."""
        below = f"{self._prefix}{folder}/"
        kept = {below + name for name in but}
        token: str | None = None
        while True:
            following = {"ContinuationToken": token} if token else {}
            page = self._client.call("list_objects_v2", Prefix=below, **following)
            self._delete([key for key, _ in page["Files"] if key not in kept])
            if not (token := page["Following"]):
                return

    def sweep(self) -> None:
        """Probes, and uploads that were never completed: they cannot be seen, but are paid for."""
        self.delete(*(f"{_STAGING}/{name}" for name, _ in self.list(_STAGING)))
        with contextlib.suppress(OSError):  # who may not list them leaves them to the bucket's rules
            uploads = self._client.call("list_multipart_uploads", Prefix=self._prefix).get("Uploads", ())
            for upload in uploads:
                if _OURS.fullmatch(upload["Key"].removeprefix(self._prefix)):
                    self._abort(upload["Key"], upload["UploadId"])

    def check(self) -> None:
        """By creating an object, which must then be neither created nor replaced without the condition being met."""
        probe = f"{_STAGING}/probe.{uuid.uuid4().hex}"
        try:
            created = self.create(probe, b"1")
            kept = not self.create(probe, b"2") and self.swap(probe, b"3", '"' + "0" * 32 + '"') is None
            self.delete(probe)
        except OSError as error:
            raise refusal(self.root, error) from error
        if not created or not kept:
            what = "is on a store that ignores If-None-Match and If-Match, without which two runs spoil each other"
            raise BadOutput(self.root, what, "choose another one")


@dataclass(frozen=True, slots=True)
class _Page:
    """Files that were listed, and the stems and tokens by which those that are left are to be."""

    files: list[tuple[str, int]]
    more: list[tuple[str, str | None]]


class _Ranged(io.RawIOBase):
    """An object as a file. Its tail is kept."""

    def __init__(self, client: S3Client, key: str) -> None:
        super().__init__()
        self._client, self._key, self._at = client, key, 0
        self._tail, answer = client.get(Key=key, Range=f"bytes=-{_TAIL_BYTES}")
        whole = answer.get("ContentRange", "").rpartition("/")[2]
        self._size = int(whole) if whole else len(self._tail)

    def seekable(self) -> bool:
        """Yes."""
        return True

    def readable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As files do."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """As files do."""
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """As files do; never less than is asked for, while there is as much."""
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted == 0:
            return b""
        in_tail = self._at - (self._size - len(self._tail))
        if in_tail >= 0:
            data = self._tail[in_tail : in_tail + wanted]
        else:
            data = self._client.get(Key=self._key, Range=f"bytes={self._at}-{self._at + wanted - 1}")[0]
        self._at += len(data)
        return data
