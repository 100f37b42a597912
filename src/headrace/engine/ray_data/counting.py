"""What the driver makes of what it is told: rows, rejects, costs, and how the run is getting on."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.core.partition import Account
from headrace.engine.flow.limits import RejectLimits
from headrace.engine.ray_data.work import Told
from headrace.engine.telling.spent import Ledger


class Counting:
    """Rows that are published, as they add to the whole output and by themselves, and what they cost."""

    def __init__(self, stages: Sequence[str], limits: RejectLimits) -> None:
        self.account = self.worked = Account()
        self.rows = self.rejected = self.peak_rss_bytes = 0
        self.row_caps: dict[str, int] = {}
        self.ledger = Ledger(stages)
        self._limits = limits

    def add(self, told: Told) -> None:
        """Adds a partition. Raises TooManyRejects."""
        account = told.account
        self.ledger.add(told.spent)
        self.worked += account
        self.account += account.resolving() if told.retried else account
        self.rows += account.rows_in
        self.rejected += account.rows_rejected
        self.peak_rss_bytes = max(self.peak_rss_bytes, told.peak_rss_bytes)
        for name, cap in told.row_caps.items():
            self.row_caps[name] = min(cap, self.row_caps.get(name, cap))
        self._limits.check(self.rows, self.rejected, told.rejected)
