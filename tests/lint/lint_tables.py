"""The tables of snippets, one file a rule: cases/HR001.py with BAD, GOOD and, where the rule mends, FIXED."""

import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from headrace.lint.checking import Located, check
from headrace.lint.model.analysis import analysed, parsed
from headrace.lint.model.module import Module
from headrace.lint.reading import read_bytes
from headrace.lint.rules import all_rules

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Table:
    """One rule's snippets, by what each is."""

    rule: str
    bad: dict[str, str]
    good: dict[str, str]
    fixed: dict[str, str] = field(default_factory=dict)


def tables() -> Iterator[Table]:
    for path in sorted(CASES.glob("HR*.py")):
        found = runpy.run_path(str(path))
        yield Table(path.stem, found["BAD"], found["GOOD"], found.get("FIXED", {}))


def found_in(text: str, name: str = "script.py", rule: str | None = None) -> list[Located]:
    return check(read_bytes(name, text.encode()), {rule} if rule else set(all_rules()))


def marked(text: str, rule: str) -> list[int]:
    """The lines that say `# HR001`, once for each time it is said."""
    return [n for n, line in enumerate(text.split("\n"), 1) for _ in re.findall(rf"#.*\b{rule}\b", line)]


def understood(text: str) -> Module:
    return analysed(parsed(text), text)
