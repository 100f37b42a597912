"""Batch tensors, used again and again: fresh memory would be faulted in anew for every batch."""

from __future__ import annotations

import threading

import numpy as np

from headrace.core.contracts import Pixels


class TensorPool:
    """uint8 arrays of one shape; `take` gives one to own, `give` takes it back."""

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.shape = shape
        self._free: list[Pixels] = []
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of one array."""
        return int(np.prod(self.shape))

    def take(self) -> Pixels:
        """An array; its content is whatever was there."""
        with self._lock:
            return self._free.pop() if self._free else np.empty(self.shape, np.uint8)

    def give(self, tensor: Pixels) -> None:
        """Takes an array back."""
        if tensor.shape == self.shape:
            with self._lock:
                self._free.append(tensor)


def padded(photos: Pixels, rows: int) -> Pixels:
    """Photos, at most `rows` of them, as a contiguous tensor of `rows`, with zeros behind."""
    if len(photos) == rows:
        return np.ascontiguousarray(photos)
    whole = np.zeros((rows, *photos.shape[1:]), np.uint8)
    whole[: len(photos)] = photos
    return whole
