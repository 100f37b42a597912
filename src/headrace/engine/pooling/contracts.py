"""What a live pool's dispatcher and the engines promise each other."""

from __future__ import annotations

from typing import Any, Protocol


class Gone(Exception):
    """The worker has ended, before an answer or in the middle of it; the text says how. No user's code raises it."""


class PoolWorker(Protocol):
    """One worker: a process or an actor around a `Holder`. Called by one thread at a time, but for `kill`.

    A state is where an engine keeps pickled bytes for all its workers: opaque, and let go of with its last reference.
    """

    def ask(self, operation: str, *args: Any, state: Any = None) -> Any:
        """What the holder's operation returns for these arguments, and for the state's bytes where one is given.

        Raises what it raised, or Gone. Arguments beside a state are plain values, which any worker can unpickle.
        """

    def updated(self, version: int, method: str, arguments: bytes, base: Any = None) -> tuple[Any, Any]:
        """The method's answer and the new state, made on a copy of `version` (of the state `base` where there is one).

        arguments: (args, kwargs), pickled. Raises what the method or the pickling raised, or Gone.
        """

    def end(self) -> None:
        """Ends the worker, which has nothing to do now."""

    def kill(self) -> None:
        """Ends the worker whatever it does; the thread that waits for its answer gets Gone. May be called again."""


class PoolEngine(Protocol):
    """Where workers run. `close` is called once, when all of them have ended."""

    def keep(self, data: bytes) -> Any:
        """A state with these bytes."""

    def start(self) -> PoolWorker:
        """A new worker, with nothing built in it yet. Raises UsageError."""

    def close(self) -> None:
        """Lets go of what the engine holds."""
