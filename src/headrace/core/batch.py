"""What flows between stages: rows as columns, with the rows that fell out on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]
"""Named arrays of equal length; the first axis is the row."""

Cell = bytes | NDArray[np.uint8] | Exception
"""One image as it was read: encoded bytes, pixels uint8 [H, W, 3], or why it could not be read."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that left the run: its `key`, the `stage` it left at, why, and the bytes it came as (None: not had)."""

    key: str
    stage: str
    error_type: str
    message: str
    original: bytes | None

    @classmethod
    def of(cls, key: str, stage: str, error: BaseException, original: object = None) -> Reject:
        """The reject of a row that `error` was raised for."""
        kept = original if isinstance(original, bytes) else None
        return cls(key, stage, type(error).__name__, str(error) or type(error).__name__, kept)


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows as a source read them: their keys, the columns that are kept, one image cell each (or none)."""

    keys: list[str]
    columns: Columns
    cells: list[Cell] | None = None

    def only(self, mask: NDArray[np.bool_]) -> Rows:
        """The rows where `mask` is true."""
        if mask.all():
            return self
        kept = np.flatnonzero(mask)
        cells = None if self.cells is None else [self.cells[i] for i in kept]
        return Rows([self.keys[i] for i in kept], {name: array[kept] for name, array in self.columns.items()}, cells)

    def nbytes(self) -> int:
        """Bytes held, headers of Python objects left out."""
        cells = sum(cell_nbytes(c) for c in self.cells or ())
        return cells + sum(a.nbytes for a in self.columns.values()) + sum(map(len, self.keys))


def cell_nbytes(cell: Cell) -> int:
    """Bytes of one cell's data; 0 for an error."""
    if isinstance(cell, np.ndarray):
        return cell.nbytes
    return len(cell) if isinstance(cell, bytes) else 0


def end_to_end(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Columns of several batches as one; of objects where their rows have different shapes."""
    if len({a.shape[1:] for a in arrays}) == 1:
        return np.concatenate(arrays)
    whole = np.empty(sum(len(a) for a in arrays), dtype=object)
    for i, value in enumerate(v for a in arrays for v in a):
        whole[i] = value
    return whole


def stacked(values: Sequence[Any]) -> Any:
    """Values as one array whose first axis is the row; of objects where shapes or types differ."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = None
    return objects(values) if array is None or array.dtype.kind in "OSUV" else array


def objects(values: Sequence[Any]) -> NDArray[Any]:
    """Values as a one-dimensional array of objects, each as it is."""
    array = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):  # array[:] would take apart lists of equal length
        array[row] = value
    return array


@dataclass(slots=True)
class Batch:
    """Consecutive rows of one partition on their way through the stages; owned by the stage that holds it.

    `first_row` is the offset in the partition of the first row read
    for it, `rows_in` how many were read; `last` marks the partition's last batch. `tensor` is the model-ready
    uint8 [capacity, H, W, 3], of which the first `len(keys)` rows count.
    """

    partition: int
    first_row: int
    rows_in: int
    last: bool
    keys: list[str]
    columns: Columns
    cells: list[Cell] | None = None
    tensor: NDArray[np.uint8] | None = None
    rejects: list[Reject] = field(default_factory=list)

    def nbytes(self) -> int:
        """Bytes held, headers of Python objects left out."""
        own = 0 if self.tensor is None else self.tensor.nbytes
        own += sum(len(r.original or b"") for r in self.rejects)
        return own + Rows(self.keys, self.columns, self.cells).nbytes()

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Keeps only the rows where `mask` is true."""
        rows = Rows(self.keys, self.columns, self.cells).only(mask)
        self.keys, self.columns, self.cells = rows.keys, rows.columns, rows.cells
        if self.tensor is not None:
            self.tensor[: len(self.keys)] = self.tensor[np.flatnonzero(mask)]
