"""What every worker of a job needs: pickled by the driver, kept in the object store, opened once a process.

Ray copies an object to a node when the first worker there asks for it, so a model's bytes travel once a node.
"""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Generic, TypeVar

import cloudpickle
import ray

T = TypeVar("T")

_MOST_OPEN = 4  # jobs that one worker process may be asked to work on in turn

_opened: dict[str, Any] = {}
_opening = threading.RLock()


@dataclass(frozen=True)
class Carried(Generic[T]):
    """Something in the object store, by its reference. `open` gives one copy a process, shared by all that ask."""

    ref: Any = field(repr=False)

    def open(self) -> T:
        """The object; unpickled when it is asked for first."""
        carried: T = self.derived("", lambda carried: carried)
        return carried

    def derived(self, name: str, make: Callable[[T], Any]) -> Any:
        """What `make` makes of it, once a process and name."""
        key = f"{self.ref.hex()}/{name}"
        with _opening:
            if key not in _opened:
                # Behind a thread of its own Ray would warn that a task waits in ray.get; the object is local by then.
                made = cloudpickle.loads(ray.get(self.ref)) if not name else make(self.open())
                while len(_opened) >= 4 * _MOST_OPEN:
                    _opened.pop(next(iter(_opened)))
                _opened[key] = made
            return _opened[key]


def carry(value: T) -> Carried[T]:
    """Puts `value` into the object store; code of modules that only the driver can be sure to have goes by value.

    Keep what is returned: the object goes when no driver holds it any more. Raises what pickling raises.
    """
    with _by_value():
        data = cloudpickle.dumps(value)
    return Carried(ray.put(data))


@contextlib.contextmanager
def _by_value() -> Iterator[None]:
    """Around pickling: functions and classes of the user's own modules are pickled whole."""
    installed = tuple(f"{folder}{os.sep}" for folder in _installed())
    ours = [module for module in tuple(sys.modules.values()) if _is_users(module, installed)]
    for module in ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in ours:
            cloudpickle.unregister_pickle_by_value(module)


def _is_users(module: ModuleType, installed: tuple[str, ...]) -> bool:
    """Whether a module lies outside of the folders `installed`: a script's neighbours, a notebook's folder, tests."""
    name, file = getattr(module, "__name__", "__main__"), getattr(module, "__file__", None)
    top = name.partition(".")[0]
    if file is None or name == "__main__" or top in ("headrace", "cloudpickle") or sys.modules.get(name) is not module:
        return False
    if module in cloudpickle.list_registry_pickle_by_value() or name in cloudpickle.list_registry_pickle_by_value():
        return False
    return not file.startswith(installed)


def _installed() -> set[str]:
    """Folders of the standard library and of installed packages."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return {folder for folder in folders if folder} | {p for p in sys.path if p.endswith(("-packages", "-dynload"))}
