"""Worker processes for Python stages that hold the GIL; one that dies or hangs is replaced at the next call."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import cloudpickle

from headrace.core.batch import Columns
from headrace.core.contracts import Stage
from headrace.core.faults import WorkerDied, WorkerOutOfMemory, WorkerStalled
from headrace.engine.flow.places import not_built
from headrace.engine.flow.queues import Closed
from headrace.engine.local.channel import Channel

_STACK_S = 2.0  # how long a stuck worker may take to write its stack; faulthandler does it without the GIL


class ProcessWorker:
    """A stage in a process of its own; called by one thread. It ends when this end of its pipe closes.

    stall_timeout_s: how long one call may take before the process is killed.
    """

    def __init__(self, stage: Stage, stall_timeout_s: float = float("inf")) -> None:
        self.name, self._stage, self._stall_timeout_s = stage.name, stage, stall_timeout_s
        self.cpu_s = 0.0
        self._calling = threading.Lock()
        self._closed = False
        self._running: _Running | None = _Running(stage)

    def wait_built(self) -> None:
        """Waits until the stage is built. Raises what building it raised."""
        assert self._running is not None
        self._running.reply(self.name, float("inf"))

    def __call__(self, columns: Columns) -> Columns:
        """Maps a batch, in a new process when the last one is gone. Raises what the stage raised,
        WorkerDied, or Closed after `hang_up`."""
        with self._calling:
            if self._closed:
                raise Closed
            if self._running is None:
                self._running = self._rebuilt()
            try:
                self._running.send(columns, self.name)
                result, cpu_s = self._running.reply(self.name, self._stall_timeout_s)
            except WorkerDied:
                if self._closed:
                    raise Closed from None
                self._running.close()
                self._running = None
                raise
        self.cpu_s += cpu_s
        return result  # type: ignore[no-any-return]

    def _rebuilt(self) -> _Running:
        """A process in place of one that died. Raises StageNotBuilt: that its class cannot be built again is no row's
        fault."""
        running = _Running(self._stage)
        try:
            running.reply(self.name, self._stall_timeout_s)
        except Exception as error:
            running.process.kill()
            running.process.wait()
            running.close()
            raise not_built(self.name, error) from error
        return running

    def hang_up(self) -> None:
        """Closes the pipe, upon which the process ends; kills it if it is in the middle of a batch. May be called
        again."""
        self._closed = True
        if not self._calling.acquire(blocking=False):
            if (running := self._running) is not None:
                running.process.kill()  # then the thread that waits for its reply gets the end of the pipe
            self._calling.acquire()
        try:
            if self._running is not None:
                self._running.close()
        finally:
            self._calling.release()

    def wait(self, timeout_s: float) -> None:
        """Waits for the process to end, and kills it when it has not by then."""
        if self._running is None:
            return
        try:
            self._running.process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self._running.process.kill()
            self._running.process.wait()


class _Running:
    """A process with its pipes, and the memory that it shares."""

    def __init__(self, stage: Stage) -> None:
        request_read, request_write = os.pipe()
        reply_read, reply_write = os.pipe()
        self._memories = [os.memfd_create(f"headrace-{kind}") for kind in ("requests", "replies", "stacks")]
        theirs = [request_read, reply_write, *self._memories]
        # What its stage prints goes to stderr: stdout is the command's own (--json).
        command = [sys.executable, "-m", "headrace.engine.local.child", *map(str, theirs), *sys.path]
        self.process = subprocess.Popen(command, pass_fds=theirs, stdin=subprocess.DEVNULL, stdout=2)
        os.close(request_read)
        os.close(reply_write)
        self._files = [os.fdopen(request_write, "wb"), os.fdopen(reply_read, "rb")]
        self._requests = Channel(self._files[0], self._memories[0])  # type: ignore[arg-type]
        self._replies = Channel(self._files[1], self._memories[1])  # type: ignore[arg-type]
        self.send(cloudpickle.dumps(stage), stage.name)

    def send(self, message: Any, name: str) -> None:
        """Sends a message. Raises WorkerDied."""
        try:
            self._requests.send(message)
        except BrokenPipeError as error:
            raise self._died(name) from error

    def reply(self, name: str, timeout_s: float) -> tuple[Any, float]:
        """The answer, and the CPU seconds it took. Raises what the stage raised, WorkerDied, WorkerStalled."""
        answered = select.poll()
        answered.register(self._files[1], select.POLLIN)
        if timeout_s < float("inf") and not answered.poll(1000 * timeout_s):
            raise self._stalled(name, timeout_s)
        try:
            kind, value, detail = self._replies.receive(copy=True)
        except EOFError as error:
            raise self._died(name) from error
        if kind == "error":
            value.add_note(f"in the worker process:\n{detail}")
            raise value
        return value, detail

    def _died(self, name: str) -> WorkerDied:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        code = self.process.returncode
        kind = WorkerOutOfMemory if code == -signal.SIGKILL else WorkerDied
        error = kind(f"the worker process of {name} died ({_exit_text(code)})")
        if stack := self._stack():
            error.add_note(f"in the worker process:\n{stack}")
        return error

    def _stalled(self, name: str, timeout_s: float) -> WorkerStalled:
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + _STACK_S
        while not self._stack() and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.02)
        self.process.kill()
        self.process.wait()
        stack = self._stack() or "it did not say where it was"
        return WorkerStalled(
            f"the worker process of {name} gave no answer for {timeout_s:g} s and was killed:\n{stack}"
        )

    def _stack(self) -> str:
        """What faulthandler has written in the process: where it was when it crashed or was asked."""
        return os.pread(self._memories[2], 1 << 16, 0).decode(errors="replace")

    def close(self) -> None:
        """Closes the pipes and lets go of the memory. May be called again."""
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()
        for memory in self._memories:
            os.close(memory)
        self._memories = []


def _exit_text(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def end_workers(workers: Sequence[ProcessWorker], timeout_s: float) -> None:
    """Ends processes, all within `timeout_s` together."""
    for worker in workers:
        worker.hang_up()
    deadline = time.monotonic() + timeout_s
    for worker in workers:
        worker.wait(max(0.0, deadline - time.monotonic()))
