"""Files on this machine, and on what is mounted there."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from headrace.sources.entries import Entries, left_out, shown_path

# Opening a pipe that took a file's place must not wait for a writer, nor a terminal become ours.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_MOST_WAYS = 1000  # 40 links in a row, each doubled, would make 10^12

LARGEST_BYTES = 2**31 - 4096
"""The largest photo that is read: what one read() gives on Linux. A larger file is a mistake or a trap."""


class LocalFolder:
    """A local file, or a folder with all that is below it; links are followed, also out of it, but not those that lead
    nowhere or round."""

    filesystem = None

    def __init__(self, path: str) -> None:
        self.root = absolute(path)

    def walk(self, fits: Callable[[str], bool]) -> Entries:
        """All files below it whose names fit, hidden ones and headrace's own folder left out; or itself."""
        found = Entries()
        status = os.stat(self.root)  # noqa: PTH116
        if stat.S_ISREG(status.st_mode):
            found.add(self.root, shown_path(self.root), status.st_size)
            return found
        if not stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EINVAL, "Neither a file nor a folder", self.root)
        folders: list[tuple[str, frozenset[tuple[int, int]]]] = [(self.root, frozenset())]
        ways: Counter[tuple[int, int]] = Counter()
        while folders:  # no recursion: paths may be 2,000 folders deep
            folder, above = folders.pop()
            status = os.stat(folder)  # noqa: PTH116
            identity = (status.st_dev, status.st_ino)
            here = above | {identity}
            if here == above or (above and os.path.isdir(f"{folder}/_headrace")):  # noqa: PTH112
                continue  # a loop of links, or an output folder, which is no input
            ways[identity] += 1
            if ways[identity] > _MOST_WAYS:
                raise OSError(errno.ELOOP, f"Reached in more than {_MOST_WAYS:,} ways, by links", folder)
            folders += [(below, here) for below in _scanned(folder, fits, found)]
        return found

    def read(self, path: str) -> bytes:
        """A whole file, as large as it is by now."""
        descriptor, size = _opened(path)
        try:
            if size > LARGEST_BYTES:
                raise OSError(errno.EFBIG, f"{size} bytes are more than a photo has", path)
            data = os.read(descriptor, size)  # half the time of open().read() for a 75 KB file
            if len(data) == size:
                return data
            with os.fdopen(descriptor, "rb", closefd=False) as rest:  # some network mounts give less than was asked for
                return data + rest.read(LARGEST_BYTES)
        finally:
            os.close(descriptor)

    @contextmanager
    def open(self, path: str) -> Iterator[Any]:
        """A seekable binary file."""
        descriptor, _ = _opened(path)
        with os.fdopen(descriptor, "rb") as file:
            yield file


def absolute(path: str) -> str:
    """The absolute path; behind a link, `..` leads where the system takes it: above where the link leads."""
    whole = os.path.join(os.getcwd(), os.path.expanduser(path))  # noqa: PTH109, PTH111, PTH118
    plain = os.path.normpath(whole)
    if "/.." in whole and os.path.realpath(plain) != os.path.realpath(whole):
        return os.path.realpath(whole)
    return plain


def _scanned(folder: str, fits: Callable[[str], bool], found: Entries) -> list[str]:
    """Adds the files in a folder to `found`; the folders in it."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if left_out(entry.name) or (entry.is_symlink() and not os.path.exists(entry.path)):  # noqa: PTH110
                continue
            if entry.is_dir():
                folders.append(entry.path)
            elif fits(entry.name) and entry.is_file():
                try:
                    size = entry.stat().st_size
                except FileNotFoundError:
                    continue  # deleted since the folder was read
                found.add(entry.path, shown_path(entry.path), size)
    return folders


def _opened(path: str) -> tuple[int, int]:
    """A descriptor of a regular file, and its size. Raises OSError for all that is none."""
    descriptor = os.open(path, _FLAGS)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status.st_size
    os.close(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "Not a regular file", path)
