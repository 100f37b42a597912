"""Sends a live pool's calls to its workers, each under one version of the state, and replaces workers that die.

A call is given its version when it is sent, under the lock that a commit takes, and a worker answers it with that
version's instance: what is committed meanwhile does not touch it.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from headrace.core.errors import UsageError
from headrace.core.faults import WorkerDied
from headrace.engine.pooling.contracts import Gone, PoolEngine
from headrace.engine.pooling.seat import Committed, Seat

_DEATHS = 2  # the second worker that dies under a call convicts the call
_REST_S = (1.0, 8.0)  # how long a worker that cannot be started leaves the calls to others: at first, at most
_ABANDON_S = 5.0  # how long workers have for their class's close() when the program ends

Work = Callable[[Seat, Committed], Any]
"""What is done at a seat whose worker is up and holds the committed version."""


@dataclass(eq=False)
class _Job:
    work: Work
    post: _Post | None  # the only one that may do it
    future: Future[Any] = field(default_factory=Future)
    deaths: int = 0


class _Post:
    """A seat with its thread, and the jobs that only it may do."""

    def __init__(self, seat: Seat, lock: threading.RLock, serve: Callable[[_Post], None], number: int) -> None:
        self.seat = seat
        self.own: deque[_Job] = deque()
        self.wake = threading.Condition(lock)
        self.busy, self.rest_s = False, 0.0
        self.thread = threading.Thread(target=serve, args=(self,), name=f"headrace-pool-{number}", daemon=True)


class Dispatcher:
    """A pool's workers, a thread for each, and the queue of jobs. Its methods may be called by any thread."""

    def __init__(self, engine: PoolEngine, workers: int, name: str, recipe: bytes) -> None:
        """recipe: the pickled (class, args, kwargs). Raises StageNotBuilt, or UsageError where there is no room."""
        self.name, self._engine = name, engine
        self.committed = Committed(0, None)
        self.lock = threading.RLock()  # a pool may be collected, and retire, in the middle of anything
        self._waiting: deque[_Job] = deque()
        self._idle: list[_Post] = []
        self._closing = self._abandoned = False
        self._close_errors: list[BaseException] = []
        self._process = os.getpid()
        kept = engine.keep(recipe)
        self._posts = [_Post(Seat(engine, name, kept), self.lock, self._serve, n) for n in range(workers)]
        self._left = workers
        built = self.everywhere(lambda seat, committed: None)
        atexit.register(self.abandon)
        for post in self._posts:
            post.thread.start()
        try:
            for future in built:
                future.result()
        except BaseException:
            self.abandon()
            raise

    def anywhere(self, work: Work, *, first: bool = False) -> Future[Any]:
        """Work for the next worker that is free; `first`: ahead of all that waits. Raises UsageError when closed."""
        job = _Job(work, None)
        with self.lock:
            self._check_open()
            (self._waiting.appendleft if first else self._waiting.append)(job)
            if self._idle:
                self._idle.pop().wake.notify()
        return job.future

    def everywhere(self, work: Work) -> list[Future[Any]]:
        """Work for every worker, before its next call. Raises UsageError when closed."""
        jobs = [_Job(work, post) for post in self._posts]
        with self.lock:
            self._check_open()
            for job, post in zip(jobs, self._posts, strict=True):
                post.own.append(job)
                post.wake.notify()
        return [job.future for job in jobs]

    def _check_open(self) -> None:
        if self._closing:
            raise UsageError(f"{self.name}: the pool is closed; make another one")

    def retire(self, *, cancel: bool = False) -> None:
        """Takes no more work; workers end when none is left. Does not wait. cancel: calls that wait are cancelled."""
        if os.getpid() != self._process:  # in a fork, which has no share in the workers
            return
        dropped: list[_Job] = []
        with self.lock:
            self._closing = True
            self._idle.clear()
            if cancel:
                dropped = list(self._waiting)
                self._waiting.clear()
            for post in self._posts:
                post.wake.notify()
        _give_up(dropped, self.name)

    def close(self, *, cancel: bool) -> None:
        """Retires, and waits until every worker has ended. Raises the first error of the class's close()."""
        self.retire(cancel=cancel)
        for post in self._posts:
            if post.thread is not threading.current_thread():  # closed by a future's callback
                post.thread.join()
        errors, self._close_errors = self._close_errors, []
        for error in errors[:1]:
            raise error

    def abandon(self) -> None:
        """Ends it all now: what runs is killed, what waits is cancelled, and idle workers have a few seconds."""
        if os.getpid() != self._process:
            return
        self._abandoned = True
        self.retire(cancel=True)
        dropped: list[_Job] = []
        with self.lock:
            for post in self._posts:
                dropped += post.own
                post.own.clear()
                if post.busy:
                    post.seat.kill()
        _give_up(dropped, self.name)
        deadline = time.monotonic() + _ABANDON_S
        for post in self._posts:
            post.thread.join(max(0.0, deadline - time.monotonic()))
        for post in self._posts:
            post.seat.kill()
            post.thread.join(1.0)

    def _serve(self, post: _Post) -> None:
        """A worker's thread."""
        while (taken := self._taken(post)) is not None:
            job, committed = taken
            if job.future.running() or job.future.set_running_or_notify_cancel():  # running: it is done again
                self._do(job, post, committed)
            post.busy = False
        try:
            post.seat.close(self.committed.version)
        except BaseException as error:  # noqa: BLE001 - a thread's boundary; close() raises it
            self._close_errors.append(error)
        with self.lock:
            self._left -= 1
            last = self._left == 0
        if last:
            atexit.unregister(self.abandon)
            self._engine.close()

    def _taken(self, post: _Post) -> tuple[_Job, Committed] | None:
        """The next job, and the version that it runs under; None at the end."""
        with self.lock:
            if post.rest_s and self._others_up(post):
                post.wake.wait_for(lambda: post.own or self._closing, timeout=post.rest_s)
            while not (queue := post.own or self._waiting):
                if self._closing:
                    return None
                self._idle.append(post)
                post.wake.wait()
                if post in self._idle:  # woken for a job of its own
                    self._idle.remove(post)
            post.busy = True
            return queue.popleft(), self.committed

    def _do(self, job: _Job, post: _Post, committed: Committed) -> None:
        try:
            post.seat.ready(committed)
        except BaseException as error:  # noqa: BLE001 - a thread's boundary: raised where the answer is awaited
            self._not_ready(job, post, error)
            return
        post.rest_s = 0.0
        try:
            answer = job.work(post.seat, committed)
        except Gone as error:
            self._died(job, error)
        except BaseException as error:  # noqa: BLE001 - as above
            job.future.set_exception(error)
        else:
            job.future.set_result(answer)

    def _not_ready(self, job: _Job, post: _Post, error: BaseException) -> None:
        """A worker cannot be started. Others do the job, where there are any; this one tries again with a later job."""
        with self.lock:
            at_least, at_most = _REST_S
            post.rest_s = min(at_most, max(at_least, 2 * post.rest_s))
            if again := job.post is None and self._others_up(post) and not self._abandoned:
                self._again(job)
        if not again:
            job.future.set_exception(error)

    def _died(self, job: _Job, error: Gone) -> None:
        job.deaths += 1
        with self.lock:
            if again := job.deaths < _DEATHS and not self._abandoned:
                self._again(job)
        if again:
            return
        workers = "a worker" if job.deaths == 1 else f"{job.deaths} workers in turn"
        died = WorkerDied(f"{self.name}: {workers} died under this call ({error})")
        died.__cause__ = error
        job.future.set_exception(died)

    def _again(self, job: _Job) -> None:
        (self._waiting if job.post is None else job.post.own).appendleft(job)
        if job.post is None and self._idle:
            self._idle.pop().wake.notify()

    def _others_up(self, post: _Post) -> bool:
        return any(other.seat.up for other in self._posts if other is not post)


def _give_up(jobs: list[_Job], name: str) -> None:
    """Without the lock: callbacks of futures are the user's code."""
    for job in jobs:
        if not job.future.cancel():  # it was to be done again
            job.future.set_exception(WorkerDied(f"{name}: a worker died under this call, and the pool is closed"))
