"""The rows of a job that is gone on with: those it began with, files added since, and rejects to try again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow.lib import StringBuilder

from headrace.core.contracts import Listing
from headrace.core.partition import Commits, Round
from headrace.job.record import JobRecord
from headrace.sinks.tables import table_of
from headrace.sources.rounds import JoinedListing, SelectedListing

_SHOWN = 3
_ITEMS = "the items in memory"  # which have no files to tell them by


class Tables(Protocol):
    """Where rounds and rejects are kept."""

    def write_table(self, name: str, table: pa.Table) -> None:
        """Keeps a table under a name. Raises WriteFailed."""
        ...

    def read_table(self, name: str) -> pa.Table:
        """A table that was kept. Raises BadOutput."""
        ...

    def rejects(self, number: int) -> pa.Table:
        """The rejects of a partition that is committed; empty when it has none."""
        ...


def table_name(number: int) -> str:
    """Where the files or rows of a round are kept."""
    return f"rounds/{number:04d}.parquet"


def keep_files(folder: Tables, number: int, listing: Listing) -> None:
    """Keeps keys, sizes and row counts of a round's files, so that later ones can be told from them."""
    keys = StringBuilder()
    for key, *_ in listing.files():
        keys.append(key)
    sizes = np.fromiter((size for _, size, _ in listing.files()), np.int64)
    counts = np.fromiter((len(rows) for *_, rows in listing.files()), np.int32)
    flat = np.fromiter(chain.from_iterable(rows for *_, rows in listing.files()), np.int64)
    ends = np.concatenate([np.zeros(1, np.int32), np.cumsum(counts, dtype=np.int32)])
    rows = pa.ListArray.from_arrays(*(table_of({"": column}).column(0).chunk(0) for column in (ends, flat)))
    table = table_of({"size": sizes}).add_column(0, "key", [keys.finish()]).append_column("rows", [rows])
    folder.write_table(table_name(number), table)


class Input:
    """The input as it is listed now, beside the files that the rounds of its job were made of."""

    def __init__(self, listing: Listing, record: JobRecord, folder: Tables) -> None:
        self._listing, self._record, self._folder = listing, record, folder
        self._inputs = [i for i, r in enumerate(record.rounds) if r.kind != "retried"]
        self.unchanged = len(self._inputs) == 1 and listing.digest() == record.digests[0]

    @cached_property
    def changes(self) -> dict[str, list[str]]:
        """Keys of files that were "added" or "removed" since, are "resized", or are there "with other rows"; only kinds
        that there are.

        A resized file has as many rows as before; a Parquet file has them in the same row groups too. Only such a
        file's rows may be those that the job knows by their numbers; one with other rows is never gone on with.
        """
        if self.unchanged:
            return {}
        now = {key: (size, rows) for key, size, rows in self._listing.files()}
        then = {key: (size, rows) for i in self._inputs for key, size, rows in self._kept(i)}
        differing = [k for k in now if k in then and now[k] != then[k]]
        found = {
            "added": [k for k in now if k not in then],
            "removed": [k for k in then if k not in now],
            "resized": [k for k in differing if now[k][1] == then[k][1]],
            "with other rows": [k for k in differing if now[k][1] != then[k][1]],
        }
        if not now and not then:
            found["resized"] = [_ITEMS]
        return {kind: keys for kind, keys in found.items() if keys}

    @property
    def rows(self) -> int:
        """How many rows there are now of the files that the rounds were made of."""
        return sum(part.rows for part in self._parts.values())

    @property
    def recorded_rows(self) -> int:
        """How many rows the rounds were made with; where it is not `rows`, their numbers stand for other rows now."""
        return sum(self._record.rounds[i].rows for i in self._inputs)

    def added(self) -> Listing:
        """The files that no round has."""
        return self._listing.only(set(self.changes["added"]))

    @cached_property
    def _parts(self) -> dict[int, Listing]:
        """The rounds' files as they are listed now, by the round's number."""
        if self.unchanged or self.changes.get("resized") == [_ITEMS]:
            return {0: self._listing}
        return {i: self._listing.only({key for key, *_ in self._kept(i)}) for i in self._inputs}

    def listing(self, record: JobRecord) -> Listing:
        """The rows of all rounds of `record`, in their order."""
        parts: list[Listing] = []
        for i, one in enumerate(record.rounds):
            if one.kind == "retried":
                parts.append(SelectedListing(JoinedListing(parts), self._rows(i)))
            else:
                parts.append(self._parts[i] if i in self._parts else self.added())
        return parts[0] if len(parts) == 1 else JoinedListing(parts)

    def digests(self) -> tuple[str, ...]:
        """Each round's, as it is listed now."""
        now = {i: part.digest() for i, part in self._parts.items()}
        return tuple(now.get(i, digest) for i, digest in enumerate(self._record.digests))

    def keep_again(self) -> None:
        """Keeps the files' sizes as they are now."""
        for i, part in self._parts.items():
            keep_files(self._folder, i, part)

    def _kept(self, number: int) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        table = self._folder.read_table(table_name(number))
        keys, sizes, rows = (table.column(name).to_pylist() for name in ("key", "size", "rows"))
        return zip(keys, sizes, map(tuple, rows), strict=True)

    def _rows(self, number: int) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = self._folder.read_table(table_name(number)).column("row").to_numpy()
        return rows


def in_words(changes: Mapping[str, Sequence[str]]) -> str:
    """What has become of the input's files."""
    if changes.get("resized") == [_ITEMS]:
        return f"{_ITEMS} are others"
    return ", ".join(f"{_counted(keys)} {kind}" for kind, keys in changes.items())


def _counted(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
    return f"{len(keys)} file{'s' if len(keys) > 1 else ''} ({shown})"


def open_rejects(rounds: Sequence[Round], committed: Commits, folder: Tables) -> NDArray[np.int64]:
    """Rows that are rejected as things stand, and wait in no round to be run again: int64, ascending, in the listing of
    all rounds."""
    rejected: set[int] = set()
    waiting: set[int] = set()
    for i, one in enumerate(rounds):
        if one.kind != "retried":
            for number in committed.with_rejects(one.first, one.stop):
                rejected.update(folder.rejects(number).column("row").to_pylist())
            continue
        stands_for = folder.read_table(table_name(i)).column("row").to_numpy()
        for number in range(one.first, one.stop):
            partition = one.partition(number)
            rows = stands_for[partition.start - one.start : partition.stop - one.start].tolist()
            if number not in committed:
                waiting.update(rows)
                continue
            again = folder.rejects(number).column("row").to_numpy() - one.start
            rejected = (rejected - set(rows)) | set(stands_for[again].tolist())
    return np.array(sorted(rejected - waiting), np.int64)


def keep_rows(folder: Tables, number: int, rows: NDArray[np.int64]) -> None:
    """Keeps the rows of a round that runs rejects again."""
    folder.write_table(table_name(number), table_of({"row": rows}))
