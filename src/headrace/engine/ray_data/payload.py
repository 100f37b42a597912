"""A partition as one row of a block: Ray Data can neither split nor mix rows, and drops none.

The row's columns are `number` (int64: the partition), `payload` (large_binary: its batches; null behind the write) and
`told` (large_binary: what the workers tell the driver: counts and costs).
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from headrace.core.batch import Batch
from headrace.engine.ray_data.work import Told

MOST_BYTES = 256 << 20
"""A larger payload is not made: the worker behind reads the partition itself."""

_ALIGNED = 64  # bytes; what Arrow and the runtimes like best
_HEAD = struct.Struct("<QQ")  # bytes of the pickle, how many buffers
SCHEMA = pa.schema([("number", pa.int64()), ("payload", pa.large_binary()), ("told", pa.large_binary())])


@dataclass(frozen=True)
class Parcel:
    """A partition on its way. batches: None where the next worker is to read it itself, and behind the write.

    told: of the legs so far. sent: called with each batch once its arrays have been copied.
    """

    number: int
    batches: list[Batch] | None
    told: Told
    sent: Callable[[Batch], None] = field(default=lambda _: None, repr=False)

    def without_batches(self) -> Parcel:
        """Only what is told of it."""
        return replace(self, batches=None)

    def row(self) -> pa.Table:
        """As a table of one row; the arrays' bytes are copied once."""
        payload = None if self.batches is None else packed(self.batches)
        for batch in self.batches or ():
            self.sent(batch)
        columns = [pa.array([self.number], pa.int64()), _binary(payload), _binary(pickle.dumps(self.told, 5))]
        return pa.Table.from_arrays(columns, schema=SCHEMA)


def parcels(table: pa.Table) -> Iterator[Parcel]:
    """The rows of a block; arrays are views of its memory, which nobody may write to."""
    numbers = table.column("number").to_pylist()
    for number, payload, told in zip(numbers, _views(table, "payload"), _views(table, "told"), strict=True):
        assert told is not None
        yield Parcel(number, None if payload is None else unpacked(payload), pickle.loads(told))  # noqa: S301 - ours


def packed(batches: Sequence[Batch]) -> pa.Buffer:
    """Batches as one buffer: a pickle, then the arrays' bytes, each aligned to 64."""
    buffers: list[pickle.PickleBuffer] = []
    trimmed = [_trimmed(batch) for batch in batches]
    head = pickle.dumps(trimmed, 5, buffer_callback=buffers.append)
    raw = [buffer.raw() for buffer in buffers]
    sizes = np.array([view.nbytes for view in raw], np.int64)
    start = _aligned(_HEAD.size + sizes.nbytes + len(head))
    total = start + sum(_aligned(int(size)) for size in sizes)
    whole = pa.allocate_buffer(total)
    into = memoryview(whole).cast("B")
    _HEAD.pack_into(into, 0, len(head), len(raw))
    into[_HEAD.size : _HEAD.size + sizes.nbytes] = sizes.tobytes()
    into[_HEAD.size + sizes.nbytes : _HEAD.size + sizes.nbytes + len(head)] = head
    for view, size in zip(raw, sizes.tolist(), strict=True):
        into[start : start + size] = view
        start += _aligned(size)
    return whole


def unpacked(payload: memoryview) -> list[Batch]:
    """The batches that `packed` packed, their arrays as views of `payload`."""
    length, count = _HEAD.unpack_from(payload, 0)
    sizes = np.frombuffer(payload, np.int64, count, _HEAD.size).tolist()
    begin = _HEAD.size + 8 * count
    start = _aligned(begin + length)
    views = []
    for size in sizes:
        views.append(payload[start : start + size])
        start += _aligned(size)
    batches: list[Batch] = pickle.loads(payload[begin : begin + length], buffers=views)  # noqa: S301 - our own workers'
    return batches


def _trimmed(batch: Batch) -> Batch:
    """Only the rows of its tensor that count; what else the tensor held is not sent."""
    return batch if batch.tensor is None else replace(batch, tensor=batch.tensor[: len(batch.keys)])


def _aligned(nbytes: int) -> int:
    return -(-nbytes // _ALIGNED) * _ALIGNED


def _binary(data: pa.Buffer | bytes | None) -> pa.Array:
    """One value as an array, not copied."""
    if data is None:
        return pa.nulls(1, pa.large_binary())
    buffer = data if isinstance(data, pa.Buffer) else pa.py_buffer(data)
    offsets = pa.py_buffer(np.array([0, buffer.size], np.int64))
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, buffer])


def _views(table: pa.Table, name: str) -> Iterator[memoryview | None]:
    for chunk in table.column(name).chunks:
        for value in chunk:
            yield None if not value.is_valid else memoryview(value.as_buffer()).cast("B")
