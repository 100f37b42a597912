"""Whether an output is whole: every part as it was written, every row of the input in one of them or rejected, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.api.rounds import table_name
from headrace.core.errors import BadOutput
from headrace.core.partition import Account, Commits, Round
from headrace.job.record import JobRecord
from headrace.sinks.footers import Footer, intact, part_name, part_number, read_footer
from headrace.sinks.parquet import ParquetFolder

_SHOWN = 20  # problems of one kind that are listed one by one


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found. `problems`: what is wrong, in words; `notes`: what is not, but worth knowing."""

    out: str
    parts: int
    unfinished: int
    account: Account
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong and nothing is missing."""
        return not self.problems and not self.unfinished

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"whole": self.whole}


@dataclass(frozen=True)
class _Part:
    """A part as it was read: its footer, and what is wrong with it."""

    number: int
    footer: Footer | None
    problems: tuple[str, ...]


def verify(out: str | Path) -> Verification:
    """Reads every part and every reject of a folder again. Raises BadOutput where there is no job."""
    folder = ParquetFolder(out)
    recorded = folder.read_job()
    if recorded is None:
        raise BadOutput(folder.root, "holds no job to verify", "name the folder that a run has written")
    record = JobRecord.from_dict(recorded)
    folder.fingerprint = record.fingerprint
    numbers = sorted(n for name, _ in folder.store.list("", "part-") if (n := part_number(name)) is not None)
    check = _Check(folder, record)
    problems: list[str] = []
    accounts: dict[int, Account] = {}
    named: set[str] = set()
    with ThreadPoolExecutor(folder.store.readers) as pool:
        for part in pool.map(check.part, numbers):
            problems += part.problems
            if part.footer is None:
                continue
            if part.footer.rejects is not None:
                named.add(part.footer.rejects)
            account = part.footer.account
            accounts[part.number] = account.resolving() if part.footer.partition.retried else account
    total = Commits.of(accounts).total()
    expected = sum(one.stop - one.first for one in record.rounds)
    problems += check.gone(numbers)
    problems += _report_problems(folder, total, finished=len(accounts) == expected)
    unnamed = sum(1 for name, _ in folder.store.list("_headrace/rejects") if name not in named)
    notes = (f"{unnamed} files of rejects belong to no part: attempts that did not finish",) if unnamed else ()
    return Verification(
        out=folder.root,
        parts=len(numbers),
        unfinished=expected - len(accounts),
        account=total,
        problems=tuple(problems),
        notes=notes,
    )


def _report_problems(folder: ParquetFolder, total: Account, *, finished: bool) -> Iterator[str]:
    report = folder.read_report()
    if report is None or not finished:
        return
    if report.account != total:
        yield f"report.json counts {report.account}, the parts {total}"


class _Check:
    """One part at a time, against the record of the job; from many threads."""

    def __init__(self, folder: ParquetFolder, record: JobRecord) -> None:
        self._folder, self._record = folder, record
        self._tables = {i: folder.read_table(table_name(i)) for i in range(len(record.rounds))}

    def gone(self, numbers: Sequence[int]) -> Iterator[str]:
        """Parts that were committed and are not there."""
        there = set(numbers)
        lost = [n for n in self._folder.logged().tolist() if n not in there]
        for number in lost[:_SHOWN]:
            yield f"{part_name(number)}: was committed, and is gone; run the job again to make it anew"
        if len(lost) > _SHOWN:
            yield f"{len(lost) - _SHOWN} more parts were committed, and are gone"

    def part(self, number: int) -> _Part:
        """Hashes, counts and compares one part."""
        name = part_name(number)
        try:
            data = self._folder.store.read(name)
            footer = read_footer(pa.BufferReader(data), name)
            table = pq.read_table(pa.BufferReader(data))
        except (OSError, BadOutput, pa.ArrowException) as error:
            return _Part(number, None, (f"{name}: cannot be read ({error})",))
        problems = [] if intact(data) else ["its bytes are not those that were written"]
        found = self._round(number)
        if footer.fingerprint != self._record.fingerprint:
            problems.append("it belongs to another job")
        if found is None:
            problems.append("the job has no partition of that number")
        elif footer.partition != found[1].partition(number):
            problems.append(f"it covers {footer.partition}, the job has {found[1].partition(number)}")
        account = footer.account
        if not account.balanced() or account.rows_in != footer.partition.rows:
            problems.append(f"its account does not add up: {account}")
        if len(table) != account.rows_out:
            problems.append(f"it has {len(table)} rows, its footer says {account.rows_out}")
        problems += self._rows(footer, table, found)
        return _Part(number, footer, tuple(f"{name}: {problem}" for problem in problems))

    def _round(self, number: int) -> tuple[int, Round] | None:
        return next(((i, r) for i, r in enumerate(self._record.rounds) if r.first <= number < r.stop), None)

    def _rows(self, footer: Footer, table: pa.Table, found: tuple[int, Round] | None) -> Iterator[str]:
        """What is wrong with its rejects, and with the keys of both."""
        try:
            rejects = self._folder.rejects_of(footer.rejects)
        except (OSError, BadOutput) as error:
            yield f"its rejects cannot be read ({error})"
            return
        if len(rejects) != footer.account.rows_rejected:
            yield f"{len(rejects)} rejects, its footer says {footer.account.rows_rejected}"
        rows = rejects.column("row").to_numpy()
        inside = (rows >= footer.partition.start) & (rows < footer.partition.stop)
        if not inside.all() or len(np.unique(rows)) != len(rows):
            yield "its rejects are of other rows, or there twice"
        elif found is not None and self._record.row_a_file and len(table.schema.names):
            yield from self._keys(footer, table.column(0).to_pylist(), rejects, found)

    def _keys(
        self, footer: Footer, delivered: Sequence[str], rejects: pa.Table, found: tuple[int, Round]
    ) -> Iterator[str]:
        """Whether the keys are those of the listing, in its order."""
        number, one = found
        if one.kind == "retried":
            return
        listed = self._tables[number].column("key")
        partition = footer.partition
        expected = listed.slice(partition.start - one.start, partition.rows).to_pylist()
        refused = dict(zip(rejects.column("row").to_pylist(), rejects.column("key").to_pylist(), strict=True))
        kept = [k for row, k in enumerate(expected, partition.start) if row not in refused]
        if kept != list(delivered):
            wrong = next((a for a, b in zip(kept, delivered, strict=False) if a != b), None)
            yield f"its keys are not those of the input{'' if wrong is None else f', from {wrong} on'}"
        if any(expected[row - partition.start] != key for row, key in refused.items()):
            yield "its rejects' keys are not those of the input"
