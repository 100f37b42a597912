"""From a source to its findings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from headrace.lint.model.analysis import analysed, concerns_ray, parsed
from headrace.lint.model.module import Module
from headrace.lint.rule import UNREADABLE, Edit, Finding, Rule
from headrace.lint.rules import all_rules
from headrace.lint.source import Place, Problem, Source

_NOQA = re.compile(r"#\s*noqa\b(?P<colon>\s*:\s*(?P<codes>[A-Za-z]+\d+(?:[\s,]+[A-Za-z]+\d+)*)?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Located:
    """A finding in its file."""

    path: str
    place: Place
    rule: Rule
    message: str
    edits: tuple[Edit, ...] = ()

    @property
    def fixable(self) -> bool:
        """Whether --fix mends it."""
        return bool(self.edits)


def check(source: Source, rules: Collection[str]) -> list[Located]:
    """What the rules (their ids) find in a source, in its order; `# noqa` is heeded."""
    problems = list(source.problems)
    found: dict[tuple[Place, str], Located] = {}
    if concerns_ray(source.text):
        try:
            module = analysed(parsed(source.text), source.text)
        except RecursionError:
            problems.append(Problem(Place(0, 1, 1), "is nested too deeply to be followed"))
        else:
            for one in _found(source, module, rules):
                found.setdefault((one.place, one.rule.id), one)
    if UNREADABLE.id in rules:
        for problem in problems:
            found[problem.place, ""] = Located(source.path, problem.place, UNREADABLE, problem.message)
    return sorted(found.values(), key=lambda f: (f.place, f.rule.id))


def _found(source: Source, module: Module, rules: Collection[str]) -> Iterator[Located]:
    lines = source.lines
    for rule in all_rules().values():
        for finding in rule.check(module) if rule.id in rules else ():
            if not _is_silenced(finding, rule, lines):
                place = source.place(finding.node.lineno, finding.node.col_offset, lines)
                edits = finding.edits if source.is_fixable else ()
                yield Located(source.path, place, rule, finding.message, edits)


def _is_silenced(finding: Finding, rule: Rule, lines: list[str]) -> bool:
    """Whether the first or the last line of what was found says # noqa, of this rule or of all."""
    node = finding.node
    first, last = node.lineno, node.end_lineno or node.lineno
    for number in {first, last}:
        said = _NOQA.search(lines[number - 1])
        if said is not None and (
            said["colon"] is None or rule.id in re.split(r"[\s,]+", (said["codes"] or "").upper())
        ):
            return True
    return False
