"""From a source to its findings."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from headrace.lint.model.analysis import analysed, concerns_ray, parsed
from headrace.lint.model.module import Module
from headrace.lint.rule import UNREADABLE, Edit, Finding, FoundNode, Rule
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
            for one in _found(source, module, rules):
                found.setdefault((one.place, one.rule.id), one)
        except RecursionError:
            problems.append(Problem(Place(0, 1, 1), "is nested too deeply to be followed"))
    if UNREADABLE.id in rules:
        for problem in problems:
            found[problem.place, ""] = Located(source.path, problem.place, UNREADABLE, problem.message)
    return sorted(found.values(), key=lambda f: (f.place, f.rule.id))


def _found(source: Source, module: Module, rules: Collection[str]) -> Iterator[Located]:
    lines = source.lines
    for rule in all_rules().values():
        for finding in rule.check(module) if rule.id in rules else ():
            if not _is_silenced(finding, rule, lines):
                place = source.place(*_pointed_at(finding.node), lines)
                is_kept = source.is_fixable and not any(_loses_comment(e, module) for e in finding.edits)
                edits = finding.edits if is_kept else ()
                yield Located(source.path, place, rule, finding.message, edits)


def _loses_comment(edit: Edit, module: Module) -> bool:
    before = module.written(edit.node)
    return "\n" in before and "#" in before and "#" not in edit.text


def _pointed_at(node: FoundNode) -> tuple[int, int]:
    """Line and byte that a finding is shown at: a chain's call at its method's name, for chains begin lines above."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
        end_line, end_byte = node.func.end_lineno, node.func.end_col_offset
        if end_line is not None and end_byte is not None:
            return end_line, max(0, end_byte - len(node.func.attr.encode()))
    return node.lineno, node.col_offset


def _is_silenced(finding: Finding, rule: Rule, lines: list[str]) -> bool:
    """Whether the line that is shown, or what was found begins or ends on, says # noqa, of this rule or of all."""
    node = finding.node
    for number in {_pointed_at(node)[0], node.lineno, node.end_lineno or node.lineno}:
        said = _NOQA.search(lines[number - 1])
        if said is not None and (
            said["colon"] is None or rule.id in re.split(r"[\s,]+", (said["codes"] or "").upper())
        ):
            return True
    return False
