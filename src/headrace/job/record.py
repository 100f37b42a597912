"""What an output folder remembers of its job: what was asked, what the first batches settled, and the rounds its rows
came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from headrace.core.partition import Round
from headrace.job.fingerprint import Parts, fingerprint, fingerprint_parts


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """The body of job.json.

    facts: what was asked, hashed, by name. settled: precision and partition_rows. digests: of each round's listing, as
    it was last accepted. began_with: the first of them, as the job began. row_a_file: every row is a file, with its
    key. command: the command line's options, where there was one.
    """

    facts: Parts
    settled: Mapping[str, Any]
    rounds: tuple[Round, ...]
    digests: tuple[str, ...]
    began_with: str
    row_a_file: bool
    command: Mapping[str, Any] | None = None

    @property
    def fingerprint(self) -> str:
        """What every part of the job carries; it stays the same when rounds come."""
        return fingerprint({**self.facts, **fingerprint_parts(self.settled)})

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"fingerprint": self.fingerprint}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> JobRecord:
        """Reads `to_dict`'s values. Raises KeyError, TypeError."""
        rounds = tuple(Round(**r) for r in values["rounds"])
        names = ("facts", "settled", "digests", "began_with", "row_a_file", "command")
        kept = {name: values[name] for name in names}
        return cls(**kept | {"rounds": rounds, "digests": tuple(kept["digests"])})

    def extended(self, kind: str, rows: int, digest: str) -> JobRecord:
        """With a further round."""
        return replace(self, rounds=(*self.rounds, self.rounds[-1].next(kind, rows)), digests=(*self.digests, digest))
