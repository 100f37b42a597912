"""What every worker of a job needs: pickled by the driver, kept in the object store, opened once a process.

Ray copies an object to a node when the first worker there asks for it, so a model's bytes travel once a node.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Generic, TypeVar

import cloudpickle
import ray

from headrace.core.errors import BadOption
from headrace.engine.ray_data.user_modules import make_importable, user_modules

T = TypeVar("T")

_MOST_RUNS = 2  # that a process keeps open: model stages of one dataset share the workers of its tasks
_PROCESS = uuid.uuid4().hex  # this one


class _Kept:
    """One thing that a process has open."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.making = threading.RLock()

    def close(self) -> None:
        for made in self.made:
            if hasattr(made, "close"):
                made.close()


_opened: dict[str, dict[str, _Kept]] = {}  # by run, the one that was asked for last behind the others
_opening = threading.Lock()


@dataclass(frozen=True)
class Carried(Generic[T]):
    """Something in the object store, by its reference. `open` gives one copy a process, shared by all that ask.

    run: what is opened for one run is closed, by its `close` where it has one, when the process works for others.
    apart: what was carried before and is a part of it; opened by whom it is asked.
    """

    ref: Any = field(repr=False)
    run: str
    apart: tuple[Carried[Any], ...] = ()

    def open(self) -> T:
        """The object; unpickled when it is asked for first."""
        carried: T = self.derived("", lambda carried: carried)
        return carried

    def derived(self, name: str, make: Callable[[T], Any]) -> Any:
        """What `make` makes of it, once a process and name."""
        with _opening:
            kept = _of_run(self.run).setdefault(f"{self.ref.hex()}/{name}", _Kept())
        with kept.making:
            if not kept.made:
                # Behind a thread of its own Ray would warn that a task waits in ray.get; the object is local by then.
                kept.made.append(make(self.open()) if name else unpacked(ray.get(self.ref), self.apart))
            return kept.made[0]

    def close(self) -> None:
        """Closes all that this process has open for its run."""
        with _opening:
            closing = _opened.pop(self.run, {})
        for kept in closing.values():
            kept.close()


def _of_run(run: str) -> dict[str, _Kept]:
    """What is open for a run; what is open for older ones is closed."""
    _opened[run] = _opened.pop(run, {})
    while len(_opened) > _MOST_RUNS:
        for kept in _opened.pop(next(iter(_opened))).values():
            kept.close()
    return _opened[run]


def carry(value: T, *, run: str | None = None, named: Mapping[str, object] | None = None) -> Carried[T]:
    """Puts `value` into the object store; a Carried inside of it stays where it is.

    Keep what is returned: the object goes when no driver holds it any more. run: where several belong to one run.
    named: parts of `value`, for the error when one cannot be pickled. Raises BadOption.
    """
    apart: list[Carried[Any]] = []
    try:
        data = packed(value, apart)
    except Exception as error:
        name, error = next(_unsendable(named or {}), ("the job", error))
        expected = (
            "something that can be sent to Ray's workers: open files, locks and connections in the constructor of a "
            "class, which every worker calls for itself; engine='local' sends nothing"
        )
        raise BadOption(name, expected, f"{type(error).__name__}: {error}") from error
    return Carried(ray.put(data), uuid.uuid4().hex if run is None else run, tuple(apart))


def _unsendable(named: Mapping[str, object]) -> Iterator[tuple[str, Exception]]:
    for name, part in named.items():
        try:
            packed(part, [])
        except Exception as error:  # noqa: BLE001 - users' objects may raise anything; it is raised by `carry`
            yield name, error


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # has no types
    def __init__(self, file: io.BytesIO, apart: list[Carried[Any]]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._apart = apart

    def persistent_id(self, obj: object) -> int | None:
        if not isinstance(obj, Carried):
            return None
        self._apart.append(obj)
        return len(self._apart) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, apart: Sequence[Carried[Any]]) -> None:
        super().__init__(file)
        self._apart = apart

    def persistent_load(self, pid: int) -> Carried[Any]:
        return self._apart[pid]


def packed(value: object, apart: list[Carried[Any]]) -> bytes:
    """`value` pickled, with the sources of the user's modules; a Carried inside of it goes to `apart`. Raises what
    pickling raises."""
    file = io.BytesIO()
    sources, unreadable = user_modules()
    pickle.dump((_PROCESS, sources), file)
    with _by_value(unreadable):
        _Pickler(file, apart).dump(value)
    return file.getvalue()


def unpacked(data: bytes, apart: Sequence[Carried[Any]]) -> Any:
    """What was packed, in this or another process."""
    file = io.BytesIO(data)
    process, sources = pickle.load(file)  # noqa: S301 - of this job's driver
    if process != _PROCESS:
        make_importable(sources)
    return _Unpickler(file, apart).load()


@contextlib.contextmanager
def _by_value(modules: Sequence[ModuleType]) -> Iterator[None]:
    """Around pickling: functions and classes of modules whose source cannot be sent are pickled whole."""
    chosen = [m for m in modules if m.__name__ not in cloudpickle.list_registry_pickle_by_value()]
    for module in chosen:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in chosen:
            cloudpickle.unregister_pickle_by_value(module)
