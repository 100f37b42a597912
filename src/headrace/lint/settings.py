"""Which rules are asked for: the command's options, and [tool.headrace.lint] of the nearest pyproject.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from headrace.core.errors import BadInput
from headrace.lint.rules import all_rules

_KEYS = ("select", "ignore", "per-file-ignores")


@dataclass(frozen=True)
class Settings:
    """Rules by id. `select` None: all that are not opt-in. `per_file` patterns are relative to `folder`."""

    select: frozenset[str] | None = None
    ignore: frozenset[str] = frozenset()
    per_file: Mapping[str, frozenset[str]] = field(default_factory=dict)
    folder: Path = Path()

    def rules_for(self, path: Path) -> frozenset[str]:
        """The rules that look at a file."""
        rules = all_rules()
        chosen = self.select if self.select is not None else {r.id for r in rules.values() if not r.opt_in}
        ignored = set(self.ignore)
        whole = Path(os.path.realpath(path))
        relative = whole.relative_to(self.folder) if whole.is_relative_to(self.folder) else whole
        for pattern, ids in self.per_file.items():
            if any(fnmatch(p, pattern) for p in (relative.as_posix(), relative.name, f"/{relative.as_posix()}")):
                ignored |= ids
        return frozenset(chosen - ignored)


def settings_for(path: Path, select: Sequence[str], ignore: Sequence[str]) -> Settings:
    """The settings of a file's folder, under the command's: `select` in place of its own, `ignore` beside its own.

    Raises BadInput for a pyproject.toml that cannot be read, and for rules and keys that there are not.
    """
    found = _nearest(Path(os.path.realpath(path)).parent)
    chosen = _some(rule_ids(select, "--select"), "--select") if select else found.select
    return Settings(chosen, found.ignore | rule_ids(ignore, "--ignore"), found.per_file, found.folder)


def rule_ids(names: Iterable[str], where: str) -> frozenset[str]:
    """Rules' ids or names, commas allowed between them, as ids; ALL is every rule. Raises BadInput."""
    rules = all_rules()
    ids = {r.name: r.id for r in rules.values()}
    found: set[str] = set()
    for name in (part.strip() for text in names for part in text.split(",")):
        if name.upper() == "ALL":
            found |= rules.keys()
        elif name:
            one = ids.get(name.lower(), name.upper())
            if one not in rules:
                raise BadInput(where, f"there is no rule {name}", _suggestion(name, [*rules, *ids]))
            found.add(one)
    return frozenset(found)


@cache
def _nearest(folder: Path) -> Settings:
    """The settings of the nearest pyproject.toml, upwards, that has some."""
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if file.is_file() and (table := _table(file)) is not None:
            return _parsed(table, file)
    return Settings()


def _table(file: Path) -> dict[str, Any] | None:
    try:
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(str(file), f"cannot be read: {error}", "mend it") from error
    own = tool.get("headrace", {}) if isinstance(tool, dict) else {}
    if not isinstance(own, dict):
        raise BadInput(str(file), "tool.headrace is no table", "write [tool.headrace.lint]")
    found = own.get("lint")
    if found is not None and not isinstance(found, dict):
        raise BadInput(str(file), "tool.headrace.lint is no table", "write [tool.headrace.lint]")
    return found


def _parsed(table: Mapping[str, Any], file: Path) -> Settings:
    for key in table:
        if key not in _KEYS:
            raise BadInput(f"{file} [tool.headrace.lint]", f"there is no key {key}", _suggestion(key, _KEYS))
    select = _some(_ids(table["select"], f"{file}: select"), f"{file}: select") if "select" in table else None
    per_file = table.get("per-file-ignores", {})
    if not isinstance(per_file, dict):
        raise BadInput(f"{file}: per-file-ignores", "is no table", 'write per-file-ignores = {"old/*.py" = ["HR010"]}')
    ignores = {p: _ids(names, f"{file}: per-file-ignores of {p}") for p, names in per_file.items()}
    return Settings(select, _ids(table.get("ignore", []), f"{file}: ignore"), ignores, file.parent)


def _some(ids: frozenset[str], where: str) -> frozenset[str]:
    if not ids:
        raise BadInput(
            where, "names no rule, so that nothing would be looked for", "name some, as HR001, or leave it out"
        )
    return ids


def _ids(names: object, where: str) -> frozenset[str]:
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise BadInput(where, "is no list of rules", 'write as ["HR001", "HR010"]')
    return rule_ids(names, where)


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = [k for typed in (name.upper(), name.lower()) for k in get_close_matches(typed, known, len(known))]
    if close:  # of those as like, the one that begins as what was typed: HR010 for HR01, not HR001
        return f"did you mean {max(sorted(close), key=lambda k: _likeness(k, name))}?"
    return f"there are {', '.join(k for k in known if k == k.upper()) or ', '.join(known)}"


def _likeness(known: str, name: str) -> tuple[float, int]:
    folded = name.upper() if known == known.upper() else name.lower()
    return SequenceMatcher(None, known, folded).ratio(), len(os.path.commonprefix([known, folded]))  # noqa: RUF071
