"""One run at a time into an output: a flock on a local folder, a lease on an object store."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from headrace.core.errors import BadOutput, WriteFailed
from headrace.sinks.holders import Holder
from headrace.sinks.object_store import S3Store
from headrace.sinks.stores import LocalStore, Store, make_folder, refusal

PATIENCE_S = 2.0  # a killed run lets go within milliseconds; whoever starts it again at once shall not be refused
LEASE_S = 60.0
LEASE = "_headrace/lease.json"
LOCK = "_headrace/lock"
_POLL_S = 0.05
_OPEN_TRIES = 20
_SPARE_S = 2.0  # how much longer others wait: a store's times are whole seconds

_now_s = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)  # goes on while the machine sleeps, as leases do


class Lock(Protocol):
    """Held between entering and leaving. Entering raises BadOutput when another run holds it."""

    def __enter__(self) -> Self:
        """Takes it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Lets go of it."""
        ...

    def check(self) -> None:
        """Raises WriteFailed when it is not held any more."""
        ...


def lock_on(store: Store) -> Lock:
    """The lock that fits a store."""
    if isinstance(store, S3Store):
        return Lease(store)
    assert isinstance(store, LocalStore)
    return FolderLock(store)


class FolderLock:
    """A flock on `_headrace/lock`: the kernel lets go of it when the process ends, however it does.

    What the file says is only for messages. It is removed in the end, and so are folders that were made for it and
    are empty still.
    """

    def __init__(self, store: LocalStore) -> None:
        self._root, self._path = store.root, store.folder / LOCK
        self._made: list[Path] = []
        self._pid = os.getpid()
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        deadline = time.monotonic() + PATIENCE_S
        try:
            above = self._path.parent
            self._made = [p for p in (above, *above.parents) if not p.exists()]
            while not self._taken():
                if time.monotonic() > deadline:
                    raise self._refused()
                time.sleep(_POLL_S)
        except OSError as error:
            self._unmake()
            raise refusal(self._root, error) from error
        return self

    def _taken(self) -> bool:
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is(descriptor):  # else the run that held it has removed it
                self._descriptor = descriptor
        except BlockingIOError:
            return False
        finally:
            if self._descriptor is None:
                os.close(descriptor)
        if self._descriptor is None:
            return False
        _close_in_children(descriptor)
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, Holder.me().to_json(), 0)
        return True

    def _opened(self) -> int:
        for _ in range(_OPEN_TRIES):
            with contextlib.suppress(FileNotFoundError):  # the run that made the folder has just removed it
                return self._open()
        return self._open()

    def _open(self) -> int:
        make_folder(self._path.parent)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _is(self, descriptor: int) -> bool:
        """Whether a descriptor is of the file that has the lock's name."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except OSError:
            return False

    def _refused(self) -> BadOutput:
        holder = None
        with contextlib.suppress(OSError):
            holder = Holder.from_json(self._path.read_bytes())
        return _taken_by(self._root, holder, "wait for it, or choose another folder")

    def check(self) -> None:
        """Raises WriteFailed when the file was removed: then another run may hold a new one."""
        if self._descriptor is None:
            raise _lost(self._root, "it was let go")
        if not self._is(self._descriptor):
            raise _lost(self._root, f"{LOCK} was removed")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._descriptor is None or os.getpid() != self._pid:
            return
        with contextlib.suppress(OSError):
            (self._path.parent / "tmp").rmdir()  # while it is not another run's
        if self._is(self._descriptor):
            with contextlib.suppress(OSError):
                self._path.unlink()  # before letting go: who waits for it sees that it is gone, and makes a new one
        _open_locks.discard(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None
        self._unmake()

    def _unmake(self) -> None:
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()


_open_locks: set[int] = set()


def _close_in_children(descriptor: int) -> None:
    """Closes it in processes that are forked from now on; those that run another program never get it."""
    _open_locks.add(descriptor)
    _register()


@functools.cache
def _register() -> None:
    os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    while _open_locks:
        os.close(_open_locks.pop())


class Lease:
    """`_headrace/lease.json`, renewed by a thread in a third of its time.

    It is taken over when it was not renewed in its time, or when its process was one of this system and has ended; by
    exactly one, as the store replaces only what it was shown. All times are the store's own.
    """

    def __init__(self, store: S3Store, lease_s: float = LEASE_S) -> None:
        self._store, self._lease_s = store, lease_s
        self._me = Holder.me(lease_s)
        self._pid = os.getpid()
        self._etag = ""
        self._renewed_s = 0.0
        self._lost: str | None = "it was not taken"
        self._other: Holder | None = None
        self._done = threading.Event()

    def __enter__(self) -> Self:
        deadline = time.monotonic() + PATIENCE_S
        try:
            while not self._taken():
                if time.monotonic() > deadline:
                    raise _taken_by(self._store.root, self._other, "wait for it, or choose another folder")
                time.sleep(_POLL_S)
        except OSError as error:
            raise refusal(self._store.root, error) from error
        threading.Thread(target=self._keep, name="headrace-lease", daemon=True).start()
        return self

    def _taken(self) -> bool:
        began = _now_s()
        etag = self._store.swap(LEASE, self._me.to_json(), None)
        if etag is None and (left := self._left_behind()) is not None:
            etag = self._store.swap(LEASE, self._me.to_json(), left)
        if etag is None:
            return False
        self._etag, self._renewed_s, self._lost = etag, began, None
        return True

    def _left_behind(self) -> str | None:
        """The tag of a lease whose run has ended without deleting it."""
        try:
            found = self._store.look(LEASE)
        except FileNotFoundError:
            return None
        self._other = other = Holder.from_json(found.data)
        lease_s = LEASE_S if other is None else other.lease_s
        gone = other is not None and other.is_gone()
        return found.etag if gone or found.age_s > lease_s + _SPARE_S else None

    def _keep(self) -> None:
        while not self._done.wait(self._lease_s / 3):
            with contextlib.suppress(OSError):  # tried again, until check() says that it has run out
                if not self.renew():
                    return

    def renew(self) -> bool:
        """Renews it; False when another run has it now. Raises OSError."""
        began = _now_s()
        etag = self._store.swap(LEASE, self._me.to_json(), self._etag)
        if etag is None and (etag := self._our_tag()) is None:
            self._lost = "another run has taken it"
            return False
        self._etag, self._renewed_s = etag, began
        return True

    def _our_tag(self) -> str | None:
        """The tag of the lease while it is ours; not the one that we know of when a renewal's answer was lost."""
        try:
            found = self._store.look(LEASE)
        except FileNotFoundError:
            return None
        holder = Holder.from_json(found.data)
        return found.etag if holder is not None and holder.owner == self._me.owner else None

    def check(self) -> None:
        """Raises WriteFailed when another run has it, or may have it by now."""
        if self._lost is None and _now_s() - self._renewed_s >= self._lease_s:
            self._lost = f"it could not be renewed for {self._lease_s:g} s"
        if self._lost is not None:
            raise _lost(self._store.root, self._lost)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if os.getpid() != self._pid:
            return
        self._done.set()
        with contextlib.suppress(OSError, WriteFailed):
            self.check()
            self._lost = "it was let go"
            if self._our_tag() is not None:
                self._store.delete(LEASE)


def _taken_by(root: str, holder: Holder | None, fix: str) -> BadOutput:
    who = "" if holder is None else f" ({holder})"
    return BadOutput(root, f"another run is writing there{who}", fix)


def _lost(root: str, why: str) -> WriteFailed:
    return WriteFailed(root, f"this run does not hold the output any more: {why}", "see that no other run writes there")
