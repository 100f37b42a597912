"""What every thread was working on when the process died: a crash in native code, or a user's os._exit, takes the
process with it, and the next session must not run into it again and again.

Each thread writes the rows that it has in hand into a file that is mapped into memory, so that they stand there after
the process is gone. The next session counts them as suspects and runs those alone. Only a death that was a crash
counts: a kill or a power cut says nothing about the rows.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import json
import mmap
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from headrace.core.cache import cache_folder
from headrace.core.errors import KeepsCrashing
from headrace.core.faults import WorkerDied
from headrace.engine.flow.gate import Gate

DIED = "HEADRACE_DIED"
"""Set in the environment to the process that died without a goodbye, by who started it and starts it again."""

_NAME_BYTES = 47
_SLOT = struct.Struct(f"<B{_NAME_BYTES}sqq")  # in hand or not, the step, the first and the last row of the listing
_SLOTS = 1024
_HOPELESS = 24  # deaths without a part published between them; to find one row of 64 takes 9

Span = tuple[str, int, int]


class Unrecorded:
    """Records nothing: where there is no output that a later session could go on with."""

    def in_hand(self, _step: str, _first: int, _last: int) -> AbstractContextManager[None]:
        """Around work on rows."""
        return _OPEN

    def suspects(self, _step: str) -> Mapping[tuple[int, int], int]:
        """None."""
        return {}

    def abandon(self, _thread: int) -> None:
        """Lets nobody wait any more for a thread that is left behind."""

    def check(self) -> None:
        """Raises KeepsCrashing when the process does."""

    def published(self) -> None:
        """A part was published: the run gets on."""

    def close(self, *, done: bool) -> None:
        """Ends recording; with `done` nothing is suspected any more."""


_OPEN = contextlib.nullcontext()


class Recorder(Unrecorded):
    """Rows in hand, by thread. `folder`: where the records of one output lie, on this machine."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._suspects_path = folder / "suspects.json"
        self._suspects, self._deaths = _recall(self._suspects_path)
        for left in sorted(folder.glob("*.flights")):
            self._take_in(left)
        self._path = folder / f"{os.getpid()}.flights"
        self._crash = self._path.with_suffix(".crash").open("wb")
        self._theirs = faulthandler.is_enabled()
        if not self._theirs:
            faulthandler.enable(self._crash)
        self._map = _mapped(self._path)
        self._next = iter(range(_SLOTS))
        self._own = threading.local()
        self._gate = Gate() if self._suspects else None

    def _take_in(self, left: Path) -> None:
        """Counts what a session that died had in hand, if it crashed."""
        crash = left.with_suffix(".crash")
        if os.environ.get(DIED) == left.stem or (crash.exists() and crash.stat().st_size):
            self._deaths += 1
            data = left.read_bytes()
            for offset in range(0, len(data) - _SLOT.size + 1, _SLOT.size):
                used, name, first, last = _SLOT.unpack_from(data, offset)
                if used:
                    span = (name.rstrip(b"\0").decode(errors="replace"), first, last)
                    self._suspects[span] = self._suspects.get(span, 0) + 1
            self._remember()
        left.unlink(missing_ok=True)
        crash.unlink(missing_ok=True)

    def _remember(self) -> None:
        body = {"deaths": self._deaths, "suspects": [[*span, n] for span, n in self._suspects.items()]}
        self._suspects_path.write_text(json.dumps(body))

    def check(self) -> None:
        """Raises KeepsCrashing when the process does, whatever is left out."""
        if self._deaths >= _HOPELESS:
            deaths, self._deaths = self._deaths, 0  # whoever runs it again has mended something
            self._remember()
            step = max(self._suspects, key=lambda span: self._suspects[span], default=("?", 0, 0))[0]
            raise KeepsCrashing(step, deaths)

    def suspects(self, step: str) -> Mapping[tuple[int, int], int]:
        """How many crashes rows of a step were in hand at, by their first and last row.

        A part of what has crashed twice counts once more: the next crash is its second.
        """
        return doubled({(first, last): n for (name, first, last), n in self._suspects.items() if name == _kept(step)})

    @contextlib.contextmanager
    def in_hand(self, step: str, first: int, last: int) -> Iterator[None]:
        """Around work on rows `first` to `last` (inclusive). Suspects are worked on while nothing else is."""
        if self._gate is not None:
            self._gate.enter(alone=(_kept(step), first, last) in self._suspects)
        slot = self._slot()
        _SLOT.pack_into(self._map, slot, 1, step.encode()[:_NAME_BYTES], first, last)
        try:
            yield
        finally:
            self._map[slot] = 0
            self.abandon(threading.get_ident())

    def abandon(self, thread: int) -> None:
        """Lets nobody wait any more for a thread that is left behind."""
        if self._gate is not None:
            self._gate.leave(thread)

    def _slot(self) -> int:
        try:
            return self._own.offset  # type: ignore[no-any-return]
        except AttributeError:
            self._own.offset = _SLOT.size * min(next(self._next, _SLOTS - 1), _SLOTS - 1)
            return self._own.offset  # type: ignore[no-any-return]

    def published(self) -> None:
        """A part was published: the run gets on."""
        if self._deaths:
            self._deaths = 0
            self._remember()

    def close(self, *, done: bool) -> None:
        """Ends recording; with `done` nothing is suspected any more."""
        if not self._theirs and not self._crash.closed:
            faulthandler.disable()
        self._crash.close()
        self._path.unlink(missing_ok=True)
        self._path.with_suffix(".crash").unlink(missing_ok=True)
        if done:
            self._suspects_path.unlink(missing_ok=True)


@contextlib.contextmanager
def recording(out: str, job: str) -> Iterator[Unrecorded]:
    """The recorder of a job's runs into an output, in the user's cache; none where that cannot be written.

    Raises KeepsCrashing when they do.
    """
    name = hashlib.sha256(os.fsencode(out) + b"\0" + job.encode()).hexdigest()[:16]
    recorder, done = Unrecorded(), False
    with contextlib.suppress(OSError):
        recorder = Recorder(cache_folder("flights") / name)
    try:
        recorder.check()
        yield recorder
        done = True
    finally:
        recorder.close(done=done)


def _kept(step: str) -> str:
    """A step's name as a slot keeps it."""
    return step.encode()[:_NAME_BYTES].decode(errors="replace")


def doubled(deaths: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """Deaths by first and last row, one more for a part of rows that killed twice: the next death is its second."""
    inside = {s for s in deaths for t, n in deaths.items() if n > 1 and s != t and t[0] <= s[0] and s[1] <= t[1]}
    return {span: n + (span in inside) for span, n in deaths.items()}


def crashed(times: int) -> WorkerDied:
    """That rows were in hand when the process crashed."""
    return WorkerDied(f"the process crashed {times} times with this row in hand")


def _recall(path: Path) -> tuple[dict[Span, int], int]:
    try:
        body = json.loads(path.read_text())
        return {(str(s), int(a), int(b)): int(n) for s, a, b, n in body["suspects"]}, int(body["deaths"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}, 0


def _mapped(path: Path) -> mmap.mmap:
    with path.open("w+b") as file:
        file.truncate(_SLOT.size * _SLOTS)
        return mmap.mmap(file.fileno(), _SLOT.size * _SLOTS)
