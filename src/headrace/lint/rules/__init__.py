"""The rules: every module here holds some, made by `@rule`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from headrace.lint.rule import UNREADABLE, Rule


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by its id, in their order."""
    found = [UNREADABLE]
    for module in pkgutil.iter_modules(__path__):
        members = vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        found += [m for m in members if isinstance(m, Rule)]
    assert len({r.id for r in found}) == len({r.name for r in found}) == len(found), "two rules of one id or name"
    return {r.id: r for r in sorted(found, key=lambda r: r.id)}
