"""Listings made of a listing: what came to a job in several rounds, and rows of it that are run again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Rows, joined
from headrace.core.contracts import Listing, Read


class _Derived:
    """A listing that is like another one in all but its rows."""

    def __init__(self, like: Listing, rows: int) -> None:
        self.rows = rows
        self.key_name, self.image_name, self.has_images = like.key_name, like.image_name, like.has_images
        self.decodes, self.remote, self.burst_bytes = like.decodes, like.remote, like.burst_bytes
        self.row_a_file = like.row_a_file
        self._like = like

    def inside(self, folder: str) -> bool:
        """Whether any of its files lies below a local folder."""
        return self._like.inside(folder)


class JoinedListing(_Derived):
    """Listings of one source, one behind the other."""

    def __init__(self, parts: Sequence[Listing]) -> None:
        super().__init__(parts[0], sum(part.rows for part in parts))
        self._parts, self._starts = tuple(parts), [0, *accumulate(part.rows for part in parts)]

    def digest(self) -> str:
        """sha256 over the parts' digests."""
        return hashlib.sha256("".join(part.digest() for part in self._parts).encode()).hexdigest()

    def files(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """The parts' files, one part behind the other."""
        return chain.from_iterable(part.files() for part in self._parts)

    def only(self, keys: Collection[str]) -> JoinedListing:
        """Each part reduced to those keys."""
        return JoinedListing([part.only(keys) for part in self._parts])

    def head(self, rows: int) -> JoinedListing:
        """The first `rows` rows."""
        left = [max(0, min(p.rows, rows - start)) for p, start in zip(self._parts, self._starts, strict=False)]
        return JoinedListing([part.head(some) for part, some in zip(self._parts, left, strict=True) if some])

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Reads of at most `size` rows; none reaches from one part into the next."""
        for part, base in zip(self._parts, self._starts, strict=False):
            first, last = max(start - base, 0), min(stop - base, part.rows)
            if first < last:
                yield from part.reads(first, last, size)


@dataclass(frozen=True, slots=True)
class _Together:
    """Rows of a listing, in runs that stand side by side; each is enumerated only now, and let go when it is read."""

    whole: Listing
    runs: list[tuple[int, int]]

    def __call__(self) -> Rows:
        return joined([read.load() for read in self.reads()])

    def reads(self) -> Iterator[Read]:
        return chain.from_iterable(self.whole.reads(first, last, last - first) for first, last in self.runs)


class SelectedListing(_Derived):
    """Some rows of a listing, by their numbers: int64 [N], ascending."""

    def __init__(self, whole: Listing, selected: NDArray[np.int64]) -> None:
        super().__init__(whole, len(selected))
        self._whole, self._selected = whole, selected

    def digest(self) -> str:
        """sha256 over the whole listing's digest and the rows' numbers."""
        return hashlib.sha256(self._whole.digest().encode() + self._selected.tobytes()).hexdigest()

    def files(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """None of its own."""
        return iter(())

    def only(self, keys: Collection[str]) -> SelectedListing:
        """Itself."""
        return self

    def head(self, rows: int) -> SelectedListing:
        """The first `rows` of the selected rows."""
        return SelectedListing(self._whole, self._selected[:rows])

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Reads of at most `size` rows, gathered from wherever they stand."""
        for first in range(start, stop, size):
            rows = self._selected[first : min(first + size, stop)]
            runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
            together = _Together(self._whole, [(int(run[0]), int(run[-1]) + 1) for run in runs])
            yield Read(len(rows), sum(read.nbytes for read in together.reads()), together)
