"""Findings as text, JSON, SARIF 2.1.0 or GitHub's annotations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from headrace.lint.checking import Located
from headrace.lint.rule import Category, Rule

Report = Callable[[Sequence[Located]], str]
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_SERIOUS = {Category.UNREADABLE, Category.BREAKS, Category.WRONG_RESULT}


def as_text(found: Sequence[Located]) -> str:
    """One line a finding, its rule's why and fix under it."""
    lines = []
    for one in found:
        said = f"{_where(one)}: {one.rule.id} {one.message} [{one.rule.category.value}]"
        lines.append(said.replace("\n", "\\n"))  # of a file's name, or of a key that a message quotes
        lines += [f"    why: {one.rule.why}", f"    fix: {one.rule.fix}"]
    return "".join(f"{line}\n" for line in lines)


def as_json(found: Sequence[Located]) -> str:
    """A list of objects; `cell` is there for notebooks, whose lines count from the cell's first."""
    return json.dumps([_object(one) for one in found], indent=2) + "\n"


def as_sarif(found: Sequence[Located]) -> str:
    """One run, with the rules that found something."""
    rules = {one.rule.id: one.rule for one in found}
    driver = {"name": "headrace lint", "rules": [_sarif_rule(r) for r in rules.values()]}
    results = [_sarif_result(one, list(rules).index(one.rule.id)) for one in found]
    body = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [body]}, indent=2) + "\n"


def as_github(found: Sequence[Located]) -> str:
    """Workflow commands, which GitHub shows beside the lines."""
    return "".join(_annotation(one) + "\n" for one in found)


FORMATS: Mapping[str, Report] = {"text": as_text, "json": as_json, "sarif": as_sarif, "github": as_github}


def _where(one: Located) -> str:
    cell = f"cell {one.place.cell}:" if one.place.cell else ""
    return f"{one.path}:{cell}{one.place.line}:{one.place.column}"


def _object(one: Located) -> dict[str, Any]:
    cell = {"cell": one.place.cell} if one.place.cell else {}
    place = {"file": one.path, **cell, "line": one.place.line, "col": one.place.column}
    rule = {"rule": one.rule.id, "message": one.message, "category": one.rule.category.value}
    return place | rule | {"fixable": one.fixable}


def _level(rule: Rule) -> str:
    if rule.category is Category.INFORMATION:
        return "note"
    return "error" if rule.category in _SERIOUS else "warning"


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": _level(rule)},
        "properties": {"category": rule.category.value},
    }


def _sarif_result(one: Located, rule_index: int) -> dict[str, Any]:
    uri = quote(os.fsencode(one.path))  # names need not be UTF-8
    place: dict[str, Any] = {"artifactLocation": {"uri": f"file://{uri}" if uri.startswith("/") else uri}}
    place["region"] = {"startLine": one.place.line, "startColumn": one.place.column}
    if one.place.cell:  # a cell's lines are not those of the notebook's file; GitHub takes no result without one
        place["region"] = {"startLine": 1}
    cell = f"cell {one.place.cell}, line {one.place.line}: " if one.place.cell else ""
    return {
        "ruleId": one.rule.id,
        "ruleIndex": rule_index,
        "level": _level(one.rule),
        "message": {"text": f"{cell}{one.message}; {one.rule.fix}"},
        "locations": [{"physicalLocation": place}],
    }


def _annotation(one: Located) -> str:
    command = {"note": "notice"}.get(_level(one.rule), _level(one.rule))
    place = {"file": one.path, "line": str(one.place.line), "col": str(one.place.column)}
    message = f"{one.message}; {one.rule.fix}"
    if one.place.cell:
        place, message = {"file": one.path}, f"cell {one.place.cell}, line {one.place.line}: {message}"
    place["title"] = f"{one.rule.id} {one.rule.name}"
    said = ",".join(f"{k}={_escaped(v).replace(':', '%3A').replace(',', '%2C')}" for k, v in place.items())
    return f"::{command} {said}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
