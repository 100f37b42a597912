"""The worker's end of a live pool, the same on every engine: a class's instances by version."""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO

import cloudpickle


class Holder:
    """Holds the instance of each version that calls may name: version 0 is built, later ones are loaded.

    A state is pickled in one piece, so that the arrays of what is loaded are its own and can be written into.
    """

    def __init__(self) -> None:
        self._held: dict[int, Any] = {}

    def build(self, state: Any) -> None:
        """Builds version 0 from the pickled (class, args, kwargs)."""
        cls, args, kwargs = _loaded(state)
        self._held[0] = cls(*args, **kwargs)

    def load(self, version: int, state: Any) -> None:
        """Loads an instance; no call meets it before one names its version."""
        self._held[version] = _loaded(state)

    def call(self, version: int, method: str, args: Any, kwargs: Any) -> Any:
        """The method's answer."""
        return getattr(self._held[version], method)(*args, **kwargs)

    def update(self, version: int, method: str, arguments: bytes, base: Any, into: BinaryIO) -> Any:
        """Runs the method on a copy and writes the copy's new state; returns the method's answer.

        arguments: (args, kwargs), pickled. base: the state of `version` where it has one; version 0 is copied as it
        stands here.
        """
        copy = _loaded(cloudpickle.dumps(self._held[version]) if base is None else base)
        args, kwargs = _loaded(arguments)
        answer = getattr(copy, method)(*args, **kwargs)
        cloudpickle.dump(copy, into)
        return answer

    def keep_only(self, version: int) -> None:
        """Lets go of all other versions."""
        self._held = {v: instance for v, instance in self._held.items() if v == version}

    def close(self, version: int) -> None:
        """Calls the class's close() on the newest instance up to `version`, if it has one."""
        instance = self._held[max(v for v in self._held if v <= version)]
        if callable(close := getattr(instance, "close", None)):
            close()


def _loaded(state: Any) -> Any:
    return pickle.loads(state)  # noqa: S301 - from the program that made the pool, or from a worker of it
