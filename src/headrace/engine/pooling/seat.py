"""A worker's place in a live pool: who sits there now, and the versions that it holds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headrace.core.faults import WorkerDied
from headrace.engine.flow.places import not_built
from headrace.engine.pooling.contracts import Gone, PoolEngine, PoolWorker


@dataclass(frozen=True)
class Committed:
    """The state in force. `state` is None for version 0, which every worker builds."""

    version: int
    state: Any


class Seat:
    """Where one worker after another sits. Used by one thread, but for `up` and `kill`."""

    def __init__(self, engine: PoolEngine, name: str, recipe: Any) -> None:
        """recipe: the state with the pickled (class, args, kwargs)."""
        self._engine, self._name, self._recipe = engine, name, recipe
        self._worker: PoolWorker | None = None
        self._held: set[int] = set()

    @property
    def up(self) -> bool:
        """Whether a worker sits here, as far as is known."""
        return self._worker is not None

    def ready(self, committed: Committed) -> None:
        """Sees that a worker sits here and holds the committed version. Raises StageNotBuilt, UsageError."""
        try:
            self._ready(committed)
        except Gone:  # it may have died long ago
            try:
                self._ready(committed)
            except Gone as error:
                raise not_built(self._name, WorkerDied(str(error))) from error

    def _ready(self, committed: Committed) -> None:
        if self._worker is None:
            self._worker, self._held = self._engine.start(), set()
        if committed.version in self._held:
            return
        try:
            if committed.state is None:
                self._asked("build", state=self._recipe)
            else:
                self._asked("load", committed.version, state=committed.state)
        except Gone:
            raise
        except Exception as error:
            self._leave()
            raise not_built(self._name, error) from error
        self._held.add(committed.version)

    def call(self, version: int, method: str, args: Any, kwargs: Any) -> Any:
        """The method's answer. Raises what the method raised, or Gone."""
        return self._asked("call", version, method, args, kwargs)

    def updated(self, base: Committed, method: str, arguments: bytes) -> tuple[Any, Any]:
        """The method's answer and the state that it makes of a copy. Raises what failed, or Gone."""
        made = self._with_worker(lambda worker: worker.updated(base.version, method, arguments, base.state))
        answer, state = made
        return answer, state

    def stage(self, after: Committed) -> None:
        """Loads a state that is not in force yet. Raises what failed, or Gone."""
        self._asked("load", after.version, state=after.state)
        self._held.add(after.version)

    def keep_only(self, version: int) -> None:
        """Lets go of other versions. Raises Gone."""
        self._asked("keep_only", version)
        self._held &= {version}

    def close(self, version: int) -> None:
        """Calls the class's close() on the worker, if there is one, and ends it. Raises what close() raised."""
        try:
            if self._held:
                with contextlib.suppress(Gone):
                    self._asked("close", version)
        finally:
            self._leave()

    def kill(self) -> None:
        """Ends the worker whatever it does; may be called by any thread."""
        if (worker := self._worker) is not None:
            worker.kill()

    def _asked(self, operation: str, *args: Any, state: Any = None) -> Any:
        return self._with_worker(lambda worker: worker.ask(operation, *args, state=state))

    def _with_worker(self, ask: Callable[[PoolWorker], Any]) -> Any:
        """What the worker says; the seat is free when it is gone."""
        assert self._worker is not None
        try:
            return ask(self._worker)
        except Gone:
            self._leave()
            raise

    def _leave(self) -> None:
        worker, self._worker, self._held = self._worker, None, set()
        if worker is not None:
            worker.end()
