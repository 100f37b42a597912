"""Pages: the fenced Python blocks of Markdown or text as one module, every line where it stands on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.lint.model.analysis import concerns_ray
from headrace.lint.source import LINE_ENDS, Place, Problem, Source, syntax_problem, without_magics

_FENCE = re.compile(
    r"^(?P<prefix>[ \t]*(?:>[ \t]*|(?P<item>[-*+]|\d+[.)])[ \t]+)*)(?P<fence>`{3,}(?!.*`)|~{3,})[ \t]*(?P<info>.*)$"
)
_ITEM = re.compile(r"[-*+]|\d+[.)]")
_PYTHON = re.compile(
    r"^(?:\{code(?:-block|-cell)?\}\s*|\{\.?)?(?:python3?|py3?|ipython3?|pycon|doctest|testcode)\b", re.IGNORECASE
)
_IMPORT = re.compile(r"^[ \t>]*(?:import ray\b|from ray\b[\w.]* import )")
Block = list[tuple[int, int, str]]  # line from 1, characters cut off its left, the rest of it


def read_page(path: str, raw: str) -> Source:
    """The page's Python blocks as one module; a block that does not parse is a problem, and left out.

    So is code about Ray on a page without such blocks: pages are copied without their fences, or without "python".
    """
    lines = LINE_ENDS.split(raw)
    kept = [""] * len(lines)
    shifts: dict[int, int] = {}
    problems: list[Problem] = []
    blocks = list(_blocks(lines))
    told = any(concerns_ray(code) for block in blocks for _, _, code in block)  # others' pages may hold anything
    for found in blocks:
        block = _without_prompts(_dedented(found))
        text = "\n".join(code for _, _, code in block)
        wrong = syntax_problem(text)
        if wrong is not None:
            text = without_magics(text)
            if syntax_problem(text) is not None:
                line, cut, _ = block[min(wrong[0], len(block)) - 1]
                problems += [Problem(Place(0, line, wrong[1] + cut), f"code block {wrong[2]}")] * told
                continue
        for (line, cut, _), code in zip(block, text.split("\n"), strict=True):
            kept[line - 1] = code
            shifts[line] = cut
    if not blocks:
        bare = next((n for n, line in enumerate(lines, 1) if _IMPORT.match(line)), None)
        message = "is code that is not read: no block of the page is fenced as ```python"
        problems += [Problem(Place(0, bare, 1), message)] if bare is not None else []
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
        elif found is not None and _closes(found, opened):
            if block and _PYTHON.match(opened["info"]):
                yield block
            opened = None
        else:
            cut = _cut(line, _ITEM.sub(lambda item: " " * len(item[0]), opened["prefix"]))
            block.append((number, cut, line[cut:]))
    if opened is not None and block and _PYTHON.match(opened["info"]):
        yield block


def _closes(found: re.Match[str], opened: re.Match[str]) -> bool:
    return not found["info"].strip() and not found["item"] and found["fence"].startswith(opened["fence"])


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
