"""Files that are named one by one, as by the column of a table: nothing is listed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from headrace.core.errors import BadInput
from headrace.sources.local import LocalFolder
from headrace.sources.locations import Location, location
from headrace.sources.retrying import bytes_or_reason

_PLACES = 64  # that are kept open


def is_remote(path: str) -> bool:
    """Whether a path leads to another machine."""
    return "://" in path and not path.startswith("file://")


def read_named(path: str, others: Sequence[str] = ()) -> bytes | Exception:
    """The bytes of a local path, file://, s3://, gs:// or http(s):// address, or why the file will never be read.

    others: files beside it; where one of them can be read, what does not pass is this file's fault. Raises ReadFailed
    where no file is at fault: no such bucket, no credentials, a store that is down.
    """
    try:
        return bytes_or_reason(path, _reading(path), _readings(others, path))
    except (BadInput, ValueError) as error:  # a scheme that there is not, an address without a bucket, a NUL in a path
        return error


def _readings(paths: Sequence[str], failed: str) -> Iterator[Callable[[], bytes]]:
    for path in paths:
        if path != failed:
            yield _reading(path)


def _reading(path: str) -> Callable[[], bytes]:
    if not is_remote(path):
        folder = LocalFolder(path.removeprefix("file://"))
        return functools.partial(folder.read, folder.root)
    scheme, _, rest = path.partition("://")
    if scheme in ("s3", "gs"):
        bucket = PurePosixPath(rest).parts[:1]
        return functools.partial(_place(f"{scheme}://{''.join(bucket)}").read, rest.removeprefix("anonymous@"))
    return functools.partial(location(path).read, path)


@functools.lru_cache(_PLACES)
def _place(where: str) -> Location:
    return location(where)
