"""Batches back into partitions, with the account of their rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from headrace.core.batch import Batch, Columns, Reject, end_to_end
from headrace.core.errors import HeadraceError
from headrace.core.partition import Account, Partition
from headrace.engine.flow.places import located
from headrace.engine.flow.preparing import as_column


@dataclass
class Assembled:
    """A partition's rows in order, ready for the sink."""

    partition: Partition
    columns: Columns
    account: Account
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Written:
    """Which of a batch's columns are written: the key first, and the image only when it was asked for."""

    key_name: str
    image_name: str
    keep_images: bool

    def columns(self, batch: Batch) -> Columns:
        """A batch's output columns. Images that no stage has made a column of are kept as they were read."""
        columns: Columns = {self.key_name: np.array(batch.keys, dtype=object)}
        if self.keep_images and batch.cells is not None:
            columns[self.image_name] = as_column(batch.cells)
        left_out = (self.key_name, None if self.keep_images else self.image_name)
        return columns | {n: a for n, a in batch.columns.items() if n not in left_out}


def assemble(batches: Iterable[Batch], todo: Iterable[Partition], written: Written) -> Iterator[Assembled]:
    """Puts together the batches of each partition; they come in order."""
    partitions = iter(todo)
    collected: list[Batch] = []
    for batch in batches:
        collected.append(batch)
        if batch.last:
            partition = next(partitions)
            assert all(b.partition == partition.number for b in collected), partition
            yield whole(partition, collected, written)
            collected = []
    assert not collected, "batches without their partition's last"


def whole(partition: Partition, batches: list[Batch], written: Written) -> Assembled:
    """A partition of its batches, all of them, in order."""
    parts = [written.columns(b) for b in batches if b.keys or b is batches[-1]]
    parts = [p for p in parts if len(p[written.key_name])] or parts[-1:]
    rejects = [r for b in batches for r in b.rejects]
    rows_out = sum(len(b.keys) for b in batches)
    account = Account(rows_in=sum(b.rows_in for b in batches), rows_out=rows_out, rows_rejected=len(rejects))
    return Assembled(partition, concatenated(parts), account, rejects)


def concatenated(parts: list[Columns]) -> Columns:
    """Columns of several batches end to end; all have the same names."""
    assert all(list(part) == list(parts[0]) for part in parts), [list(p) for p in parts]
    return {name: end_to_end([p[name] for p in parts]) for name in parts[0]}


@contextlib.contextmanager
def writing(part: Assembled) -> Iterator[None]:
    """Around the publishing of a part: what it raises says which. Raises HeadraceError."""
    try:
        yield
    except HeadraceError:
        raise
    except Exception as error:
        keys = list(next(iter(part.columns.values())))
        raise located("write", part.partition.number, 0, part.partition.rows, keys, error) from error
