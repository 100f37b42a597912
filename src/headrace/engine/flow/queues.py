"""Queues between stages: bounded in bytes, and in order whatever the workers' timing."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The run is being stopped."""


class Ended(Exception):
    """Nothing more will come."""


@dataclass(slots=True, eq=False)
class Ticket(Generic[T]):
    """A reserved place; what is filled into it comes out in the order of reserving."""

    nbytes: int
    filled: bool = False
    item: T | None = None


class OrderedQueue(Generic[T]):
    """Places are reserved in order, filled in any order, and taken in order.

    `reserve` blocks while `budget_bytes` are held and something is held at all, so that an item larger than the budget
    still passes, alone.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._held = 0
        self._places: deque[Ticket[T]] = deque()
        self._closed = self._ended = False
        lock = threading.Lock()
        self._room = threading.Condition(lock)
        self._ready = threading.Condition(lock)

    def reserve(self, nbytes: int) -> Ticket[T]:
        """The next place. Raises Closed."""
        with self._room:
            while not self._closed and self._held > 0 and self._held + nbytes > self._budget:
                self._room.wait()
            if self._closed:
                raise Closed
            assert not self._ended
            ticket: Ticket[T] = Ticket(nbytes)
            self._places.append(ticket)
            self._held += nbytes
            return ticket

    def fill(self, ticket: Ticket[T], item: T, nbytes: int | None = None) -> None:
        """Puts the item of a place; `nbytes` when it turned out larger or smaller than was reserved."""
        with self._ready:
            if nbytes is not None:
                self._held += nbytes - ticket.nbytes
                ticket.nbytes = nbytes
                self._room.notify_all()
            ticket.item, ticket.filled = item, True
            if self._places and self._places[0].filled:
                self._ready.notify()

    def get(self) -> T:
        """The item of the first place, once it is filled. Raises Ended after the last, Closed when stopped."""
        with self._ready:
            while not self._closed and not (self._places and self._places[0].filled):
                if self._ended and not self._places:
                    raise Ended
                self._ready.wait()
            if self._closed:
                raise Closed
            ticket = self._places.popleft()
            self._held -= ticket.nbytes
            self._room.notify()
            if (self._places and self._places[0].filled) or (self._ended and not self._places):
                self._ready.notify_all()
            assert ticket.item is not None
            return ticket.item

    def end(self) -> None:
        """Says that no place will be reserved any more."""
        with self._ready:
            self._ended = True
            self._ready.notify_all()

    def close(self) -> None:
        """Stops everyone who waits here."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
            self._room.notify_all()
