"""Counts rows on their way to the sink, and says when rejects stop the run."""

from __future__ import annotations

import math

from headrace.core.batch import Batch, Reject
from headrace.core.errors import RejectedRow, TooManyRejects
from headrace.core.partition import Account


class RejectLimits:
    """When rejects stop a run: at the first one, or past a ratio once `seen_at_least` rows were seen."""

    def __init__(self, on_error: str, max_rejected: float, seen_at_least: int = 1000) -> None:
        self.on_error, self.max_rejected, self.seen_at_least = on_error, max_rejected, seen_at_least

    def check(self, rows: int, rejected: int, first: Reject | None) -> None:
        """Of what was just counted, `first` is the first reject. Raises RejectedRow, TooManyRejects."""
        if first is None:
            return
        if self.on_error == "fail":
            raise RejectedRow(first.stage, first.key, first.message)
        if rows >= self.seen_at_least and rejected > math.floor(self.max_rejected * rows):
            raise TooManyRejects(rejected, rows, self.max_rejected, f"{first.key}: {first.message}")


class Counted:
    """Rows that the writer has seen, and what the sink has taken: as it adds to the whole output, and by itself."""

    def __init__(self, limits: RejectLimits) -> None:
        self.account = self.worked = Account()
        self.rows = self.rejected = 0
        self.error: BaseException | None = None
        self._limits = limits

    def seen(self, batch: Batch) -> Batch:
        """Counts a batch on its way to the sink."""
        self.rows += batch.rows_in
        self.rejected += len(batch.rejects)
        self._limits.check(self.rows, self.rejected, batch.rejects[0] if batch.rejects else None)
        return batch
