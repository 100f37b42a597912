"""Worker processes for Python stages that hold the GIL."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import cloudpickle

from headrace.core.batch import Columns
from headrace.core.contracts import Stage
from headrace.engine.local.channel import Channel


class WorkerDied(RuntimeError):
    """A worker process ended in the middle of a batch."""


class ProcessWorker:
    """A stage in a process of its own; called by one thread. It ends when this end of its pipe closes."""

    def __init__(self, stage: Stage) -> None:
        self.name = stage.name
        request_read, request_write = os.pipe()
        reply_read, reply_write = os.pipe()
        memories = [os.memfd_create(f"headrace-{kind}") for kind in ("requests", "replies")]
        theirs = [request_read, reply_write, *memories]
        # What its stage prints goes to stderr: stdout is the command's own (--json).
        command = [sys.executable, "-m", "headrace.engine.local.child", *map(str, theirs), *sys.path]
        self._process = subprocess.Popen(command, pass_fds=theirs, stdin=subprocess.DEVNULL, stdout=2)
        os.close(request_read)
        os.close(reply_write)
        self._files = [os.fdopen(request_write, "wb"), os.fdopen(reply_read, "rb")]
        self._memories = memories
        self._requests = Channel(self._files[0], memories[0])  # type: ignore[arg-type]
        self._replies = Channel(self._files[1], memories[1])  # type: ignore[arg-type]
        self.cpu_s = 0.0
        self._calling = threading.Lock()
        self._closed = False
        self._requests_send(cloudpickle.dumps(stage))

    def wait_built(self) -> None:
        """Waits until the stage is built. Raises what building it raised."""
        self._reply()
        self.cpu_s = 0.0  # building it is start-up

    def __call__(self, columns: Columns) -> Columns:
        """Maps a batch. Raises what the stage raised, or WorkerDied."""
        with self._calling:
            if self._closed:
                raise WorkerDied(f"the worker process of {self.name} was stopped")
            self._requests_send(columns)
            result: Columns = self._reply()
        return result

    def _requests_send(self, message: Any) -> None:
        try:
            self._requests.send(message)
        except BrokenPipeError as error:
            raise self._died() from error

    def _reply(self) -> Any:
        try:
            kind, value, detail = self._replies.receive(copy=True)
        except EOFError as error:
            raise self._died() from error
        if kind == "error":
            value.add_note(f"in the worker process:\n{detail}")
            raise value
        self.cpu_s += detail
        return value

    def _died(self) -> WorkerDied:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        return WorkerDied(f"the worker process of {self.name} died (exit {self._process.returncode})")

    def hang_up(self) -> None:
        """Closes the pipe, upon which the process ends; kills it if it is in the middle of a batch. May be called
        again."""
        if not self._calling.acquire(blocking=False):
            self._process.kill()  # then the thread that waits for its reply gets the end of the pipe
            self._calling.acquire()
        try:
            if self._closed:
                return
            self._closed = True
            for file in self._files:
                with contextlib.suppress(OSError):
                    file.close()
            for memory in self._memories:
                os.close(memory)
        finally:
            self._calling.release()

    def wait(self, timeout_s: float) -> None:
        """Waits for the process to end, and kills it when it has not by then."""
        try:
            self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def end_workers(workers: Sequence[ProcessWorker], timeout_s: float) -> None:
    """Ends processes, all within `timeout_s` together."""
    for worker in workers:
        worker.hang_up()
    deadline = time.monotonic() + timeout_s
    for worker in workers:
        worker.wait(max(0.0, deadline - time.monotonic()))
