"""The rows of a job that is gone on with: those it began with, files added since, and rejects to try again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
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
    """Keeps keys and sizes of a round's files, so that later ones can be told from them."""
    keys = StringBuilder()
    for key, _ in listing.files():
        keys.append(key)
    sizes = np.fromiter((size for _, size in listing.files()), np.int64)
    folder.write_table(table_name(number), table_of({"size": sizes}).add_column(0, "key", [keys.finish()]))


class Input:
    """The input as it is listed now, beside the files that the rounds of its job were made of."""

    def __init__(self, listing: Listing, record: JobRecord, folder: Tables) -> None:
        self._listing, self._record, self._folder = listing, record, folder
        self._inputs = [i for i, r in enumerate(record.rounds) if r.kind != "retried"]
        self.unchanged = len(self._inputs) == 1 and listing.digest() == record.digests[0]

    @cached_property
    def changes(self) -> dict[str, list[str]]:
        """Keys of files that were "added", "removed" or "resized" since; only kinds that there are."""
        if self.unchanged:
            return {}
        now = dict(self._listing.files())
        then = {key: size for i in self._inputs for key, size in self._kept(i)}
        found = {
            "added": [k for k in now if k not in then],
            "removed": [k for k in then if k not in now],
            "resized": [k for k in now if k in then and now[k] != then[k]],
        }
        if not now and not then:
            found["resized"] = ["items in memory"]
        return {kind: keys for kind, keys in found.items() if keys}

    def added(self) -> Listing:
        """The files that no round has."""
        return self._listing.only(set(self.changes["added"]))

    @cached_property
    def _parts(self) -> dict[int, Listing]:
        """The rounds' files as they are listed now, by the round's number."""
        if self.unchanged:
            return {0: self._listing}
        return {i: self._listing.only({key for key, _ in self._kept(i)}) for i in self._inputs}

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
        """Keeps the sizes that files have now."""
        for i, part in self._parts.items():
            keep_files(self._folder, i, part)

    def _kept(self, number: int) -> Iterator[tuple[str, int]]:
        table = self._folder.read_table(table_name(number))
        return zip(table.column("key").to_pylist(), table.column("size").to_pylist(), strict=True)

    def _rows(self, number: int) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = self._folder.read_table(table_name(number)).column("row").to_numpy()
        return rows


def in_words(changes: Mapping[str, Sequence[str]]) -> str:
    """What has become of the input's files."""
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
