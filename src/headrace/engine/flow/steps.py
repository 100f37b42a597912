"""What is done to a whole batch: a user's function, or a model.

A step's work leaves the batch it is given as it was, whether it returns or raises, so that it can be tried again.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch, Columns, Reject, end_to_end
from headrace.core.contracts import BatchFunction, Decoder, Inference, Pixels, Request, Session, Stage
from headrace.core.errors import BadInput, HeadraceError
from headrace.core.faults import TooManyAtOnce, WrongAnswer
from headrace.engine.flow.buffers import TensorPool, padded
from headrace.engine.flow.places import not_built
from headrace.engine.flow.preparing import as_column

Work = Callable[[Batch], Batch]


class Step(Protocol):
    """A step of the pipeline: how many workers at once (threads may be more), and how one is opened."""

    name: str
    workers: int

    @property
    def threads(self) -> int:
        """How many threads."""
        ...

    @property
    def times_itself(self) -> bool:
        """Whether its work ends itself when it takes too long."""
        ...

    @property
    def divisible(self) -> bool:
        """Whether its work on parts of a batch is its work on the batch."""
        ...

    def open(self) -> Work:
        """One worker, used by one thread."""
        ...

    def resize(self, rows: int | None) -> None:
        """From now on at most `rows` rows come at once; None: as many as at first."""
        ...


@dataclass
class InferStep:
    """A model with several requests in flight; `reload` gives its session for fewer rows at once."""

    name: str
    inference: Inference
    session: Session
    reload: Callable[[int], Session]
    workers: int = field(init=False)
    times_itself: bool = False
    divisible: bool = True
    _loading: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.workers, self._first_capacity = self.session.streams, self.session.capacity

    @property
    def threads(self) -> int:
        """Two a stream: with one, it stands still while its results are copied and the next batch is fetched."""
        return 2 * self.workers

    def open(self) -> Work:
        """A request of its own."""
        return _Inferring(self)

    def resize(self, rows: int | None) -> None:
        """Loads the model for batches of `rows`, where it was loaded for a fixed number of them."""
        if self._first_capacity is None:
            return
        wanted = self._first_capacity if rows is None else min(rows, self._first_capacity)
        with self._loading:
            if self.session.capacity != wanted:
                self.session = self.reload(wanted)


class _Inferring:
    """One thread's request."""

    def __init__(self, step: InferStep) -> None:
        self._step, self._session = step, step.session
        self._request: Request = self._session.request()
        self._staging: Pixels | None = None

    def _staged(self, tensor: Pixels) -> Pixels:
        """A copy of it, in memory that is used again for the next."""
        if self._staging is None or self._staging.shape != tensor.shape:
            self._staging = np.empty_like(tensor)
        np.copyto(self._staging, tensor)
        return self._staging

    def __call__(self, batch: Batch) -> Batch:
        if self._session is not self._step.session:
            self._session = self._step.session
            self._request = self._session.request()
        tensor, rows, capacity = batch.tensor, len(batch.keys), self._session.capacity
        assert tensor is not None
        if capacity is not None and rows > capacity:  # another thread has just shrunk it: split as it was
            raise TooManyAtOnce(f"{rows} rows are more than the {capacity} that there was memory for")
        if capacity is not None and len(tensor) != capacity:
            tensor = padded(tensor[:rows], capacity)
        if not tensor.flags.writeable:  # as shared memory comes; OpenVINO takes none, torch warns
            tensor = self._staged(tensor)
        # Without a row too: the outputs then give the columns their types.
        columns = self._step.inference.head(self._request(tensor, rows))
        if clash := columns.keys() & batch.columns.keys():
            raise _clash(clash)
        return replace(batch, columns=batch.columns | columns, tensor=None)


def _clash(names: set[str]) -> BadInput:
    shown = ", ".join(sorted(names))
    return BadInput(
        "input", f"has columns that the model writes too: {shown}", "leave them out (columns=) or rename them"
    )


@dataclass
class FitStep:
    """Image columns that stages have made or changed, put into the model's tensor."""

    decoder: Decoder
    pool: TensorPool
    image_name: str
    workers: int
    name: str = "fit"
    keep: bool = False
    times_itself: bool = False
    divisible: bool = False  # its tensor is one

    @property
    def threads(self) -> int:
        """One a worker."""
        return self.workers

    def open(self) -> Work:
        """Any thread may run it."""
        return self._fit

    def resize(self, rows: int | None) -> None:
        """It works row by row."""

    def _fit(self, batch: Batch) -> Batch:
        images = batch.columns.get(self.image_name)
        if images is None and not batch.keys:
            images = np.empty(0, dtype=object)
        if images is None:
            had = ", ".join(batch.columns) or "nothing"
            raise WrongAnswer(f"the model needs the column {self.image_name!r}; the stage before it returned {had}")
        tensor = self.pool.take()
        rejects: list[Reject] = []
        fitted: list[int] = []
        for i, image in enumerate(images):
            try:
                self.decoder.decode_into(image, tensor[len(fitted)])
            except Exception as error:  # noqa: BLE001 - a decoder may raise anything over a broken image; it is recorded
                rejects.append(Reject.of(batch.keys[i], int(batch.rows[i]), self.name, error, image))
            else:
                fitted.append(i)
        columns = {n: a for n, a in batch.columns.items() if self.keep or n != self.image_name}
        return replace(
            batch,
            keys=[batch.keys[i] for i in fitted],
            rows=batch.rows[fitted],
            cells=None if batch.cells is None else [batch.cells[i] for i in fitted],
            columns={n: a[fitted] for n, a in columns.items()},
            tensor=tensor,
            rejects=[*batch.rejects, *rejects],
        )


@dataclass
class MapStep:
    """A user's function or class; `opened` holds workers that are built already, here or in processes (which time
    themselves)."""

    name: str
    stage: Stage
    key_name: str
    image_name: str
    workers: int = 1
    opened: list[Work] = field(default_factory=list)
    times_itself: bool = False
    divisible: bool = True
    _empty: Columns | None = field(init=False, default=None)

    @property
    def threads(self) -> int:
        """One a worker."""
        return self.workers

    def open(self) -> Work:
        """Takes a worker that is built already, or builds one."""
        try:
            return self.opened.pop()
        except IndexError:
            return self.working(_owning(self.stage.open()))

    def working(self, call: BatchFunction) -> Work:
        """A worker around `call`, which shall not change what it is given."""
        return partial(self._run, call)

    def resize(self, rows: int | None) -> None:
        """It takes whatever comes."""

    def _run(self, call: BatchFunction, batch: Batch) -> Batch:
        """Maps a batch; one without rows gets the columns that others have."""
        columns = batch.columns
        if batch.keys:
            columns = self._returned(_sliced(call, self._given(batch), self.stage.batch_size), len(batch.keys))
        elif self._empty is not None:
            columns = dict(self._empty)
        return replace(batch, columns=columns, tensor=None, cells=None if batch.tensor is None else batch.cells)

    def _given(self, batch: Batch) -> Columns:
        """What the user's code sees: the key, the columns, and the image (None where it could not be read)."""
        given: Columns = {self.key_name: np.array(batch.keys, dtype=object)} | batch.columns
        if batch.tensor is not None:
            given[self.image_name] = batch.tensor[: len(batch.keys)]
        elif batch.cells is not None:
            given[self.image_name] = as_column([None if isinstance(c, Exception) else c for c in batch.cells])
        return given

    def _returned(self, columns: Columns, rows: int) -> Columns:
        """The columns, checked, in the order of the first batch's."""
        for name, values in columns.items():
            if len(values) != rows:
                what = f"{self.name} was given {rows} rows and returned {len(values)} in {name!r}"
                raise WrongAnswer(f"{what}; return one value for every row, in order")
        found = {n: v for n, v in columns.items() if n != self.key_name}
        if self._empty is None:
            self._empty = {n: v[:0].copy() for n, v in found.items()}
        _check_names(self.name, list(self._empty), list(found))
        return {n: found[n] for n in self._empty}


def _owning(call: BatchFunction) -> BatchFunction:
    """`call` on copies: a user's code may write into what it is given, and rows may have to be given to it again.
    Copying 224x224 photos takes 0.02 ms each (2-core EPYC)."""
    return lambda columns: call({name: _copied(array) for name, array in columns.items()})


def _copied(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != object:
        return array.copy()
    own = np.empty(len(array), dtype=object) if array.ndim == 1 else array.copy()
    if array.ndim == 1:
        for row, value in enumerate(array):
            own[row] = value if isinstance(value, _PLAIN) else copy.deepcopy(value)
    return own


_PLAIN = (str, bytes, int, float, type(None))


def _sliced(call: BatchFunction, columns: Columns, size: int | None) -> Columns:
    """Calls with at most `size` rows at a time."""
    rows = len(next(iter(columns.values())))
    if size is None or rows <= size:
        return call(columns)
    parts = [call({n: a[i : i + size] for n, a in columns.items()}) for i in range(0, rows, size)]
    for part in parts:
        _check_names("the stage", list(parts[0]), list(part))
    return {name: end_to_end([p[name] for p in parts]) for name in parts[0]}


def _check_names(stage: str, first: list[str], found: list[str]) -> None:
    if sorted(first) != sorted(found):
        raise WrongAnswer(f"{stage} returned the columns {found}, before {first}; return the same from every batch")


def opened(step: Step) -> Work:
    """One worker of `step`. Raises StageNotBuilt."""
    try:
        return step.open()
    except HeadraceError:
        raise
    except Exception as error:
        raise not_built(step.name, error) from error
