"""The local engine of a live pool: each worker is a process, so that one that dies takes no other with it, and Python
code of several workers runs at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import weakref
from typing import Any

from headrace.engine.local.channel import Channel
from headrace.engine.pooling.contracts import Gone
from headrace.engine.pooling.replies import Raised

_END_S = 5.0  # how long a worker with nothing to do may take to end before it is killed


class SharedState:
    """Bytes in memory that every worker process maps; gone with the last process that holds them."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("headrace-state")
        weakref.finalize(self, os.close, self.fd)


class LocalPool:
    """Starts worker processes on this machine. Its states are shared memory: a process maps them, none is copied."""

    def keep(self, data: bytes) -> SharedState:
        """The bytes in shared memory."""
        state = SharedState()
        with os.fdopen(os.dup(state.fd), "wb") as file:
            file.write(data)
        return state

    def start(self) -> PoolProcess:
        """A new process."""
        return PoolProcess()

    def close(self) -> None:
        """Nothing is held but states, which go with their last references."""


class PoolProcess:
    """A worker process with its pipes; it ends when this end of them closes."""

    def __init__(self) -> None:
        request_read, request_write = os.pipe()
        reply_read, reply_write = os.pipe()
        self._states, theirs = socket.socketpair()
        memories = [os.memfd_create(f"headrace-{kind}") for kind in ("requests", "replies", "stacks")]
        fds = [request_read, reply_write, theirs.fileno(), *memories]
        command = [sys.executable, "-m", "headrace.engine.local.pool_child", *map(str, [os.getpid(), *fds]), *sys.path]
        # What the class prints goes to stderr: stdout is the program's own.
        self._process = subprocess.Popen(command, pass_fds=fds, stdin=subprocess.DEVNULL, stdout=2)
        os.close(request_read)
        os.close(reply_write)
        theirs.close()
        self._files = [os.fdopen(request_write, "wb"), os.fdopen(reply_read, "rb")]
        self._requests = Channel(self._files[0], memories[0])  # type: ignore[arg-type]
        self._replies = Channel(self._files[1], memories[1])  # type: ignore[arg-type]
        self._ended = os.pidfd_open(self._process.pid)
        self._stacks = memories[2]
        self._open = [*memories, self._ended]
        self._waiting = select.poll()
        for fd in (self._files[1].fileno(), self._ended):
            self._waiting.register(fd, select.POLLIN)

    def ask(self, operation: str, *args: Any, state: SharedState | None = None) -> Any:
        """See `PoolWorker`."""
        return self._answer(operation, args, [] if state is None else [state])

    def updated(
        self, version: int, method: str, arguments: bytes, base: SharedState | None = None
    ) -> tuple[Any, SharedState]:
        """See `PoolWorker`."""
        new = SharedState()
        states = [new] if base is None else [new, base]
        return self._answer("update", (version, method, arguments), states), new

    def _answer(self, operation: str, args: tuple[Any, ...], states: list[SharedState]) -> Any:
        try:
            if states:  # before the request, so that they are there when it is read
                socket.send_fds(self._states, [b"."], [s.fd for s in states])
            self._requests.send((operation, args))
            fds = {fd for fd, _ in self._waiting.poll()}
            if fds == {self._ended}:  # its own children may hold the pipe open
                raise EOFError
            reply = self._replies.receive(copy=True)
        except (BrokenPipeError, ConnectionResetError, EOFError) as error:
            raise self._gone() from error
        if isinstance(reply, Raised):
            raise reply.rebuilt()
        return reply.value

    def _gone(self) -> Gone:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_END_S)
        self.kill()
        code = self._process.wait()
        how = f"exit {code}" if code >= 0 else signal.Signals(-code).name
        error = Gone(f"its process ended ({how})")
        if stack := os.pread(self._stacks, 1 << 16, 0).decode(errors="replace"):
            error.add_note(f"in the worker:\n{stack}")
        return error

    def end(self) -> None:
        """Closes the pipes, upon which the process ends, and waits for it."""
        self._states.close()
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()
        try:
            self._process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        while self._open:
            os.close(self._open.pop())

    def kill(self) -> None:
        """Kills the process."""
        self._process.kill()
