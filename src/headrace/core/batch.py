"""What flows between stages: rows as columns, with the rows that fell out on the way."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]
"""Named arrays of equal length; the first axis is the row."""

Cell = bytes | NDArray[np.uint8] | Exception
"""One image as it was read: encoded bytes, pixels uint8 [H, W, 3], or why it could not be read."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that left the run: its `key` and place in the listing, the `stage` it left at, why, and what it came as:
    the image's bytes, its pixels as an .npy file, or the columns as JSON (None: could not be read)."""

    key: str
    row: int
    stage: str
    error_type: str
    message: str
    original: bytes | None

    @classmethod
    def of(cls, key: str, row: int, stage: str, error: BaseException, original: object = None) -> Reject:
        """The reject of a row that `error` was raised for."""
        return cls(key, row, stage, type(error).__name__, _text(error), _as_bytes(original))

    def without_original(self) -> Reject:
        """Only what it was and why."""
        return replace(self, original=None)


def _text(error: BaseException) -> str:
    """What an error says, as text that can be written: user code may raise anything."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - its own __str__ raises
        said = ""
    return (said or type(error).__name__).encode(errors="backslashreplace").decode()


def _as_bytes(original: object) -> bytes | None:
    """What a row came as: bytes as they are, pixels as an .npy file, columns as JSON."""
    if isinstance(original, np.ndarray):
        file = io.BytesIO()
        np.save(file, original)
        return file.getvalue()
    if isinstance(original, dict):
        with contextlib.suppress(ValueError, RecursionError):  # it holds itself
            return json.dumps(original, default=_json_value).encode()
    return original if isinstance(original, bytes) else None


def _json_value(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


@dataclass(frozen=True, slots=True)
class Lost:
    """A row that could not be read at all: its place among those that were read together, its key, why."""

    place: int
    key: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows as a source read them: their keys, the columns that are kept, one image cell each (or none).

    lost: rows in between that are not among them.
    """

    keys: list[str]
    columns: Columns
    cells: list[Cell] | None = None
    lost: tuple[Lost, ...] = ()

    @property
    def count(self) -> int:
        """How many were read, lost ones too."""
        return len(self.keys) + len(self.lost)

    def places(self) -> NDArray[np.int64]:
        """Where each row stands among those that were read together: int64 [len(keys)]."""
        places = np.arange(self.count)
        return np.delete(places, [one.place for one in self.lost]) if self.lost else places

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


def joined(parts: Sequence[Rows]) -> Rows:
    """Consecutive rows as one."""
    if len(parts) == 1:
        return parts[0]
    read = [p for p in parts if p.keys] or parts[:1]
    columns: Columns = {name: end_to_end([p.columns[name] for p in read]) for name in read[0].columns}
    cells = None if read[0].cells is None else [c for p in read for c in p.cells or ()]
    starts = accumulate((p.count for p in parts), initial=0)
    lost = tuple(
        replace(one, place=start + one.place) for start, p in zip(starts, parts, strict=False) for one in p.lost
    )
    return Rows([k for p in read for k in p.keys], columns, cells, lost)


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
    for it, `rows_in` how many were read; `last` marks the partition's last batch. `rows` says where in the listing
    each of `keys` stands, int64. `tensor` is the model-ready uint8 [capacity, H, W, 3], of which the first `len(keys)`
    rows count.
    """

    partition: int
    first_row: int
    rows_in: int
    last: bool
    keys: list[str]
    columns: Columns
    rows: NDArray[np.int64]
    cells: list[Cell] | None = None
    tensor: NDArray[np.uint8] | None = None
    rejects: list[Reject] = field(default_factory=list)

    def nbytes(self) -> int:
        """Bytes held, headers of Python objects left out."""
        own = 0 if self.tensor is None else self.tensor.nbytes
        own += sum(len(r.original or b"") for r in self.rejects)
        return own + Rows(self.keys, self.columns, self.cells).nbytes()

    def part(self, start: int, stop: int) -> Batch:
        """Rows `start` to `stop` as a batch of their own, without rejects; it shares this one's memory."""
        return replace(
            self,
            keys=self.keys[start:stop],
            columns={name: array[start:stop] for name, array in self.columns.items()},
            rows=self.rows[start:stop],
            cells=None if self.cells is None else self.cells[start:stop],
            tensor=None if self.tensor is None else self.tensor[start:stop],
            rejects=[],
        )

    def rejoined(self, parts: Sequence[Batch]) -> Batch:
        """This batch with the rows, columns and rejects of `parts`, which are what became of it, in order."""
        kept = [p for p in parts if p.keys] or parts[-1:]
        return replace(
            self,
            keys=[k for p in kept for k in p.keys],
            columns={name: end_to_end([p.columns[name] for p in kept]) for name in kept[0].columns},
            rows=np.concatenate([p.rows for p in kept]),
            cells=None if kept[0].cells is None else [c for p in kept for c in p.cells or ()],
            tensor=None,
            rejects=[*self.rejects, *(r for p in parts for r in p.rejects)],
        )
