"""A gate that many pass together, or one alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Gate:
    """Many may pass together, or one alone; by thread, so that one that is left behind can be taken out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: dict[int, bool] = {}

    def enter(self, *, alone: bool) -> None:
        """Waits until nobody is inside, or, not `alone`, nobody who is alone."""
        with self._changed:
            while any(self._inside.values()) or (alone and self._inside):
                self._changed.wait()
            self._inside[threading.get_ident()] = alone

    def leave(self, thread: int) -> None:
        """Takes a thread out, if it is inside."""
        with self._changed:
            self._inside.pop(thread, None)
            self._changed.notify_all()

    @contextlib.contextmanager
    def passing(self, *, alone: bool) -> Iterator[None]:
        """Around what is done inside."""
        self.enter(alone=alone)
        try:
            yield
        finally:
            self.leave(threading.get_ident())
