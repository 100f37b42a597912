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
    [N, 5], and the attempts [N] whose rejects they name (-1: none)."""

    listed: NDArray[Any]
    mask: NDArray[np.bool_]
    accounts: NDArray[np.int64]
    rejects: NDArray[np.int64]

    @classmethod
    def nothing(cls, listed: NDArray[Any]) -> Known:
        """Of parts that were listed, by number."""
        count = len(listed)
        return cls(listed, np.zeros(count, bool), np.zeros((count, len(_ACCOUNT)), np.int64), np.full(count, -1))

    def put(self, at: Any, accounts: Any, rejects: Any) -> None:
        """Adds some: their places, and what is known of them."""
        self.mask[at], self.accounts[at], self.rejects[at] = True, accounts, rejects

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
        columns = dict(zip(_SCHEMA.names, zip(*self._lines, strict=True), strict=True))
        with contextlib.suppress(OSError):  # only a cache: the parts are published
            self._put(pa.table(columns, schema=_SCHEMA))
        self._unwritten, self._written_s = 0, time.monotonic()
        if len(self._lines) >= _LINES:
            self._lines, self._file = [], self._file + 1

    def _put(self, table: pa.Table) -> None:
        self._store.replace(f"{FOLDER}/{self._session}-{self._file:06d}.parquet", encode(table)[0])

    def known(self, listed: NDArray[Any], fingerprint: str, *, mend: bool) -> Known:
        """What it holds of the parts `listed` (number, bytes; by number) that fits their size and the job.

        mend: puts short files together, and removes broken ones; only for whoever holds the lock.
        """
        known = Known.nothing(listed)
        names = sorted(name for name, _ in self._store.list(FOLDER))
        short: dict[str, pa.Table] = {}
        broken: list[str] = []
        for name, table in zip(names, mapped(self._read, names, self._store.readers), strict=True):
            if table is None:
                broken.append(f"{FOLDER}/{name}")
                continue
            fits = _fill(known, table, fingerprint)
            if len(table) < _LINES:
                short[f"{FOLDER}/{name}"] = table.filter(pa.array(fits))
        if mend:
            with contextlib.suppress(OSError):
                self._mend(short, broken)
        return known

    def numbers(self, fingerprint: str) -> NDArray[np.int64]:
        """The partitions of a job that were published, by what was written of them; ascending."""
        names = [name for name, _ in self._store.list(FOLDER)]
        tables = [t for t in mapped(self._read, names, self._store.readers) if t is not None]
        lines = pa.concat_tables(tables or [_SCHEMA.empty_table()])
        numbers: NDArray[np.int64] = np.unique(
            lines.filter(pc.equal(lines["fingerprint"], fingerprint))["part"].to_numpy()
        )
        return numbers

    def _read(self, name: str) -> pa.Table | None:
        """A file of the cache; None when it is broken."""
        try:
            data = self._store.read(f"{FOLDER}/{name}")
            if not intact(data):
                return None
            table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
        except OSError:
            return None
        return table if table.schema.equals(_SCHEMA) else None

    def _mend(self, short: dict[str, pa.Table], broken: list[str]) -> None:
        if len(short) > _SHORT:
            lines = pa.concat_tables(short.values())
            lines = lines.take(np.unique(lines["part"].to_numpy(), return_index=True)[1])
            for start in range(0, len(lines), _LINES):
                self._put(lines.slice(start, _LINES))
                self._file += 1
            broken = [*broken, *short]
        self._store.delete(*broken)


def _fill(known: Known, table: pa.Table, fingerprint: str) -> NDArray[np.bool_]:
    """Adds the lines that fit; which those are."""
    columns = {name: table[name].to_numpy() for name in ("part", "bytes", *_ACCOUNT, "rejects")}
    at, fits = known.places(columns["part"])
    fits &= pc.equal(table["fingerprint"], fingerprint).to_numpy()
    fits[fits] = known.listed["bytes"][at[fits]] == columns["bytes"][fits]
    known.put(at[fits], np.column_stack([columns[n] for n in _ACCOUNT])[fits], columns["rejects"][fits])
    return fits


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
