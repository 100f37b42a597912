"""Rows of a user's blocks, as the engine reads rows: a listing that is handed its rows call by call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from headrace.core.batch import Cell, Columns, Rows, cell_nbytes
from headrace.core.contracts import Pixels, Read

ReadFile = Callable[[str, Sequence[str]], bytes | Exception]
"""Reads the file that a path names; the others lie beside it. See headrace.sources.named."""

_UNKNOWN_BYTES = 100_000  # of a file that is only named
_UNKNOWN_ROWS = 1 << 40  # nobody has counted the rows of a dataset that is still to be computed


@dataclass(frozen=True, kw_only=True)
class UserRows:
    """A Listing of rows that are still to come, and the Source of itself."""

    has_images: bool
    remote: bool = False
    rows: int = _UNKNOWN_ROWS
    key_name: str = "headrace_row"
    image_name: str = "image"
    decodes: bool = False
    row_a_file: bool = False
    burst_bytes: int = 0

    def describe(self) -> dict[str, Any]:
        """Its kind."""
        return {"kind": "ray"}

    def list(self) -> UserRows:
        """Itself."""
        return self

    def inside(self, folder: str) -> bool:
        """No: nothing of it is known to lie anywhere."""
        return False

    def digest(self) -> str:
        """Nothing is resumed."""
        return ""

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Rows that cannot be read yet, for those who look at the input before it comes."""
        for first in range(start, stop, size):
            yield Read(min(size, stop - first), 0, partial(_not_yet, min(size, stop - first)))

    def head(self, rows: int) -> UserRows:
        """Itself."""
        return self

    def files(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """None."""
        return iter(())

    def only(self, keys: Collection[str]) -> UserRows:
        """Itself."""
        return self


def _not_yet(rows: int) -> Rows:
    return Rows(["?"] * rows, {}, [LookupError("not read yet")] * rows)


@dataclass(frozen=True, kw_only=True)
class GivenRows(UserRows):
    """The rows of one call, from row `start` of all that the worker is given.

    values: one image a row, as pixels, encoded bytes or a path; or, for a user's class, None and its `columns`.
    """

    start: int = 0
    values: Sequence[Any] | None = None
    columns: Columns = field(default_factory=dict)
    read_file: ReadFile

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Reads of at most `size` rows."""
        for first in range(start - self.start, stop - self.start, size):
            last = min(first + size, stop - self.start)
            yield Read(last - first, self._nbytes(first, last), partial(self._load, first, last))

    def _nbytes(self, first: int, last: int) -> int:
        if self.values is None:
            return sum(array[first:last].nbytes for array in self.columns.values())
        return sum(_UNKNOWN_BYTES if isinstance(v, str) else cell_nbytes(v) for v in self.values[first:last])

    def _load(self, first: int, last: int) -> Rows:
        if self.values is None:
            keys = [f"row {row} of the block" for row in range(first, last)]
            return Rows(keys, {name: array[first:last] for name, array in self.columns.items()})
        values = self.values
        keys = [v if isinstance(v := values[r], str) else f"row {r} of the block" for r in range(first, last)]
        others = [v for r in (0, len(values) // 2, len(values) - 1) if isinstance(v := values[r], str)]
        return Rows(keys, {}, [self._cell(values[row], others) for row in range(first, last)])

    def _cell(self, value: object, others: Sequence[str]) -> Cell:
        if isinstance(value, str):
            return self.read_file(value, others)
        if value is None:
            return ValueError("there is no image: the value is null")
        if isinstance(value, list):  # Arrow's lists; the decoder says what is wrong with a shape or type
            try:
                return np.array(value, np.uint8)
            except (ValueError, OverflowError) as error:
                return ValueError(f"a list that is no uint8 image: {error}")
        return value  # type: ignore[return-value]  # what is no cell the decoder refuses, row by row


@dataclass(frozen=True)
class Ready:
    """The Decoder of pixels that a task before has brought to the model's size."""

    def pixel_bytes(self, cell: Cell) -> int:
        """0: nothing is unpacked."""
        return 0

    def decode(self, cell: Cell) -> Pixels:
        """The pixels."""
        assert isinstance(cell, np.ndarray)
        return cell

    def decode_into(self, cell: Cell, slot: Pixels) -> None:
        """Copies them: 0.02 ms a 224x224 photo (2-core EPYC)."""
        slot[:] = self.decode(cell)
