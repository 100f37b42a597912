"""What makes two jobs the same, by name: resuming one with another is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Parts = dict[str, str]
"""Named parts of a job, each as a sha256 in hex."""


def fingerprint_parts(facts: Mapping[str, Any]) -> Parts:
    """Hashes each named fact, a JSON value."""
    return {name: _hash(value) for name, value in facts.items()}


def fingerprint(parts: Parts) -> str:
    """One hash over all parts."""
    return _hash(parts)


def changed(old: Parts, new: Parts) -> tuple[str, ...]:
    """The names of parts that differ or are on one side only, sorted."""
    return tuple(sorted(n for n in old.keys() | new.keys() if old.get(n) != new.get(n)))


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
