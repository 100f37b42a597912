"""The output: Parquet part files, each one being its partition's commit, in a local folder or on an object store."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.core.batch import Columns, Reject
from headrace.core.contracts import Published
from headrace.core.errors import BadOutput
from headrace.core.partition import Account, Commits, Partition
from headrace.core.report import RunReport
from headrace.sinks.commits import CommitCache, Known, attempt_of, mapped
from headrace.sinks.footers import Footer, encode, part_name, part_number, rejects_key, rejects_name
from headrace.sinks.locks import LEASE, LOCK, Lock, lock_on
from headrace.sinks.object_store import S3Store
from headrace.sinks.press import REJECTS, PartPress
from headrace.sinks.stores import LocalStore, Store, refusal, write_failed
from headrace.sinks.tables import reject_table

JOB_SCHEMA = 2
_STATE = "_headrace"
_KEY = [("part", "i8"), ("attempt", "i8")]


def store_at(out: str | Path) -> Store:
    """The store that a path or an s3:// address names. Raises BadOutput, MissingExtra."""
    address = str(out)
    scheme, is_address, _ = address.partition("://")
    if not is_address:
        if address.startswith("s3:/"):
            raise BadOutput(
                address, "is neither a path nor an address", "write s3://bucket/folder; a Path drops a slash"
            )
        return LocalStore(Path(out).expanduser().absolute())
    if scheme != "s3":
        where = f"{scheme}://{address.rsplit('@', 1)[-1].removeprefix(f'{scheme}://')}"
        raise BadOutput(where, "cannot be written to", "name a local folder or s3://bucket/folder")
    return S3Store(address)


class ParquetFolder:
    """Part files, with `_headrace/` beside them for job, plan, report, rejects and the cache of commits.

    root: an absolute path or an s3:// address, as text.
    """

    def __init__(self, out: str | Path, fingerprint: str = "") -> None:
        self.store = store_at(out)
        self.root, self.is_local = self.store.root, self.store.is_local
        self._press = PartPress(self.store, fingerprint, held=self._held)
        self._commits: Commits | None = None
        self._cache = CommitCache(self.store)
        self._lock: Lock | None = None
        self._is_ours = False

    @property
    def fingerprint(self) -> str:
        """Of the job; what every part carries."""
        return self._press.fingerprint

    @fingerprint.setter
    def fingerprint(self, value: str) -> None:
        self._press = PartPress(self.store, value, held=self._held)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other runs out, and makes sure that the folder can be written and holds no foreign Parquet.

        What a run that died has left half-written is removed. A run that is refused leaves nothing behind. Raises
        BadOutput; from now on whatever writes here raises WriteFailed when the folder is not held any more.
        """
        self._refuse_foreign()
        with lock_on(self.store) as self._lock:
            try:
                self.store.check()
                self.store.sweep()
            except OSError as error:
                raise refusal(self.root, error) from error
            self._is_ours = True
            try:
                yield
            finally:
                self._cache.flush()
                self._is_ours = False

    def check(self) -> None:
        """Makes sure that it can be locked and written, and leaves no trace. Raises BadOutput."""
        with self.lock():
            pass
        self._lock = None

    def _refuse_foreign(self) -> None:
        try:
            if any(name == "job.json" for name, _ in self.store.list(_STATE, "job.json")):
                return
            begun = any(True for _ in self.store.list(_STATE))
            tables = (name for name, _ in self.store.list("") if name.endswith(".parquet"))
            foreign = any(not begun or part_number(name) is None for name in tables)
        except OSError as error:
            raise refusal(self.root, error) from error
        if foreign:
            raise BadOutput(self.root, "holds Parquet files that headrace did not write", "name an empty or new folder")

    def _held(self) -> None:
        if self._lock is not None:
            self._lock.check()

    def clear(self) -> None:
        """Removes what headrace wrote there, parts before the record of the job. Raises BadOutput."""
        self._held()
        try:
            self.store.delete(*(part_name(number) for number, _ in self._parts()))
            self.store.clear(_STATE, but={name.removeprefix(f"{_STATE}/") for name in (LOCK, LEASE)})
        except OSError as error:
            cause = error.strerror or str(error)
            raise BadOutput(self.root, f"cannot be cleared ({cause})", "remove it by hand") from error
        self._commits = None
        self.fingerprint = self.fingerprint  # what the press knew of the parts' types is gone too

    def read_job(self) -> dict[str, Any] | None:
        """The recorded job; None when the folder holds none. Raises BadOutput on a broken record, or parts without
        one."""
        where = f"{self.root}/{_STATE}/job.json"
        text = self.read_state("job.json")
        if text is None:
            if any(True for _ in self._parts()):
                what = "holds part files, but no record of their job"
                raise BadOutput(self.root, what, "--overwrite starts anew")
            return None
        try:
            job: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise BadOutput(where, f"is not readable ({error})", "--overwrite starts anew") from error
        if not isinstance(job, dict) or job.get("schema_version") != JOB_SCHEMA:
            raise BadOutput(where, f"is no record of schema {JOB_SCHEMA}", "--overwrite starts anew")
        return job

    def begin(self, job: dict[str, Any]) -> None:
        """Records the job of an empty folder. Raises BadOutput when another run has begun there meanwhile."""
        self._held()
        try:
            first = self.store.create(f"{_STATE}/job.json", _job_text(job))
        except OSError as error:
            raise write_failed(f"{self.root}/{_STATE}/job.json", error) from error
        if not first:
            raise BadOutput(self.root, "another run has begun there meanwhile", "wait for it, or choose another folder")

    def replace_job(self, job: dict[str, Any]) -> None:
        """Records the job anew, in one atomic act. Raises WriteFailed."""
        self._write("job.json", _job_text(job))

    def read_state(self, name: str) -> str | None:
        """The text of `_headrace/<name>`; None when there is none. Raises BadOutput."""
        try:
            return self.store.read(f"{_STATE}/{name}").decode()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            where = f"{self.root}/{_STATE}/{name}"
            raise BadOutput(where, f"is not readable ({error})", "mend it, or --overwrite starts anew") from error

    def write_state(self, name: str, text: str) -> None:
        """Writes `_headrace/<name>` whole. Raises WriteFailed."""
        self._write(name, text.encode())

    def _write(self, name: str, data: bytes) -> None:
        self._held()
        try:
            self.store.replace(f"{_STATE}/{name}", data)
        except OSError as error:
            raise write_failed(f"{self.root}/{_STATE}/{name}", error) from error

    def write_table(self, name: str, table: pa.Table) -> None:
        """Writes a table to `_headrace/<name>` whole, as Parquet. Raises WriteFailed."""
        self._write(name, encode(table)[0])

    def read_table(self, name: str) -> pa.Table:
        """A table that `write_table` wrote. Raises BadOutput."""
        try:
            return pq.ParquetFile(pa.BufferReader(self.store.read(f"{_STATE}/{name}"))).read()
        except (OSError, pa.ArrowException) as error:
            where = f"{self.root}/{_STATE}/{name}"
            raise BadOutput(where, f"is not readable ({error})", "--overwrite starts anew") from error

    def rejects_of(self, name: str | None) -> pa.Table:
        """A rejects file that a part's footer names; empty when it names none. Raises BadOutput."""
        return reject_table([]) if name is None else self.read_table(f"rejects/{name}")

    def rejects(self, number: int) -> pa.Table:
        """The rejects of a partition that is committed. Raises BadOutput."""
        return self.rejects_of(self.footer(number).rejects)

    def logged(self) -> NDArray[np.int64]:
        """The partitions that were published, whether or not their parts are still there; ascending."""
        return self._cache.numbers(self.fingerprint)

    def read_report(self) -> RunReport | None:
        """The report of the last session; None when there is none that can be read."""
        try:
            return RunReport.from_json(self.read_state("report.json") or "")
        except (BadOutput, ValueError, KeyError, TypeError):
            return None

    def committed(self) -> Commits:
        """The accounts of the part files there are, from the cache or their footers.

        Whoever holds the lock also mends the cache, and removes rejects files that no part names: their writers died
        before they published, or came second. Raises BadOutput on a foreign or broken part, and when the folder cannot
        be read.
        """
        try:
            listed = self._listed()
            known = self._cache.known(listed, self.fingerprint, mend=self._is_ours)
            rejects = self._rejects_keys() if self._is_ours else np.empty(0, _KEY)
            # A line may be of a part that was removed and made anew: no file goes without its part having been asked.
            known.forget(known.unnamed(rejects)["part"])
            self._read_footers(listed, known)
            if self._is_ours:
                self._cache.flush()
                self._drop_rejects(known, known.unnamed(rejects))
        except OSError as error:
            fix = "mend it, and run the same command again"
            raise BadOutput(self.root, f"cannot be read ({error.strerror or error})", fix) from error
        self._commits = Commits(np.ascontiguousarray(listed["number"]), known.accounts)
        return self._commits

    def _parts(self) -> Iterator[tuple[int, int]]:
        """Number and bytes of the part files, in no order."""
        for name, size in self.store.list("", "part-"):
            number = part_number(name)
            if number is not None:
                yield number, size

    def _listed(self) -> NDArray[Any]:
        """Number and bytes of the part files, by number."""
        listed = np.fromiter(self._parts(), [("number", "i8"), ("bytes", "i8")])
        return listed[np.argsort(listed["number"])]

    def _read_footers(self, listed: NDArray[Any], known: Known) -> None:
        """Adds what the cache does not hold."""
        unknown = np.flatnonzero(~known.mask)
        footers = mapped(self.footer, (int(n) for n in listed["number"][unknown]), self.store.readers)
        for at, footer in zip(unknown, footers, strict=True):
            known.put(at, astuple(footer.adds), attempt_of(footer))
            if self._is_ours:
                self._cache.add(int(listed["bytes"][at]), footer)

    def _rejects_keys(self) -> NDArray[Any]:
        """Partition and attempt of the rejects files there are."""
        found = (rejects_key(name) for name, _ in self.store.list(REJECTS, "part-"))
        return np.fromiter((key for key in found if key is not None), _KEY)

    def _drop_rejects(self, known: Known, unnamed: NDArray[Any]) -> None:
        """Removes rejects files that no part names, and none ever will.

        A writer may outlive its run: a cluster's workers do for a moment, and a run that lost its lease may still have
        the request under way that creates a part. So the files of a partition stay until it is committed; then that
        part is refused, however late it comes.
        """
        unnamed = unnamed[known.places(unnamed["part"])[1]]
        self.store.delete(*(f"{REJECTS}/{rejects_name(*key)}" for key in unnamed.tolist()))

    def footer(self, number: int) -> Footer:
        """What a partition's part says of itself. Raises BadOutput when it is broken or another job's; OSError."""
        return self._press.footer(number)

    def publish(self, partition: Partition, columns: Columns, account: Account, rejects: Sequence[Reject]) -> Account:
        """Writes the rejects under a name of their own, then publishes the part, which names them.

        When another attempt has published the partition, this one's files are discarded and the other's account is
        returned. Raises WriteFailed.
        """
        published = self._press.publish(partition, columns, account, rejects)
        self.noted(published)
        return published.account

    def publisher(self, first: Columns) -> PartPress:
        """What publishes in another process. What `first` tells of the parts' types is settled, unless it was before.
        Raises WriteFailed."""
        self._press.settle(first)
        return self._press

    def noted(self, published: Published) -> None:
        """Takes note of a part. Raises WriteFailed when the folder is not held any more."""
        self._held()
        if published.note is not None:
            nbytes, footer = published.note
            self._cache.add(nbytes, footer)


def _job_text(job: dict[str, Any]) -> bytes:
    return json.dumps({"schema_version": JOB_SCHEMA} | job, indent=2).encode()
