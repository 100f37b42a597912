"""Partitions: numbered slices of the input, the account of what became of their rows, and which are done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows `start` to `stop` (exclusive) of the listing; the unit of reading, commit and resume.

    retried: they were rejected before and are run again.
    """

    number: int
    start: int
    stop: int
    retried: bool = False

    @property
    def rows(self) -> int:
        """How many input rows it covers."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Account:
    """What became of rows. Always rows_in + rows_added == rows_out + rows_rejected + rows_dropped."""

    rows_in: int = 0
    rows_out: int = 0
    rows_rejected: int = 0
    rows_dropped: int = 0
    rows_added: int = 0

    def __add__(self, other: Account) -> Account:
        return Account(**{k: v + getattr(other, k) for k, v in asdict(self).items()})

    def resolving(self) -> Account:
        """What it adds to the account of a run when its rows are in there already, as rejected ones."""
        return replace(self, rows_in=0, rows_rejected=self.rows_rejected - self.rows_in)

    def balanced(self) -> bool:
        """Whether every row is accounted for."""
        return self.rows_in + self.rows_added == self.rows_out + self.rows_rejected + self.rows_dropped


@dataclass(frozen=True, eq=False)
class Commits:
    """The partitions that are done; 48 bytes each, so that 10^6 of them are 48 MB.

    numbers: int64 [N], ascending. accounts: int64 [N, 5], the fields of `Account` in their order.
    """

    numbers: NDArray[np.int64]
    accounts: NDArray[np.int64]

    @classmethod
    def of(cls, accounts: dict[int, Account]) -> Commits:
        """Those of a few partitions, by number."""
        rows = [tuple(asdict(accounts[number]).values()) for number in sorted(accounts)]
        return cls(np.array(sorted(accounts), np.int64), np.array(rows, np.int64).reshape(-1, 5))

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, number: int) -> bool:
        at = int(np.searchsorted(self.numbers, number))
        return at < len(self.numbers) and int(self.numbers[at]) == number

    def total(self) -> Account:
        """What became of their rows, all together."""
        return Account(*map(int, self.accounts.sum(axis=0)))

    def with_rejects(self, first: int, stop: int) -> list[int]:
        """The numbers from `first` to `stop` (exclusive) whose account has rejects."""
        low, high = np.searchsorted(self.numbers, (first, stop))
        found: list[int] = self.numbers[low:high][self.accounts[low:high, 2] > 0].tolist()
        return found

    def missing(self, first: int, stop: int) -> Iterator[int]:
        """The numbers from `first` to `stop` (exclusive) that are not among them, ascending; made as they are asked
        for."""
        low, high = np.searchsorted(self.numbers, (first, stop))
        edges = np.concatenate(([first - 1], self.numbers[low:high], [stop]))
        for gap in np.flatnonzero(np.diff(edges) > 1):
            yield from range(int(edges[gap]) + 1, int(edges[gap + 1]))


@dataclass(frozen=True, slots=True)
class Round:
    """Rows that came to a job at one time, behind those of the rounds before it; partitions are numbered on.

    kind: "input" (the first), "added" (files found by a later listing) or "retried" (rows that were rejected).
    """

    kind: str
    start: int
    rows: int
    first: int
    partition_rows: int

    @property
    def stop(self) -> int:
        """Behind the number of its last partition."""
        return self.first + -(-self.rows // self.partition_rows)

    def partition(self, number: int) -> Partition:
        """The partition of that number, which is one of this round's."""
        begin = self.start + (number - self.first) * self.partition_rows
        end = min(begin + self.partition_rows, self.start + self.rows)
        return Partition(number, begin, end, self.kind == "retried")

    def next(self, kind: str, rows: int) -> Round:
        """The round behind this one."""
        return Round(kind, self.start + self.rows, rows, self.stop, self.partition_rows)


def numbered(rounds: Sequence[Round], number: int) -> Partition:
    """The partition of that number, which is one of some round's."""
    return next(one for one in rounds if one.first <= number < one.stop).partition(number)


@dataclass(frozen=True, eq=False)
class Todo:
    """The partitions of all rounds that are left to do: ascending, made as they are asked for, as often as they are
    asked for."""

    rounds: tuple[Round, ...]
    done: Commits

    @classmethod
    def whole(cls, input_rows: int) -> Todo:
        """All of the input as one partition."""
        return cls.of(input_rows, max(1, input_rows))

    @classmethod
    def of(cls, input_rows: int, partition_rows: int) -> Todo:
        """All of the input, in partitions of that size."""
        return cls((Round("input", 0, input_rows, 0, partition_rows),), Commits.of({}))

    def __iter__(self) -> Iterator[Partition]:
        for one in self.rounds:
            for number in self.done.missing(one.first, one.stop):
                yield one.partition(number)

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None

    @property
    def first(self) -> Partition:
        """The first of them; there must be one."""
        return next(iter(self))

    @cached_property
    def rows(self) -> int:
        """How many rows they cover."""
        return sum(one.rows - self._done_rows(one) for one in self.rounds)

    def _done_rows(self, one: Round) -> int:
        numbers = self.done.numbers
        among = numbers[np.searchsorted(numbers, one.first) : np.searchsorted(numbers, one.stop)]
        whole = len(among) * one.partition_rows
        last_is_done = len(among) > 0 and int(among[-1]) == one.stop - 1
        return whole - (one.partition_rows - one.partition(one.stop - 1).rows) if last_is_done else whole
