"""What is done to a whole batch: a user's function, or a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from headrace.core.batch import Batch, Columns, Reject, end_to_end
from headrace.core.contracts import BatchFunction, Decoder, Inference, Pixels, Session, Stage
from headrace.core.errors import BadInput, HeadraceError, StageNotBuilt
from headrace.engine.local.buffers import TensorPool
from headrace.engine.local.preparing import as_column

Work = Callable[[Batch], Batch]


class Step(Protocol):
    """A step of the pipeline: how many workers at once (threads may be more), and how one is opened."""

    name: str
    workers: int

    @property
    def threads(self) -> int:
        """How many threads."""
        ...

    def open(self) -> Work:
        """One worker, used by one thread."""
        ...


@dataclass
class InferStep:
    """A model with several requests in flight."""

    name: str
    inference: Inference
    session: Session
    pool: TensorPool
    workers: int = field(init=False)

    def __post_init__(self) -> None:
        self.workers = self.session.streams

    @property
    def threads(self) -> int:
        """Two a stream: with one, it stands still while its results are copied and the next batch is fetched."""
        return 2 * self.workers

    def open(self) -> Work:
        """A request of its own."""
        request = self.session.request()

        def infer(batch: Batch) -> Batch:
            assert batch.tensor is not None
            # Without a row too: the outputs then give the columns their types.
            columns = self.inference.head(request(batch.tensor, len(batch.keys)))
            if clash := columns.keys() & batch.columns.keys():
                raise _clash(clash)
            batch.columns = batch.columns | columns
            self.pool.give(batch.tensor)
            batch.tensor = None
            return batch

        return infer


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

    @property
    def threads(self) -> int:
        """One a worker."""
        return self.workers

    def open(self) -> Work:
        """Any thread may run it."""
        return self._fit

    def _fit(self, batch: Batch) -> Batch:
        images = batch.columns.get(self.image_name) if self.keep else batch.columns.pop(self.image_name, None)
        if images is None and not batch.keys:
            images = np.empty(0, dtype=object)
        if images is None:
            had = ", ".join(batch.columns) or "nothing"
            raise KeyError(f"the model needs the column {self.image_name!r}; the stage before it returned {had}")
        batch.tensor = self.pool.take()
        good = np.ones(len(batch.keys), np.bool_)
        for i, image in enumerate(images):
            try:
                self.decoder.decode_into(image, batch.tensor[i])
            except Exception as error:  # noqa: BLE001 - a decoder may raise anything over a broken image; it is recorded
                batch.rejects.append(Reject.of(batch.keys[i], self.name, error, image))
                good[i] = False
        if not good.all():
            batch.keep(good)
        return batch


@dataclass
class MapStep:
    """A user's function or class; `opened` holds workers that are built already, here or in processes."""

    name: str
    stage: Stage
    key_name: str
    image_name: str
    workers: int = 1
    opened: list[Work] = field(default_factory=list)
    pool: TensorPool | None = None
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
            return partial(self.run, self.stage.open())

    def run(self, call: BatchFunction, batch: Batch) -> Batch:
        """Maps a batch; one without rows gets the columns that others have."""
        if batch.keys:
            batch.columns = self._returned(_sliced(call, self.given(batch), self.stage.batch_size), len(batch.keys))
        elif self._empty is not None:
            batch.columns = dict(self._empty)
        if self.pool is not None and batch.tensor is not None:
            if not _holds(batch.columns, batch.tensor):
                self.pool.give(batch.tensor)
            batch.tensor = None
        return batch

    def given(self, batch: Batch) -> Columns:
        """What the user's code sees: the key, the columns, and the image (None where it could not be read)."""
        given: Columns = {self.key_name: np.array(batch.keys, dtype=object)} | batch.columns
        if batch.tensor is not None:
            given[self.image_name] = batch.tensor[: len(batch.keys)]
        elif batch.cells is not None:
            given[self.image_name] = as_column([None if isinstance(c, Exception) else c for c in batch.cells])
            batch.cells = None
        return given

    def _returned(self, columns: Columns, rows: int) -> Columns:
        """The columns, checked, in the order of the first batch's."""
        for name, values in columns.items():
            if len(values) != rows:
                what = f"{self.name} was given {rows} rows and returned {len(values)} in {name!r}"
                raise ValueError(f"{what}; return one value for every row, in order")
        found = {n: v for n, v in columns.items() if n != self.key_name}
        if self._empty is None:
            self._empty = {n: v[:0].copy() for n, v in found.items()}
        _check_names(self.name, list(self._empty), list(found))
        return {n: found[n] for n in self._empty}


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
        raise ValueError(f"{stage} returned the columns {found}, before {first}; return the same from every batch")


_PLAIN = (str, bytes, int, float, type(None))


def _holds(columns: Columns, tensor: Pixels) -> bool:
    """Whether a stage has returned what it borrowed, or objects that may be parts of it."""
    return any(
        any(not isinstance(v, _PLAIN) for v in a) if a.dtype == object else np.may_share_memory(a, tensor)
        for a in columns.values()
    )


def opened(step: Step) -> Work:
    """One worker of `step`. Raises StageNotBuilt."""
    try:
        return step.open()
    except HeadraceError:
        raise
    except Exception as error:
        raise StageNotBuilt(step.name, f"{type(error).__name__}: {error}") from error
