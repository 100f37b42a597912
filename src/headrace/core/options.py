"""Checks of option values, made when an object is built."""

from __future__ import annotations

import math
import re
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


_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_UNITS |= {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?", re.IGNORECASE)


def auto_or_bytes(option: str, value: int | str) -> int | Auto:
    """`value` as `"auto"` or a number of bytes; text such as "512MB" or "1.5GiB" is taken. Raises BadOption."""
    if value == "auto":
        return "auto"
    expected = '"auto" or bytes, as 4000000000, 512MB or 1.5GiB'
    if isinstance(value, str) and (found := _BYTES.fullmatch(value.strip())):
        value = int(float(found[1]) * _UNITS[(found[2] or "").lower()])
    return count(option, value, expected=expected)


def positive(option: str, value: object) -> float:
    """`value` as a finite number over 0. Raises BadOption."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise BadOption(option, "a number over 0", value)
    return float(value)


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
