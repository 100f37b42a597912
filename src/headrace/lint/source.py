"""A file as a module's text, and the way back from a place in that text to the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from headrace.lint.model.analysis import parsed

LINE_ENDS = re.compile(r"\r\n|\r|\n")
_TARGET = r"[A-Za-z_][\w.]*(?:\[[^\]]*\])?"
_MAGIC = re.compile(rf"^(?P<indent>\s*)(?P<assigned>{_TARGET}(?:\s*,\s*{_TARGET})*\s*=\s*)?(?:[!?]|%%?[A-Za-z]).*$")
_HELP = re.compile(r"^\s*[\w.]+\?{1,2}\s*$")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file: line and column from 1, columns in characters; `cell` from 1 in a notebook, else 0."""

    cell: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read, and where."""

    place: Place
    message: str


@dataclass(frozen=True)
class Source:
    """One file. `text` is its module: all cells or code blocks, other lines blank; `raw` the file's own text.

    origins: of a notebook, each line's cell and line in it. shifts: of a page, the characters that were cut off the
    left of each line. keeps_bytes: whether `raw` in `encoding` is what the file holds.
    """

    path: str
    text: str = ""
    raw: str = ""
    origins: tuple[tuple[int, int], ...] = ()
    shifts: dict[int, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    encoding: str = "utf-8"
    keeps_bytes: bool = True

    @property
    def is_fixable(self) -> bool:
        """Whether --fix can write it: not notebooks, whose JSON it leaves alone."""
        return self.keeps_bytes and not self.origins

    @property
    def lines(self) -> list[str]:
        """The module's lines."""
        return self.text.split("\n")

    def place(self, line: int, byte: int, lines: list[str]) -> Place:
        """The file's place of a line (from 1) and byte (from 0) of `text`, whose `lines` are given."""
        column = len(lines[line - 1].encode()[:byte].decode(errors="ignore")) + 1 if line <= len(lines) else 1
        if self.origins:
            cell, own = self.origins[min(line, len(self.origins)) - 1]
            return Place(cell, own, column)
        return Place(0, line, column + self.shifts.get(line, 0))


def syntax_problem(text: str) -> tuple[int, int, str] | None:
    """Line, column and message of what keeps `text` from being parsed; None where nothing does."""
    try:
        parsed(text)
    except SyntaxError as error:
        return max(error.lineno or 1, 1), max(error.offset or 1, 1), f"does not parse: {error.msg}"
    except ValueError as error:
        return 1, 1, f"does not parse: {error}"
    except (RecursionError, MemoryError):
        return 1, 1, "is nested too deeply to be parsed"
    return None


def without_magics(text: str) -> str:
    """A cell with its magics taken out, line for line; nothing is left of a cell in another language."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%"):
        if first.split()[0] not in {"%%time", "%%timeit", "%%capture", "%%prun"}:
            return "\n" * (len(lines) - 1)
        lines[lines.index(first)] = ""
    kept: list[str] = []
    goes_on = False  # whether the line before was a magic that ends with a backslash
    for line in lines:
        said = "" if goes_on else _without_magic(line)
        goes_on = said != line and line.endswith("\\")
        kept.append(said)
    return "\n".join(kept)


def _without_magic(line: str) -> str:
    if _HELP.match(line):
        return ""
    found = _MAGIC.match(line)
    if found is None:
        return line
    return f"{found['indent']}{found['assigned']}None" if found["assigned"] else f"{found['indent']}pass"
