"""Messages between processes: pickled by protocol 5, with the arrays' bytes in shared memory."""

from __future__ import annotations

import mmap
import os
import pickle
import struct
from typing import Any, BinaryIO

import cloudpickle

_LENGTH = struct.Struct("<Q")
_ALIGNMENT = 64


class Channel:
    """One direction of messages: headers through a pipe, array bytes through a memfd that grows as needed.

    A memfd, unlike a named segment, is gone with the last process that holds it, however that process ends.
    """

    def __init__(self, pipe: BinaryIO, memory: int) -> None:
        self._pipe, self._memory = pipe, memory
        self._map: mmap.mmap | None = None

    def send(self, message: Any) -> None:
        """Sends a message; its arrays are copied into the shared memory."""
        buffers: list[pickle.PickleBuffer] = []
        header = cloudpickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        raw = [b.raw() for b in buffers]
        offsets, total = _laid_out([r.nbytes for r in raw])
        if total:
            shared = self._mapped(total, grow=True)
            for offset, source in zip(offsets, raw, strict=True):
                shared[offset : offset + source.nbytes] = source
        places = [(o, r.nbytes) for o, r in zip(offsets, raw, strict=True)]
        body = pickle.dumps((header, places, total))
        self._pipe.write(_LENGTH.pack(len(body)) + body)
        self._pipe.flush()

    def receive(self, *, copy: bool) -> Any:
        """The next message. Without `copy` its arrays lie in the shared memory, until the next message. Raises
        EOFError."""
        body = self._exactly(_LENGTH.unpack(self._exactly(_LENGTH.size))[0])
        header, places, total = pickle.loads(body)  # noqa: S301 - from our own worker process, over our own pipe
        shared = memoryview(self._mapped(total, grow=False)) if total else memoryview(b"")
        parts = [shared[o : o + n] for o, n in places]
        return pickle.loads(header, buffers=[bytearray(p) for p in parts] if copy else parts)  # noqa: S301 - as above

    def _exactly(self, size: int) -> bytes:
        data = self._pipe.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _mapped(self, size: int, *, grow: bool) -> mmap.mmap:
        if self._map is None or len(self._map) < size:
            if grow:
                size = -(-size * 5 // 4 // mmap.PAGESIZE) * mmap.PAGESIZE
                os.ftruncate(self._memory, size)
            self._map = mmap.mmap(self._memory, os.fstat(self._memory).st_size)
        return self._map


def _laid_out(sizes: list[int]) -> tuple[list[int], int]:
    """Aligned offsets for parts of these sizes, and the whole length."""
    offsets, position = [], 0
    for size in sizes:
        offsets.append(position)
        position += -(-size // _ALIGNMENT) * _ALIGNMENT
    return offsets, position
