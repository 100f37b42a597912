"""Checks of option values, made when an object is built."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from headrace.core.errors import BadOption

Auto = Literal["auto"]


def auto_or_count(option: str, value: int | str) -> int | Auto:
    """`value` as `"auto"` or an integer >= 1; text of digits is taken. Raises BadOption."""
    if value == "auto":
        return "auto"
    return count(option, value, expected='"auto" or an integer >= 1')


def count(option: str, value: object, *, expected: str = "an integer >= 1") -> int:
    """`value` as an integer >= 1; text of digits is taken. Raises BadOption."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise BadOption(option, expected, value)
    return number


def ratio(option: str, value: object) -> float:
    """`value` as a float in 0..1. Raises BadOption."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadOption(option, "a ratio in 0..1", value)
    return float(value)


def one_of(option: str, value: object, allowed: Collection[str]) -> str:
    """`value` if it is in `allowed`. Raises BadOption."""
    if not isinstance(value, str) or value not in allowed:
        raise BadOption(option, "one of " + ", ".join(allowed), value)
    return value
