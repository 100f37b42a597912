"""Pages: the fenced Python blocks of Markdown or text as one module, every line where it stands on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.lint.source import LINE_ENDS, Place, Problem, Source, syntax_problem, without_magics

_FENCE = re.compile(r"^(?P<prefix>[ \t]*(?:>[ \t]?)*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)$")
_PYTHON = re.compile(r"^(?:\{code(?:-block|-cell)?\}\s*|\{\.?)?(?:python3?|py|ipython3?|pycon)\b", re.IGNORECASE)
Block = list[tuple[int, int, str]]  # line from 1, characters cut off its left, the rest of it


def read_page(path: str, raw: str) -> Source:
    """The page's Python blocks as one module; a block that does not parse is a problem, and left out."""
    lines = LINE_ENDS.split(raw)
    kept = [""] * len(lines)
    shifts: dict[int, int] = {}
    problems: list[Problem] = []
    for found in _blocks(lines):
        block = _without_prompts(_dedented(found))
        text = "\n".join(code for _, _, code in block)
        wrong = syntax_problem(text)
        if wrong is not None:
            text = without_magics(text)
            if syntax_problem(text) is not None:
                line, cut, _ = block[min(wrong[0], len(block)) - 1]
                problems.append(Problem(Place(0, line, wrong[1] + cut), f"code block {wrong[2]}"))
                continue
        for (line, cut, _), code in zip(block, text.split("\n"), strict=True):
            kept[line - 1] = code
            shifts[line] = cut
    return Source(path, "\n".join(kept), raw, shifts=shifts, problems=tuple(problems))


def _blocks(lines: list[str]) -> Iterator[Block]:
    """The contents of the Python fences; other fences are passed over whole."""
    opened: re.Match[str] | None = None
    block: Block = []
    for number, line in enumerate(lines, 1):
        found = _FENCE.match(line)
        if opened is None:
            if found is not None:
                opened, block = found, []
        elif found is not None and not found["info"].strip() and found["fence"].startswith(opened["fence"]):
            if block and _PYTHON.match(opened["info"]):
                yield block
            opened = None
        else:
            cut = _cut(line, opened["prefix"])
            block.append((number, cut, line[cut:]))
    if opened is not None and block and _PYTHON.match(opened["info"]):
        yield block


def _cut(line: str, prefix: str) -> int:
    if line.startswith(prefix):
        return len(prefix)
    return min(len(line) - len(line.lstrip(" \t")), len(prefix))


def _dedented(block: Block) -> Block:
    """A block that is indented as a whole, without that."""
    margins = [len(code) - len(code.lstrip(" ")) for _, _, code in block if code.strip()]
    margin = min(margins, default=0)
    return [(line, cut + min(margin, len(code)), code[margin:]) for line, cut, code in block]


def _without_prompts(block: Block) -> Block:
    """A session with >>> as the code that was typed."""
    if not any(code.startswith(">>> ") for _, _, code in block):
        return block
    return [
        (line, cut + 4, code[4:]) if code.startswith((">>> ", "... ")) else (line, cut, "") for line, cut, code in block
    ]
