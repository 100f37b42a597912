"""A cache of what the parts' footers say, so that a resume opens few files; the footers stay what counts."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.core.partition import Account
from headrace.sinks.footers import Footer, encode, intact, rejects_key
from headrace.sinks.stores import Store
from headrace.sinks.tables import table_of

FOLDER = "_headrace/commits"
_LINES = 4096  # in a file: 10^6 commits are 250 of them, some 0.5 MB each
_UNWRITTEN = 256  # lines, or seconds, after which a file is written; a killed run leaves so many footers to be read
_UNWRITTEN_S = 30.0
_SHORT = 32  # files that are not full, one a session, before they are put together

_ACCOUNT = [f.name for f in fields(Account)]
_SCHEMA = pa.schema(
    [(name, pa.int64()) for name in ("part", "bytes", *_ACCOUNT, "rejects")]
    + [(name, pa.string()) for name in ("sha256", "fingerprint")]
)

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@dataclass
class Known:
    """What is known of the parts that were listed (number, bytes), in their order: whether anything is, accounts
    [N, 5], and the attempts [N] whose rejects they name (-1: none).

    doubtful: the cache contradicts itself. A part that was removed by hand and made anew has its old line's size.
    """

    listed: NDArray[Any]
    mask: NDArray[np.bool_]
    accounts: NDArray[np.int64]
    rejects: NDArray[np.int64]
    doubtful: NDArray[np.bool_]

    @classmethod
    def nothing(cls, listed: NDArray[Any]) -> Known:
        """Of parts that were listed, by number."""
        count = len(listed)
        accounts = np.zeros((count, len(_ACCOUNT)), np.int64)
        return cls(listed, np.zeros(count, bool), accounts, np.full(count, -1), np.zeros(count, bool))

    def put(self, at: Any, accounts: Any, rejects: Any) -> None:
        """Adds some: their places, and what is known of them."""
        self.mask[at], self.accounts[at], self.rejects[at] = True, accounts, rejects

    def put_lines(self, at: NDArray[np.int64], accounts: NDArray[np.int64], rejects: NDArray[np.int64]) -> None:
        """Adds what lines of the cache say; parts of which they say different things are `doubtful`."""
        new = ~self.mask[at]
        self.put(at[new], accounts[new], rejects[new])
        differ = (self.rejects[at] != rejects) | (self.accounts[at] != accounts).any(axis=1)
        self.doubtful[at[differ]] = True

    def forget(self, numbers: NDArray[np.int64]) -> None:
        """Takes parts for unknown, so that their footers are read; those that were listed."""
        at, there = self.places(numbers)
        self.mask[at[there]] = False

    def places(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Where parts stand among those listed, and whether they are there; any place where they are not."""
        if len(self.listed) == 0:
            return np.zeros(len(numbers), np.int64), np.zeros(len(numbers), bool)
        at = np.minimum(np.searchsorted(self.listed["number"], numbers), len(self.listed) - 1)
        return at, self.listed["number"][at] == numbers

    def unnamed(self, keys: NDArray[Any]) -> NDArray[Any]:
        """Those rejects files (part, attempt) that no part names."""
        at, there = self.places(keys["part"])
        there[there] = self.rejects[at[there]] == keys["attempt"][there]
        return keys[~there]


class CommitCache:
    """`_headrace/commits/`: Parquet files of a line a part. Every session writes its own, anew as it grows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._session, self._file = uuid.uuid4().hex[:12], 0
        self._lines: list[tuple[Any, ...]] = []
        self._unwritten, self._written_s = 0, time.monotonic()
        self._adding = threading.Lock()

    def add(self, nbytes: int, footer: Footer) -> None:
        """Adds a part; written sooner or later."""
        line = (footer.partition.number, nbytes, *astuple(footer.adds))
        with self._adding:
            self._lines.append((*line, attempt_of(footer), footer.sha256, footer.fingerprint))
            self._unwritten += 1
            if self._unwritten >= _UNWRITTEN or time.monotonic() - self._written_s > _UNWRITTEN_S:
                self._write()

    def flush(self) -> None:
        """Writes what was added."""
        with self._adding:
            if self._unwritten:
                self._write()

    def _write(self) -> None:
        columns = zip(_SCHEMA, zip(*self._lines, strict=True), strict=True)
        # Not pa.table(): from lists it imports pandas where that is installed, 0.2 s of a short run.
        table = table_of({f.name: np.array(c, "O" if f.type == pa.string() else "i8") for f, c in columns})
        assert table.schema.equals(_SCHEMA), table.schema
        with contextlib.suppress(OSError):  # only a cache: the parts are published
            self._put(table)
        self._unwritten, self._written_s = 0, time.monotonic()
        if len(self._lines) >= _LINES:
            self._lines, self._file = [], self._file + 1

    def _put(self, table: pa.Table) -> None:
        self._store.replace(f"{FOLDER}/{self._session}-{self._file:06d}.parquet", encode(table)[0])

    def known(self, listed: NDArray[Any], fingerprint: str, *, mend: bool) -> Known:
        """What it holds of the parts `listed` (number, bytes; by number) that fits their size and the job, and does
        not contradict itself.

        mend: puts short files together, and removes broken ones and lines that do not count; only for whoever holds
        the lock.
        """
        known = Known.nothing(listed)
        names = sorted(f"{FOLDER}/{name}" for name, _ in self._store.list(FOLDER))
        lines: dict[str, int] = {}
        places: dict[str, NDArray[np.int64]] = {}
        for name, table in zip(names, mapped(self._read, names, self._store.readers), strict=True):
            if table is not None:
                at, fits = _fitting(known, table, fingerprint)
                columns = {n: table[n].to_numpy()[fits] for n in (*_ACCOUNT, "rejects")}
                known.put_lines(at[fits], np.column_stack([columns[n] for n in _ACCOUNT]), columns["rejects"])
                lines[name], places[name] = len(table), at[fits]
        known.mask &= ~known.doubtful
        if mend:
            stale = {n for n, at in places.items() if len(at) < lines[n] or known.doubtful[at].any()}
            short = {n for n, count in lines.items() if count < _LINES}
            with contextlib.suppress(OSError):
                self._mend(known, fingerprint, stale | (short if len(short) > _SHORT else set()))
                self._store.delete(*(name for name in names if name not in lines))
        return known

    def numbers(self, fingerprint: str) -> NDArray[np.int64]:
        """The partitions of a job that were published, by what was written of them; ascending."""
        names = [f"{FOLDER}/{name}" for name, _ in self._store.list(FOLDER)]
        tables = [t for t in mapped(self._read, names, self._store.readers) if t is not None]
        lines = pa.concat_tables(tables or [_SCHEMA.empty_table()])
        numbers: NDArray[np.int64] = np.unique(
            lines.filter(pc.equal(lines["fingerprint"], fingerprint))["part"].to_numpy()
        )
        return numbers

    def _read(self, name: str) -> pa.Table | None:
        """A file of the cache; None when it is broken."""
        try:
            data = self._store.read(name)
            if not intact(data):
                return None
            table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
        except OSError:
            return None
        return table if table.schema.equals(_SCHEMA) else None

    def _mend(self, known: Known, fingerprint: str, names: set[str]) -> None:
        """Writes the lines that count of these files anew, one a part, and then removes the files."""
        kept = []
        for table in mapped(self._read, sorted(names), self._store.readers):
            if table is not None:
                at, fits = _fitting(known, table, fingerprint)
                fits[fits] = known.mask[at[fits]]
                kept.append(table.filter(pa.array(fits)))
        lines = pa.concat_tables([_SCHEMA.empty_table(), *kept])
        lines = lines.take(np.unique(lines["part"].to_numpy(), return_index=True)[1])
        for start in range(0, len(lines), _LINES):
            self._put(lines.slice(start, _LINES))
            self._file += 1
        self._store.delete(*names)


def _fitting(known: Known, table: pa.Table, fingerprint: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The places of the lines' parts, and which lines fit; no place counts of those that do not."""
    at, fits = known.places(table["part"].to_numpy())
    fits &= pc.equal(table["fingerprint"], fingerprint).to_numpy()
    fits[fits] = known.listed["bytes"][at[fits]] == table["bytes"].to_numpy()[fits]
    return at, fits


def attempt_of(footer: Footer) -> int:
    """The attempt that has written the rejects which a part names; -1 when it names none."""
    key = None if footer.rejects is None else rejects_key(footer.rejects)
    return -1 if key is None else key[1]


def mapped(call: Callable[[_Item], _Made], items: Iterable[_Item], threads: int) -> Iterator[_Made]:
    """What `call` makes of the items, in their order; a few ahead of who asks, by several threads."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[_Made]] = deque()
        for item in items:
            waiting.append(pool.submit(call, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
