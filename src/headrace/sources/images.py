"""Photos as files: one row a file, keyed by its path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.core.batch import Cell, Rows
from headrace.core.contracts import Read
from headrace.sources.listed import list_files
from headrace.sources.locations import Entry, LocalFolder, Location

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_UNKNOWN_SIZE = 100_000  # bytes; a web server need not say


@dataclass(frozen=True)
class ImageFiles:
    """Image files below a folder, by a glob, or listed; local, s3://, gs:// or https://."""

    paths: str | Path | Sequence[str | Path]
    filesystem: Any = None

    def describe(self) -> dict[str, Any]:
        """Its kind; the files themselves are in the listing's digest."""
        return {"kind": "images"}

    def list(self) -> ImageListing:
        """Walks the folders and sorts the files by key."""
        place, entries = list_files(self.paths, IMAGE_SUFFIXES, filesystem=self.filesystem)
        return ImageListing(place, entries)


@dataclass(frozen=True)
class ImageListing:
    """The image files that were found, sorted by key."""

    place: Location
    entries: list[Entry]
    key_name: str = "path"
    image_name: str = "image"
    has_images: bool = True
    decodes: bool = True
    burst_bytes: int = 0

    @property
    def rows(self) -> int:
        """How many files there are."""
        return len(self.entries)

    @property
    def remote(self) -> bool:
        """Whether the files are on another machine."""
        return not isinstance(self.place, LocalFolder)

    def inside(self, folder: str) -> bool:
        """Whether any file lies below a local folder."""
        return not self.remote and any(Path(e.path).is_relative_to(folder) for e in self.entries)

    def digest(self) -> str:
        """sha256 over keys and sizes."""
        lines = (f"{e.key}\0{e.size}\n" for e in self.entries)
        return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()

    def head(self, rows: int) -> ImageListing:
        """The first `rows` files."""
        return replace(self, entries=self.entries[:rows])

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Reads of at most `size` files."""
        for first in range(start, stop, size):
            entries = self.entries[first : min(first + size, stop)]
            nbytes = sum(e.size if e.size >= 0 else _UNKNOWN_SIZE for e in entries)
            yield Read(len(entries), nbytes, _Load(self.place, entries))


@dataclass(frozen=True, slots=True)
class _Load:
    place: Location
    entries: list[Entry]

    def __call__(self) -> Rows:
        return Rows([e.key for e in self.entries], {}, [self._cell(e) for e in self.entries])

    def _cell(self, entry: Entry) -> Cell:
        """The file's bytes, or why it will never be read. Other errors of reading are no fault of the row's:
        they stop the run, which can be resumed."""
        try:
            return self.place.read(entry.path)
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            return error
