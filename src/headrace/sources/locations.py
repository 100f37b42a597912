"""Paths and URIs as places that bytes can be listed at and read from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from headrace.core.errors import BadInput
from headrace.sources.addresses import holds_password, shown_address
from headrace.sources.entries import Entries
from headrace.sources.local import LocalFolder
from headrace.sources.stores import ArrowLocation, object_store
from headrace.sources.web import WebFile

SCHEMES = ("file", "s3", "gs", "http", "https")


class Location(Protocol):
    """A place where files are: below the path `root`, or itself a file, on `filesystem`."""

    root: str
    filesystem: Any

    def walk(self, fits: Callable[[str], bool]) -> Entries:
        """All files below it whose name or key fits, in no order; or itself, unasked. Raises OSError."""
        ...

    def read(self, path: str) -> bytes:
        """A whole file. Raises OSError."""
        ...

    def open(self, path: str) -> AbstractContextManager[Any]:
        """A seekable binary file. Raises OSError."""
        ...


def location(where: str, filesystem: Any = None) -> Location:
    """The place that a path or URI names: local, s3:// (s3://anonymous@bucket/... unsigned), gs://, http(s)://.

    filesystem: a pyarrow.fs.FileSystem to use instead of the one the URI names. Raises BadInput.
    """
    scheme = where.partition("://")[0] if "://" in where else ""
    if filesystem is not None:
        if holds_password(where):
            raise BadInput(shown_address(where), "holds a password", "leave it to the filesystem that is given")
        path = where.split("://", 1)[-1].removeprefix("anonymous@").rstrip("/")
        return ArrowLocation(filesystem, path, f"{scheme}://" if scheme else "")
    if scheme == "":
        return LocalFolder(where)
    if scheme == "file":
        return LocalFolder(where.removeprefix("file://"))
    if scheme in ("http", "https"):
        return WebFile(where)
    if scheme in ("s3", "gs"):
        return object_store(where, scheme)
    known = ", ".join(f"{s}://" for s in SCHEMES)
    raise BadInput(shown_address(where), f"unknown scheme {scheme!r}", f"use a local path or one of {known}")
