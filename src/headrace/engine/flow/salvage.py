"""A batch that a step fails on is split until the rows at fault stand alone: they are rejected, the others go on."""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import sys
import threading
from contextlib import AbstractContextManager
from dataclasses import replace

from headrace.core.batch import Batch, Reject
from headrace.core.contracts import Listing
from headrace.core.faults import TooManyAtOnce, WorkerDied, out_of_memory, stops_the_run
from headrace.engine.flow.buffers import TensorPool
from headrace.engine.flow.places import failure
from headrace.engine.flow.queues import Closed
from headrace.engine.flow.recorder import Unrecorded, crashed
from headrace.engine.flow.steps import Step, Work

NEVER_WORKED_ROWS = 16  # a step that fails on its first 16 rows is broken, not its rows (fewer in a shorter run)
NEVER_WORKED_DEATHS = 4  # each costs a worker's start
WORKS_NO_MORE_ROWS = 1000  # as many in a row: a lost device or service, not rows

_DEATHS = 2  # of workers over the same rows, after which they are split, or the one row is rejected

_log = logging.getLogger("headrace")

_Span = tuple[int, int]


def _span(batch: Batch) -> _Span | None:
    return (int(batch.rows[0]), int(batch.rows[-1])) if len(batch.rows) else None


class Salvage:
    """How one step's failures are dealt with; shared by its workers.

    cap: the most rows that the step is given at once, None while it has not run out of memory. worked: the step is
    known to work, by former sessions. tolerant: once it works, any number of rows may be rejected.
    """

    def __init__(
        self,
        step: Step,
        listing: Listing,
        pool: TensorPool | None,
        recorder: Unrecorded,
        *,
        cap: int | None = None,
        worked: bool = False,
        tolerant: bool = False,
    ) -> None:
        self.cap, self._step, self._listing, self._pool, self._recorder = cap, step, listing, pool, recorder
        self._lock = threading.Lock()
        self._worked = worked
        self._most_in_a_row = math.inf if tolerant else WORKS_NO_MORE_ROWS
        self._failed = 0  # rows since the last success
        self._deaths = 0  # of workers, likewise
        self._first: tuple[Batch, Exception] | None = None  # failure, likewise
        self._killed: dict[_Span, list[WorkerDied]] = {}  # by which rows workers died
        self._suspects = recorder.suspects(step.name)  # rows that the process itself died over, before
        self._caps_before: dict[int, int | None] = {}  # by thread: when it took its batch

    def __call__(self, work: Work, batch: Batch) -> Batch:
        """The batch after the step; then `release` it. Raises HeadraceError where the step is broken, not some of the
        rows."""
        cap, rows = self.cap, len(batch.keys)
        self._caps_before[threading.get_ident()] = cap
        if cap is None or rows <= cap:
            return self._tried(work, batch)
        return batch.rejoined([self._tried(work, batch.part(i, i + cap)) for i in range(0, rows, cap)])

    @property
    def works(self) -> bool:
        """Whether the step is known to work."""
        return self._worked

    def known_to_work(self) -> None:
        """The step has worked in another process: what fails here is its rows."""
        self._worked = True

    def release(self, batch: Batch, done: Batch) -> None:
        """Lets go of what only `batch` needed; called by who goes on with `done`, never by one that was given up."""
        if self._pool is not None and batch.tensor is not None and done.tensor is not batch.tensor:
            self._pool.give(batch.tensor)
        span = _span(batch)
        if self._killed and span is not None:
            with self._lock:
                self._killed = {s: e for s, e in self._killed.items() if s[1] < span[0] or s[0] > span[1]}

    def given_up(self, batch: Batch, error: WorkerDied, thread: int) -> None:
        """Records that a thread was left behind, stuck with `batch`. Raises HeadraceError as `died`."""
        self._recorder.abandon(thread)
        self._died(batch, error)

    def _died(self, batch: Batch, error: WorkerDied) -> None:
        """Records that a worker was lost over `batch`. Raises HeadraceError when none has ever lived."""
        span = _span(batch)
        with self._lock:
            if span is not None:
                self._killed[span] = [*self._deaths_of(span), error]
            self._deaths += 1
            _log.warning("%s: %s; its rows are tried again", self._step.name, error)
            if not self._worked and self._deaths >= NEVER_WORKED_DEATHS and not out_of_memory(error):
                raise failure(self._step.name, batch, error) from error

    def _deaths_of(self, span: _Span) -> list[WorkerDied]:
        """Of workers over these rows, those of the process before it began among them."""
        before = self._suspects.get(span, 0)
        return self._killed.get(span) or [crashed(before)] * before

    def _tried(self, work: Work, batch: Batch) -> Batch:
        span = _span(batch)
        with self._lock:
            deaths = self._deaths_of(span) if span is not None else []
        if len(deaths) >= _DEATHS:
            return self._after(deaths[-1], work, batch)
        try:
            with self._in_hand(span):
                done = work(batch)
        except Closed:
            raise
        except Exception as error:  # noqa: BLE001 - a worker's boundary: recorded as rejects, or raised with its place
            failed = error
        else:
            if batch.keys:
                self._worked, self._failed, self._deaths, self._first = True, 0, 0, None
            return done
        if out_of_memory(failed):
            failed.__traceback__ = None  # its frames hold what there is no memory for
        if isinstance(failed, WorkerDied):
            self._died(batch, failed)
            return self._tried(work, batch)
        return self._after(failed, work, batch)

    def _in_hand(self, span: _Span | None) -> AbstractContextManager[None]:
        """What runs in processes of its own takes none of this one's rows with it."""
        if self._step.times_itself or span is None:
            return contextlib.nullcontext()
        return self._recorder.in_hand(self._step.name, *span)

    def _after(self, error: Exception, work: Work, batch: Batch) -> Batch:
        """What becomes of a batch that failed: once more, in parts, or rejected."""
        rows = len(batch.keys)
        if stops_the_run(error) or not self._step.divisible:
            raise failure(self._step.name, batch, error) from error
        if rows == 0:
            return replace(batch, tensor=None)  # only its columns' types are lost
        self._first = self._first or (batch, error)
        if (
            out_of_memory(error)
            and not isinstance(error, TooManyAtOnce)
            and self._lower_cap(batch, error)
            and rows == 1
        ):
            return self._tried(work, batch)  # what was held to be used again has just been freed
        return self._rejected(batch, error) if rows == 1 else self._split(error, work, batch)

    def _split(self, error: Exception, work: Work, batch: Batch) -> Batch:
        """In halves; while nothing has worked yet, its last row first: one that works tells bad rows from a bad
        step."""
        rows = len(batch.keys)
        alone = not self._worked and not out_of_memory(error)
        middle = rows - 1 if alone else rows // 2
        parts = [batch.part(0, middle), batch.part(middle, rows)]
        if isinstance(error, WorkerDied):
            with self._lock:
                for span in filter(None, map(_span, parts)):  # in a batch that killed: the next death is its second
                    self._killed[span] = self._deaths_of(span) or [error]
        done = {i: self._tried(work, parts[i]) for i in ((1, 0) if alone else (0, 1))}
        return batch.rejoined([done[0], done[1]])

    def _lower_cap(self, batch: Batch, error: Exception) -> bool:
        """Half of its rows from now on; False when no more than that came anyway."""
        rows = len(batch.keys)
        with self._lock:
            cap = max(1, rows // 2)
            if self.cap is not None and self.cap <= cap:
                return False
            self.cap = cap
            _log.warning(
                "%s: out of memory with %d rows at once (%s): from now on at most %d", self._step.name, rows, error, cap
            )
        _free_memory()
        self._resize(batch, cap)
        return True

    def _resize(self, batch: Batch, cap: int | None) -> None:
        try:
            self._step.resize(cap)
        except Exception as error:
            raise failure(self._step.name, batch, error) from error

    def _rejected(self, batch: Batch, error: Exception) -> Batch:
        """Without its one row. Raises StageFailed, from the first error, when it is the step that is at fault."""
        with self._lock:
            self._failed += 1
            first_batch, first = self._first or (batch, error)
            few = min(NEVER_WORKED_ROWS, self._listing.rows)
            if self._failed >= (self._most_in_a_row if self._worked else few):
                raise failure(self._step.name, first_batch, first) from first
            before = self._caps_before[threading.get_ident()]
            restored = out_of_memory(error) and self.cap != before
            if restored:
                self.cap = before
        if restored:  # it was this row, not how many came
            self._resize(batch, before)
        row = int(batch.rows[0])
        reject = Reject.of(batch.keys[0], row, self._step.name, error, original_of(self._listing, row))
        none_left = batch.part(0, 0)
        return replace(none_left, tensor=None, rejects=[*batch.rejects, reject])


def original_of(listing: Listing, row: int) -> object:
    """A row as the source has it: the image's bytes or pixels, else its columns; None where it cannot be read again."""
    try:
        (read,) = listing.reads(row, row + 1, 1)
        found = read.load()
        return found.cells[0] if found.cells is not None else {name: a[0] for name, a in found.columns.items()}
    except Exception:  # noqa: BLE001 - the row is rejected for another reason already
        return None


def _free_memory() -> None:
    """Lets go of what only waits to be used again, on the device too."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
