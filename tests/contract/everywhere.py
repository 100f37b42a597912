"""What holds in every process of an engine, in this one and in Ray's workers: notes that all of them take, and changes
to the product's classes."""

import fcntl
import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

CHANGES = "HEADRACE_TEST_CHANGES"  # the variable with the folder of changes that a worker is to make

Make = Callable[[Callable[..., Any]], Callable[..., Any]]


class Notes:
    """Lines in a file; any process may add one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def add(self, line: object = "") -> int:
        """Adds a line; gives how many there were."""
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = len(file.readlines())
            file.write(f"{line}\n")
            return before

    def clear(self) -> None:
        """Forgets all lines."""
        self._path.write_text("")

    def __iter__(self) -> Iterator[str]:
        return iter(self._path.read_text().splitlines())

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Held:
    """What `wait` waits for in any process, until `let_go`."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __reduce__(self) -> tuple[Any, ...]:
        return _waiting, (self._path,)

    def let_go(self) -> None:
        """Lets all go that wait or will."""
        self._file.close()

    def wait(self) -> None:
        """Comes back once it has been let go."""
        with self._path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)


def _waiting(path: Path) -> Held:
    """As a worker has it: it can only wait."""
    held = object.__new__(Held)
    held._path = path
    return held


class Changes:
    """Methods that are replaced in every process, for a test."""

    _numbers = itertools.count()

    def __init__(self, folder: Path | None) -> None:
        import pytest  # which no worker needs

        self._folder, self._patch = folder, pytest.MonkeyPatch()

    def make(self, owner: type, name: str, make: Make) -> None:
        """Puts make(method) in the place of a method. A test's own class travels as it is here."""
        self._patch.setattr(owner, name, make(getattr(owner, name)))
        if self._folder is not None and owner.__module__.split(".")[0] in _IMPORTED_BY_WORKERS:
            change = (owner.__module__, owner.__qualname__, name, make)
            path = self._folder / f"{next(self._numbers):06d}"
            path.with_suffix(".new").write_bytes(_pickled(change))
            path.with_suffix(".new").rename(path)

    def undo(self) -> None:
        """Puts all methods back."""
        self._patch.undo()
        for path in () if self._folder is None else self._folder.iterdir():
            path.unlink()


def failing(error: Exception, calls: Notes, *, after: int, times: int = 10**9) -> Make:
    """Lets the calls behind the first `after` fail, `times` of them, counted in all processes together."""

    def make(method: Callable[..., Any]) -> Callable[..., Any]:
        def failing(self: Any, *args: Any, **kwargs: Any) -> Any:
            if after <= calls.add() < after + times:
                raise error
            return method(self, *args, **kwargs)

        return failing

    return make


def note_reads(changes: Changes, notes: Notes) -> Notes:
    """Notes the first three letters of the names of files that are read."""
    from headrace.sources.locations import LocalFolder

    def noting(read: Callable[..., bytes]) -> Callable[..., bytes]:
        def noted(self: LocalFolder, path: str) -> bytes:
            notes.add(Path(path).name[:3])
            return read(self, path)

        return noted

    changes.make(LocalFolder, "read", noting)
    return notes


def note_logs(changes: Changes, notes: Notes) -> Notes:
    """Notes what headrace logs."""

    def noting(handle: Callable[..., None]) -> Callable[..., None]:
        def noted(self: logging.Logger, record: logging.LogRecord) -> None:
            if record.name.startswith("headrace"):
                notes.add(record.getMessage())
            handle(self, record)

        return noted

    changes.make(logging.Logger, "handle", noting)
    return notes


_IMPORTED_BY_WORKERS = ("headrace", "logging")


def _pickled(change: Any) -> bytes:
    """With the sources of the tests' modules, which no worker can import otherwise."""
    from headrace.engine.ray_data.carried import packed

    return packed(change, [])


_made: dict[str, tuple[type, str, Any]] = {}
_making = threading.Lock()


def in_worker() -> None:
    """Run by Ray in every worker that it starts: changes are made before the worker opens a job, or unmade."""
    from headrace.engine.ray_data.carried import Carried

    derived = Carried.derived

    def up_to_date(self: Any, *args: Any) -> Any:
        with _making:
            _update()
        return derived(self, *args)

    Carried.derived = up_to_date  # type: ignore[method-assign]


def _update() -> None:
    from headrace.engine.ray_data.carried import unpacked

    folder = Path(os.environ[CHANGES])
    asked = sorted(path.name for path in folder.iterdir() if not path.suffix)
    for number in [n for n in reversed(_made) if n not in asked]:
        owner, name, method = _made.pop(number)
        setattr(owner, name, method)
    for number in asked:
        if number not in _made:
            module, qualname, name, make = unpacked((folder / number).read_bytes(), ())
            owner = attrgetter(qualname)(__import__(module, fromlist=["_"]))
            _made[number] = owner, name, getattr(owner, name)
            setattr(owner, name, make(getattr(owner, name)))
