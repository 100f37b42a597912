"""Photos as files: one row a file, keyed by its path."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from headrace.core.batch import Rows
from headrace.core.contracts import Read
from headrace.sources.entries import Entries, Entry
from headrace.sources.listed import FileListing, list_files
from headrace.sources.locations import Location
from headrace.sources.retrying import bytes_or_reason

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_UNKNOWN_SIZE = 100_000  # bytes; a web server need not say
_HASHED_TOGETHER = 4096  # entries; all lines at once took 200 MB for 10^6


@dataclass(frozen=True)
class ImageFiles:
    """Image files below a folder, by a glob, or listed; local, s3://, gs:// or https://."""

    paths: str | Path | Sequence[str | Path]
    filesystem: Any = field(default=None, repr=False)

    def describe(self) -> dict[str, Any]:
        """Its kind; the files themselves are in the listing's digest."""
        return {"kind": "images"}

    def list(self) -> ImageListing:
        """Walks the folders and sorts the files by key."""
        place, entries = list_files(self.paths, IMAGE_SUFFIXES, filesystem=self.filesystem)
        return ImageListing(place, entries)


@dataclass(frozen=True)
class ImageListing(FileListing):
    """The image files that were found, sorted by key."""

    place: Location
    entries: Entries
    key_name: str = "path"
    image_name: str = "image"
    has_images: bool = True
    decodes: bool = True
    row_a_file: bool = True
    burst_bytes: int = 0

    @property
    def rows(self) -> int:
        """How many files there are."""
        return len(self.entries)

    def digest(self) -> str:
        """sha256 over keys and sizes."""
        total = hashlib.sha256()
        for first in range(0, len(self.entries), _HASHED_TOGETHER):
            some = self.entries[first : first + _HASHED_TOGETHER]
            lines = map("{}\0{}\n".format, some.keys, some.sizes)
            total.update("".join(lines).encode(errors="surrogateescape"))
        return total.hexdigest()

    def head(self, rows: int) -> ImageListing:
        """The first `rows` files."""
        return replace(self, entries=self.entries[:rows])

    def files(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Key and size of every file, which is one row."""
        return zip(self.entries.keys, self.entries.sizes, repeat((1,)))

    def only(self, keys: Collection[str]) -> ImageListing:
        """Just the files whose key is in `keys`."""
        wanted = frozenset(keys)
        return replace(self, entries=self.entries.taken(i for i, key in enumerate(self.entries.keys) if key in wanted))

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Reads of at most `size` files."""
        for first in range(start, stop, size):
            entries = self.entries[first : min(first + size, stop)]
            nbytes = sum(size if size >= 0 else _UNKNOWN_SIZE for size in entries.sizes)
            yield Read(len(entries), nbytes, _Load(self, entries))


@dataclass(frozen=True, slots=True)
class _Load:
    listing: ImageListing
    entries: Entries

    def __call__(self) -> Rows:
        """Each file's bytes, or why it will never be read; what is no fault of the file's stops the run."""
        read = self.listing.place.read
        cells = [bytes_or_reason(e.key, partial(read, e.path), self._others(e)) for e in self.entries]
        return Rows(self.entries.keys, {}, [*cells])

    def _others(self, failed: Entry) -> Iterator[Callable[[], bytes]]:
        """Reads of a few other files, the first, the middle and the last: if one answers, the place is not down."""
        every = self.listing.entries
        for row in sorted({0, len(every) // 2, len(every) - 1}):
            if (other := every[row]) != failed:
                yield partial(self.listing.place.read, other.path)
