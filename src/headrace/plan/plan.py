"""How a job will run: every choice with its reason, and where it came from a measurement, that."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from headrace.core.errors import BadOption

SCHEMA_VERSION = 1
AUTO = "auto"
_TABLES = ("stages", "row_caps", "cluster")
"""Choices that each step has for itself."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a plan; "auto" while it is open, for the first batches to settle.

    given: the user fixed it. measured: what it came from, in words with numbers.
    """

    value: int | float | str
    reason: str
    measured: str = ""
    given: bool = False

    @property
    def open(self) -> bool:
        """Whether the first batches have still to settle it."""
        return self.value == AUTO


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Frozen; `settled` derives the next one. Sizes in rows, bytes where the name says so.

    row_caps: the most rows at once of steps that ran out of memory with more, by name. cluster: what each leg of a job
    takes of a cluster.
    """

    engine: Choice
    batch_size: Choice
    partition_rows: Choice
    prepare_workers: Choice
    io_concurrency: Choice
    queue_bytes: Choice
    memory_bytes: Choice
    runtime: Choice | None = None
    precision: Choice | None = None
    workers: Choice | None = None
    preprocess: Choice | None = None
    stages: Mapping[str, Choice] = field(default_factory=dict)
    row_caps: Mapping[str, Choice] = field(default_factory=dict)
    cluster: Mapping[str, Choice] = field(default_factory=dict)
    agreement: Mapping[str, Any] | None = None
    rows: int = 0

    def choices(self) -> dict[str, Choice]:
        """Every choice there is, by name, in reading order; a step's own as stages.<name> and row_caps.<name>."""
        order = ("engine", "runtime", "precision", "preprocess", "batch_size", "workers", "prepare_workers")
        names = (*order, "io_concurrency", "memory_bytes", "queue_bytes", "partition_rows")
        present = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        return present | {f"{table}.{n}": c for table in _TABLES for n, c in getattr(self, table).items()}

    def __str__(self) -> str:
        lines = (f"{name} = {choice.value}  ({choice.reason})" for name, choice in self.choices().items())
        return "\n".join(lines)

    def value(self, name: str) -> Any:
        """A choice's value; it must be settled."""
        choice = getattr(self, name)
        assert not choice.open, name
        return choice.value

    def settled(self, **values: Choice) -> Plan:
        """With some choices replaced."""
        return replace(self, **values)  # type: ignore[arg-type]

    def to_toml(self) -> str:
        """As TOML text that `values_from_toml` reads."""
        import tomli_w

        body: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "rows": self.rows}
        for name, choice in self.choices().items():
            table = {"value": choice.value, "reason": choice.reason}
            if choice.measured:
                table["measured"] = choice.measured
            outer, _, inner = name.partition(".")
            if inner:
                body.setdefault(outer, {})[inner] = table
            else:
                body[name] = table
        if self.agreement is not None:
            body["agreement"] = dict(self.agreement)
        return tomli_w.dumps(body)


def values_from_toml(path: str | Path) -> dict[str, Any]:
    """`values_from_text` of a file. Raises BadOption."""
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption("--plan", f"a readable plan ({error})", str(path)) from error
    return values_from_text(text, where=str(path))


def values_from_text(text: str, *, where: str) -> dict[str, Any]:
    """The values of a saved plan by name, "auto" ones left out; a step's as {"stages": {name: value}}.

    The agreement is its table. Raises BadOption.
    """
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadOption("--plan", f"a readable plan ({error})", where) from error
    if body.get("schema_version") != SCHEMA_VERSION:
        raise BadOption("--plan", f"a plan with schema_version = {SCHEMA_VERSION}", body.get("schema_version"))
    known = {f.name for f in fields(Plan)} | {"schema_version"}
    for name in body:
        if name not in known:
            raise BadOption("--plan", "made of a plan's names", name)
    by_step = {t: _values(t, body.pop(t, {})) for t in _TABLES}
    agreement = {n: body.pop(n) for n in ("agreement",) if n in body}
    chosen = {n: t for n, t in body.items() if n not in ("schema_version", "rows")}
    return _values("the plan", chosen) | agreement | {t: values for t, values in by_step.items() if values}


def _values(where: str, tables: object) -> dict[str, Any]:
    """The values of tables that hold one each, "auto" left out."""
    if not isinstance(tables, dict):
        raise BadOption("--plan", f"made of tables in {where}", tables)
    for name, table in tables.items():
        if not isinstance(table, dict) or "value" not in table:
            raise BadOption("--plan", f"a plan in which {name} has a value", table)
    return {n: t["value"] for n, t in tables.items() if t["value"] != AUTO}
