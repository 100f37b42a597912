"""The host's memory as a budget: who would exceed it waits."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class MemoryBudget:
    """Bytes that many threads may hold together. What is larger than the whole budget passes alone."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._held = self.peak_bytes = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, nbytes: int) -> Iterator[None]:
        """Around work that needs `nbytes`; waits for others to let go. Not to be nested."""
        with self._changed:
            while self._held and self._held + nbytes > self.limit_bytes:
                self._changed.wait()
            self._held += nbytes
            self.peak_bytes = max(self.peak_bytes, self._held)
        try:
            yield
        finally:
            with self._changed:
                self._held -= nbytes
                self._changed.notify_all()
