"""How a live pool's state changes: made once on a copy, staged on every worker, then put in force for all at once."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import cloudpickle

from headrace.core.errors import UsageError
from headrace.engine.pooling.dispatcher import Dispatcher
from headrace.engine.pooling.seat import Committed


class Updates:
    """Changes a dispatcher's committed state, one change after another."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.lock = threading.Lock()

    def make(self, method: str, args: Any, kwargs: Any) -> Any:
        """Runs the method on a copy of the committed state and commits what it leaves; returns its answer.

        The new version is staged on every worker before calls are sent under it, so none waits for it or meets half of
        it. Raises whatever failed; then no call was or will be answered by anything but the version before.
        """
        arguments = cloudpickle.dumps((args, kwargs))
        with self.lock:
            before = self._dispatcher.committed
            try:
                made = self._dispatcher.anywhere(lambda seat, _: seat.updated(before, method, arguments), first=True)
                answer, state = made.result()
                after = Committed(before.version + 1, state)
                self._stage(after)
                with self._dispatcher.lock:
                    self._drop_all_but(after)  # when they have done what they have in hand
                    self._dispatcher.committed = after
            except BaseException as error:
                with contextlib.suppress(UsageError):  # the pool is closed
                    self._drop_all_but(before)
                error.add_note(f"{self._dispatcher.name}: not updated; version {before.version} stays in force")
                raise
            return answer

    def _drop_all_but(self, kept: Committed) -> None:
        """Puts it into the workers' own queues, where it comes before any later version's staging."""
        self._dispatcher.everywhere(lambda seat, _: seat.keep_only(kept.version))

    def _stage(self, after: Committed) -> None:
        """Raises the first failure, when all workers have answered."""
        staged = self._dispatcher.everywhere(lambda seat, _: seat.stage(after))
        failures = [(n, error) for n, future in enumerate(staged) if (error := future.exception()) is not None]
        for number, error in failures[:1]:
            error.add_note(f"worker {number} of {len(staged)} could not take the new state")
            raise error
