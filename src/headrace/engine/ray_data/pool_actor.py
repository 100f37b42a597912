"""The Ray engine of a live pool: each worker is an actor, of which the pool makes a new one when it dies.

Not Ray's own restarts: an actor that comes back by itself would answer before it holds the committed version.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Mapping
from typing import Any

import cloudpickle
import numpy as np
import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from headrace.core.errors import BadCluster
from headrace.engine.pooling.contracts import Gone
from headrace.engine.pooling.holder import Holder
from headrace.engine.pooling.replies import Raised, Reply, raised, reply_of
from headrace.engine.ray_data.connecting import connected

_PLACE_S = 300.0  # how long an actor may wait for room: a cluster that grows may need minutes for a node


class RayPool:
    """Starts actors on the Ray that this process has, or that it connects to. Its states lie in the object store: each
    node gets one copy."""

    def __init__(
        self,
        workers: int,
        *,
        address: str | None,
        num_cpus: float | None,
        num_gpus: float | None,
        resources: Mapping[str, float] | None,
    ) -> None:
        """What each of the workers asks for; num_cpus is 1 when not given. Raises BadCluster when the cluster has less
        than they ask for together, and as `connected` does."""
        self._asks = {"CPU": 1.0 if num_cpus is None else num_cpus, "GPU": num_gpus or 0.0, **(resources or {})}
        self._undoing = contextlib.ExitStack()
        with self._undoing:
            self._undoing.enter_context(connected(address))
            has = ray.cluster_resources()
            for name, asked in self._asks.items():
                if workers * asked > has.get(name, 0.0):
                    what = f"{workers} workers ask for {workers * asked:g} {name}, and it has {has.get(name, 0.0):g}"
                    fix = "ask for fewer workers, or less for each (num_cpus, num_gpus, resources)"
                    raise BadCluster("the Ray cluster", what, fix)
            self._undoing = self._undoing.pop_all()
        asks = dict(self._asks)
        options = {"num_cpus": asks.pop("CPU"), "num_gpus": asks.pop("GPU"), "resources": asks, "max_restarts": 0}
        self._actor = ray.remote(_Actor).options(**options)

    def keep(self, data: bytes) -> Any:
        """The bytes in the object store, owned by this process: they outlive the workers."""
        return ray.put(np.frombuffer(data, np.uint8))

    def start(self) -> PoolActor:
        """A new actor, when there is room for it. Raises BadCluster."""
        if not ray.is_initialized():  # calling it would start another one
            raise BadCluster("Ray", "was shut down under the pool", "close the pool before")
        actor = self._actor.remote()
        try:
            ray.get(actor.here.remote(), timeout=_PLACE_S)
        except GetTimeoutError:
            ray.kill(actor)
            free = {name: ray.available_resources().get(name, 0.0) for name, asked in self._asks.items() if asked}
            what = f"no room for a worker in {_PLACE_S:g} s: it asks for {self._asks}, and free are {free}"
            raise BadCluster("the Ray cluster", what, "wait for other work to end, or ask for less") from None
        except RayError:
            pass  # its first question will say so
        return PoolActor(actor)

    def close(self) -> None:
        """Leaves Ray, if the pool has connected to it."""
        self._undoing.close()


class PoolActor:
    """This process's end of an actor."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def ask(self, operation: str, *args: Any, state: Any = None) -> Any:
        """See `PoolWorker`."""
        request = cloudpickle.dumps((operation, args))
        return _value(self._got(lambda: self._actor.ask.remote(request, state)))

    def updated(self, version: int, method: str, arguments: bytes, base: Any = None) -> tuple[Any, Any]:
        """See `PoolWorker`."""

        def ask() -> list[Any]:
            return list(self._actor.update.options(num_returns=2).remote(version, method, arguments, base))

        reply, state = self._got(ask)
        return _value(reply), ray.put(state)  # put here, so that it outlives the actor that made it

    def _got(self, ask: Any) -> Any:
        if not ray.is_initialized():
            raise Gone("Ray was shut down")
        try:
            return ray.get(ask())
        except RayActorError as error:
            self.kill()  # it may only be out of reach
            raise Gone(" ".join(str(error).split())) from error

    def end(self) -> None:
        """Kills the actor: it has nothing to do."""
        self.kill()

    def kill(self) -> None:
        """Kills the actor."""
        if ray.is_initialized():
            ray.kill(self._actor)


class _Actor:
    """The worker's end. Arguments and answers are pickled here, not by Ray, whose arrays could not be written into."""

    def __init__(self) -> None:
        self._holder = Holder()

    def here(self) -> None:
        """Nothing, when it has started."""

    def ask(self, request: bytes, state: Any) -> bytes:
        """The holder's reply to (operation, args), both pickled."""
        return _packed(reply_of(self._do, request, state))

    def _do(self, request: bytes, state: Any) -> Any:
        operation, args = pickle.loads(request)  # noqa: S301 - from the program that made the pool
        return getattr(self._holder, operation)(*args, *([] if state is None else [state]))

    def update(self, version: int, method: str, arguments: bytes, base: Any) -> tuple[bytes, Any]:
        """The holder's reply, pickled, and the bytes of the new state: uint8 [N]."""
        into = io.BytesIO()
        reply = reply_of(self._holder.update, version, method, arguments, base, into)
        return _packed(reply), np.frombuffer(into.getbuffer(), np.uint8)


def _packed(reply: Reply) -> bytes:
    try:
        return bytes(cloudpickle.dumps(reply))
    except Exception as error:  # noqa: BLE001 - the answer cannot be pickled; the caller raises it
        error.add_note("the answer cannot be sent back")
        return bytes(cloudpickle.dumps(raised(error)))


def _value(reply: bytes) -> Any:
    answer = pickle.loads(reply)  # noqa: S301 - from our own actor
    if isinstance(answer, Raised):
        raise answer.rebuilt()
    return answer.value
