"""Partitions: numbered slices of the input, and the account of what became of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows `start` to `stop` (exclusive) of the listing; the unit of reading, commit and resume."""

    number: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many input rows it covers."""
        return self.stop - self.start


def partitions(rows: int, partition_rows: int) -> Iterator[Partition]:
    """`rows` input rows cut into partitions of `partition_rows`, the last one shorter."""
    for number, start in enumerate(range(0, rows, partition_rows)):
        yield Partition(number, start, min(start + partition_rows, rows))


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

    def balanced(self) -> bool:
        """Whether every row is accounted for."""
        return self.rows_in + self.rows_added == self.rows_out + self.rows_rejected + self.rows_dropped
