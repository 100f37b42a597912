"""Mending: edits put into a file's own text, so that all else in it stays as it was."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Collection, Sequence

from headrace.lint.checking import Located, check
from headrace.lint.reading import read_bytes
from headrace.lint.rule import Edit
from headrace.lint.source import LINE_ENDS, Source

_ROUNDS = 10
_COMMA_AFTER = re.compile(r"[ \t]*,[ \t]*")
_COMMA_BEFORE = re.compile(r",\s*$")
Span = tuple[int, int, str]


def mended(source: Source, rules: Collection[str]) -> tuple[Source, int]:
    """The source with its safe fixes made, and how many; what a fix uncovers is mended too.

    A fix after which the file no longer parses, or parses to fewer blocks, is not made.
    """
    made = 0
    for _ in range(_ROUNDS):
        found = [f for f in check(source, rules) if f.fixable]
        after, count = _one_round(source, found)
        if count == 0:
            return source, made
        source, made = after, made + count
    return source, made


def difference(before: Source, after: Source) -> str:
    """What changed, as a unified diff."""
    lines = difflib.unified_diff(_lines(before), _lines(after), before.path, after.path)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(source: Source) -> list[str]:
    """As patch counts them: only \\n ends a line, and is kept."""
    return re.findall(r"[^\n]*\n|[^\n]+", source.raw)


def _one_round(source: Source, found: Sequence[Located]) -> tuple[Source, int]:
    """Makes the fixes that do not touch one another; one by one where all together do not parse."""
    chosen: list[list[Span]] = []
    taken: list[Span] = []
    text = _Text(source)
    for finding in found:
        spans = [text.span(edit) for edit in finding.edits]
        if not any(a[0] < b[1] and b[0] < a[1] for a in spans for b in taken):
            chosen.append(spans)
            taken += spans
    after = _with(source, taken)
    if chosen and after is not None:
        return after, len(chosen)
    kept: list[Span] = []
    count = 0
    for spans in chosen:
        if _with(source, [*kept, *spans]) is not None:
            kept, count = [*kept, *spans], count + 1
    after = _with(source, kept)
    return (after, count) if after is not None else (source, 0)


def _with(source: Source, spans: Sequence[Span]) -> Source | None:
    """The source after these edits; None where they break it or change nothing."""
    raw = source.raw
    for start, end, text in sorted(spans, reverse=True):
        raw = raw[:start] + text + raw[end:]
    after = read_bytes(source.path, raw.encode(source.encoding))
    return after if raw != source.raw and len(after.problems) <= len(source.problems) else None


class _Text:
    """A file's own text, split into lines once for all edits."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lines = source.lines
        self._starts = [0, *(m.end() for m in LINE_ENDS.finditer(source.raw))]

    def span(self, edit: Edit) -> Span:
        """Where an edit stands, in characters."""
        node = edit.node
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start, end = self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)
        if isinstance(node, ast.keyword) and not edit.text:
            return *_with_comma(self._source.raw, start, end), ""
        return start, end, edit.text

    def _offset(self, line: int, byte: int) -> int:
        return self._starts[line - 1] + self._source.place(line, byte, self._lines).column - 1


def _with_comma(raw: str, start: int, end: int) -> tuple[int, int]:
    """An argument's span with the comma after it, and the line if it stands alone; else with the one before."""
    after = _COMMA_AFTER.match(raw, end)
    if after is None:
        before = _COMMA_BEFORE.search(raw[:start])
        return (before.start() if before is not None else start), end
    line = max(raw.rfind("\n", 0, start), raw.rfind("\r", 0, start)) + 1
    line_end = LINE_ENDS.match(raw, after.end())
    if line_end is not None and not raw[line:start].strip():
        return line, line_end.end()
    return start, after.end()
