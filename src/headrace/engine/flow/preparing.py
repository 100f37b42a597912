"""Reading and preparing: pieces of a batch are read and decoded by many threads, straight into the batch's tensor."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from headrace.core.batch import Batch, Cell, Reject, Rows, joined
from headrace.core.contracts import Decoder, Listing, Pixels, Read
from headrace.core.partition import Partition
from headrace.engine.flow.buffers import TensorPool
from headrace.engine.flow.memory import MemoryBudget
from headrace.engine.flow.places import located
from headrace.engine.flow.queues import Ticket
from headrace.engine.flow.recorder import Unrecorded, crashed


@dataclass(eq=False)
class Pending:
    """A batch whose pieces are being read and prepared."""

    partition: Partition
    first_row: int
    rows: int
    pieces: int
    last: bool
    tensor: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None = None
    ticket: Ticket[Batch] | None = None
    parts: dict[int, Part] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listing_row(self, offset: int) -> int:
        """Where in the listing the batch's row at `offset` stands."""
        return self.partition.start + self.first_row + offset

    def add(self, offset: int, part: Part) -> Batch | None:
        """Adds a prepared piece; the whole batch when it was the last one missing."""
        with self.lock:
            self.parts[offset] = part
            if len(self.parts) < self.pieces:
                return None
        return self._whole()

    def _whole(self) -> Batch:
        parts = [self.parts[o] for o in sorted(self.parts)]
        rows = joined([p.rows for p in parts])
        good = np.concatenate([p.good for p in parts])
        kept = np.flatnonzero(good)
        if self.tensor is not None and len(kept) < len(good):
            self.tensor[: len(kept)] = self.tensor[kept]
        return Batch(
            partition=self.partition.number,
            first_row=self.first_row,
            rows_in=self.rows,
            last=self.last,
            keys=rows.keys,
            columns=rows.columns,
            rows=self.listing_row(0) + kept,
            cells=rows.cells,
            tensor=self.tensor,
            rejects=[r for p in parts for r in p.rejects],
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A prepared piece: its good rows, which of those that were read they are, and the rejects of the others."""

    rows: Rows
    good: np.ndarray[tuple[int], np.dtype[np.bool_]]
    rejects: list[Reject]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a batch that is to be read; then, with `rows`, to be prepared."""

    pending: Pending
    offset: int
    read: Read
    rows: Rows | None = None


def pieces(
    listing: Listing, todo: Iterable[Partition], batch_size: int, chunk_rows: int, skip_rows: int
) -> Iterator[Piece]:
    """The pieces of all batches of the partitions `todo`, in order; the first `skip_rows` rows of the first are left
    out. A batch is a whole number of chunks, its last one aside."""
    assert batch_size % chunk_rows == 0
    for partition in todo:
        start = partition.start + skip_rows
        skip_rows = 0
        reads = _placed(listing, partition, start, chunk_rows)
        for first in range(start, partition.stop, batch_size):
            stop = min(first + batch_size, partition.stop)
            count = -(-(stop - first) // chunk_rows)
            last = stop == partition.stop
            pending = Pending(partition, first - partition.start, stop - first, count, last)
            for offset in range(0, stop - first, chunk_rows):
                yield Piece(pending, offset, next(reads))


def _placed(listing: Listing, partition: Partition, start: int, chunk_rows: int) -> Iterator[Read]:
    """The reads of a partition from row `start` on; what enumerating them raises says where."""
    try:
        yield from listing.reads(start, partition.stop, chunk_rows)
    except Exception as error:
        raise located("read", partition.number, start - partition.start, partition.rows, [], error) from error


_NAME = "prepare"
_COPIES = 5  # of the pixels while a photo is decoded: 7 bytes a pixel, up to 16 for progressive JPEG and WebP


class Preparer:
    """Decodes the cells of a piece: into the model's window in the batch's tensor, or whole, as an image column.

    Photos that would exceed the budget of memory wait.
    """

    def __init__(
        self,
        decoder: Decoder,
        pool: TensorPool | None,
        image_name: str,
        memory: MemoryBudget,
        recorder: Unrecorded,
        *,
        keep_cells: bool = False,
    ) -> None:
        self._decoder, self.pool, self._image_name, self._keep_cells = decoder, pool, image_name, keep_cells
        self._memory, self._recorder, self._suspects = memory, recorder, recorder.suspects(_NAME)

    def batch_bytes(self, piece: Piece) -> int:
        """About what the batch will hold that begins with `piece`."""
        if self.pool is not None:
            return self.pool.nbytes
        assert piece.rows is not None
        pixels = sum(self._decoder.pixel_bytes(c) for c in piece.rows.cells or ())
        return max(piece.read.nbytes, pixels) * piece.pending.pieces

    def __call__(self, rows: Rows, pending: Pending, offset: int) -> Part:
        """Prepares `rows`, which stand in the batch from `offset` on."""
        tensor, first = pending.tensor, pending.listing_row(offset)
        assert rows.cells is not None
        good = np.ones(len(rows.keys), np.bool_)
        rejects: list[Reject] = []
        decoded: list[Cell] = []
        for i, (place, cell) in enumerate(zip(rows.places().tolist(), rows.cells, strict=True)):
            row = first + place
            try:
                if (crashes := self._suspects.get((row, row), 0)) > 1:
                    raise crashed(crashes)
                slot = None if tensor is None else tensor[offset + place]
                try:
                    pixels = self._decoded(cell, slot, row, _COPIES * self._decoder.pixel_bytes(cell))
                except MemoryError:  # its neighbours' fault perhaps: once more, while nothing else is decoded
                    pixels = self._decoded(cell, slot, row, self._memory.limit_bytes)
                if pixels is not None:
                    decoded.append(pixels)
            except Exception as error:  # noqa: BLE001 - a decoder may raise anything over a broken file; it is recorded
                stage = "read" if isinstance(cell, Exception) else "decode"
                rejects.append(Reject.of(rows.keys[i], row, stage, error, cell))
                good[i] = False
        kept = rows.only(good)
        if tensor is not None:
            return Part(Rows(kept.keys, kept.columns, kept.cells if self._keep_cells else None), good, rejects)
        return Part(Rows(kept.keys, kept.columns | {self._image_name: as_column(decoded)}), good, rejects)

    def _decoded(self, cell: Cell, slot: Pixels | None, row: int, nbytes: int) -> Pixels | None:
        """The whole image, or nothing where there is a slot to decode it into."""
        with self._memory.hold(nbytes), self._recorder.in_hand(_NAME, row, row):
            if slot is None:
                return self._decoder.decode(cell)
            self._decoder.decode_into(cell, slot)
            return None


def prepared(preparer: Preparer | None, rows: Rows, pending: Pending, offset: int) -> Part:
    """A piece that was read, prepared: decoded where there is something to decode, without rows that were lost."""
    if preparer is not None and rows.cells is not None:
        part = preparer(rows, pending, offset)
    else:
        part = Part(replace(rows, lost=()), np.ones(len(rows.keys), np.bool_), [])
    if not rows.lost:
        return part
    good = np.zeros(rows.count, np.bool_)
    good[rows.places()] = part.good
    lost = [Reject.of(one.key, pending.listing_row(offset + one.place), "read", one.error) for one in rows.lost]
    return Part(part.rows, good, sorted([*lost, *part.rejects], key=lambda reject: reject.row))


def as_column(cells: Sequence[Cell | None]) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """Cells as one column: uint8 [N, H, W, 3] where all shapes are equal, else objects."""
    shapes = {c.shape if isinstance(c, np.ndarray) else None for c in cells}
    if len(shapes) == 1 and None not in shapes:
        return np.stack([c for c in cells if isinstance(c, np.ndarray)])
    column = np.empty(len(cells), dtype=object)
    for i, cell in enumerate(cells):
        column[i] = cell
    return column
