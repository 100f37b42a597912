"""Object stores, and every other file system of pyarrow's."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from headrace.core.errors import BadInput
from headrace.sources.addresses import shown_address
from headrace.sources.entries import Entries, left_out
from headrace.sources.local import LARGEST_BYTES
from headrace.sources.retrying import fault_of, patiently

_GOOGLE_RETRIES = timedelta(seconds=15)  # of its own 15 minutes; ours come on top


class ArrowLocation:
    """A path on one of pyarrow's file systems (S3, Google Cloud Storage)."""

    def __init__(self, filesystem: Any, path: str, prefix: str) -> None:
        self.filesystem, self.root, self.prefix = filesystem, path, prefix

    def walk(self, fits: Callable[[str], bool]) -> Entries:
        """All files below it whose keys fit, hidden ones and headrace's own folder left out; or itself."""
        from pyarrow import fs

        found = Entries()
        info = self.filesystem.get_file_info(self.root)
        if info.type == fs.FileType.File:
            found.add(self.root, self.prefix + self.root, info.size)
            return found
        if info.type == fs.FileType.NotFound:
            raise FileNotFoundError(self.prefix + self.root)
        for below in self.filesystem.get_file_info(fs.FileSelector(self.root, recursive=True)):
            path = below.path
            if below.type != fs.FileType.File or any(map(left_out, path.removeprefix(self.root).split("/"))):
                continue
            if fits(self.prefix + path):
                found.add(path, self.prefix + path, below.size)
        return found

    def read(self, path: str) -> bytes:
        """A whole object."""
        with self.open(path) as file:
            if (size := file.size()) > LARGEST_BYTES:
                raise OSError(errno.EFBIG, f"{size} bytes are more than a photo has")
            data: bytes = file.read()
        return data

    @contextmanager
    def open(self, path: str) -> Iterator[Any]:
        """A seekable binary file."""
        try:
            with self._opened(path) as file:
                yield file
        except OSError as error:
            if fault_of(error) != "transient":
                self._ask_for_the_place(path)
            raise

    def _opened(self, path: str) -> Any:
        from pyarrow import ArrowInvalid

        try:
            return self.filesystem.open_input_file(path)
        except ArrowInvalid as error:  # names that pyarrow lists and cannot read: a//b.jpg
            raise OSError(errno.EINVAL, str(error)) from error

    def _ask_for_the_place(self, path: str) -> None:
        """Raises what a listing at `path` is refused for, where that is no fault of the object's.

        The answer to a HEAD, which opens an object, has no body, and that to a GET is not always kept: a missing bucket
        looks like a missing object, a wrong key like a forbidden one.
        """
        from pyarrow import ArrowInvalid, fs

        try:
            self.filesystem.get_file_info(fs.FileSelector(path))
        except (OSError, ArrowInvalid) as error:
            if fault_of(error) in ("no_place", "transient"):
                raise


def object_store(where: str, scheme: str) -> ArrowLocation:
    """The place that an s3:// or gs:// URI names, with keys and addresses from the environment. Raises BadInput."""
    from pyarrow import fs

    path = where.removeprefix(f"{scheme}://").rstrip("/")
    anonymous = path.startswith("anonymous@")
    path = path.removeprefix("anonymous@")
    bucket = path.split("/", 1)[0]
    if not bucket or "@" in bucket or ":" in bucket:
        fix = f"write {scheme}://bucket/folder; keys come from the environment"
        raise BadInput(shown_address(where), "names no bucket", fix)
    if scheme == "gs":
        filesystem = fs.GcsFileSystem(anonymous=anonymous, retry_time_limit=_GOOGLE_RETRIES)
        return ArrowLocation(filesystem, path, "gs://")
    options: dict[str, Any] = {"anonymous": anonymous}
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        parts = urlsplit(endpoint)
        options |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        options["region"] = region
    elif not endpoint:
        options["region"] = _bucket_region(bucket)
    return ArrowLocation(fs.S3FileSystem(**options), path, "s3://")


def _bucket_region(bucket: str) -> str:
    from pyarrow import fs

    try:
        region: str = patiently(lambda: fs.resolve_s3_region(bucket))
    except OSError as error:
        what = f"no such bucket, or it cannot be reached ({error})"
        raise BadInput(f"s3://{bucket}", what, "check name and network") from error
    return region
