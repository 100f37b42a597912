"""Edits are put into a file's own text."""

import ast
import io
import re
import tokenize
from dataclasses import replace
from itertools import pairwise
from random import Random
from textwrap import indent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lint_tables import tables

from headrace.lint import fixing
from headrace.lint.checking import Located, check
from headrace.lint.model.analysis import parsed
from headrace.lint.reading import read_bytes
from headrace.lint.rule import Edit, Rule
from headrace.lint.rules import all_rules
from headrace.lint.source import Place, Source


def edited(text: str, keyword: str, replacement: str, name: str = "a.py") -> str:
    """`text` with that keyword argument replaced, wherever it stands."""
    source = read_bytes(name, text.encode())
    rule: Rule = all_rules()["HR010"]
    nodes = [n for n in ast.walk(parsed(source.text)) if isinstance(n, ast.keyword) and n.arg == keyword]
    found = [Located(name, Place(0, 1, 1), rule, "", (Edit(n, replacement),)) for n in nodes]
    return fixing._one_round(source, found)[0].raw


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("f(a, x=1)\n", "f(a)\n"),
        ("f(x=1)\n", "f()\n"),
        ("f(x=1, y=2)\n", "f(y=2)\n"),
        ("f(a, x=(1,\n  2), y=2)\n", "f(a, y=2)\n"),
        ("f(\n    a,\n    x=1,\n    y=2,\n)\n", "f(\n    a,\n    y=2,\n)\n"),
        ("f(\n    a,\n    x=1,  # why\n)\n", "f(\n    a,\n    # why\n)\n"),
        ("f(a,  # why\n  x=1)\n", "f(a,  # why\n  )\n"),
        ("f('é', x=g(x=2), y='é')\n", "f('é', y='é')\n"),
        ("f(\r\n    x=1,\r\n    y=2\r\n)\r\n", "f(\r\n    y=2\r\n)\r\n"),
    ],
)
def test_argument_is_taken_out_with_its_comma(text: str, after: str) -> None:
    assert edited(text, "x", "") == after


def test_edit_on_a_page_stays_in_its_block() -> None:
    page = "x=1 é\n> ```python\n> f('é', x=1)\n> ```\n"
    assert edited(page, "x", "z=3", "a.md") == page.replace("', x=1", "', z=3")


def test_fix_that_breaks_the_file_is_not_made_and_the_others_are() -> None:
    assert edited("f(x=1)\ng(y=1)\n", "x", "x=)") == "f(x=1)\ng(y=1)\n"


SNIPPETS = [text for t in tables() for text in (*t.bad.values(), *t.good.values())]
MENDED = [(t.rule, text) for t in tables() if t.fixed for text in t.bad.values()]
BETWEEN = ["", "", "", " ", "  # é, x=(1,)\n", "\n", "\n        # alone, y=2)\n    \t"]


def strewn(code: str, random: Random) -> str:
    """`code` with comments, line ends and spaces wherever Python allows them."""
    lines = re.sub(r"[ ]*# HR.*", "", code).splitlines()
    places: list[tuple[int, int]] = []
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
        if token.type == tokenize.NEWLINE or (depth and token.string in set("()[]{},=")):
            places.append(token.start)
        depth += (token.string in set("([{")) - (token.string in set(")]}"))
    for line, column in reversed(places):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + random.choice(BETWEEN) + text[column:]
    return "\n".join(lines) + "\n"


@settings(deadline=None)
@given(st.lists(st.sampled_from(SNIPPETS), max_size=3), st.sampled_from(MENDED), st.booleans(), st.randoms())
def test_fix_keeps_all_but_what_it_mends(
    others: list[str], mended: tuple[str, str], crlf: bool, random: Random
) -> None:
    rule, bad = mended
    parts = [strewn(part, random) for part in (*others, bad)]
    parts = [f"def part{n}():\n{indent(p, '    ')}" if random.random() < 0.5 else p for n, p in enumerate(parts)]
    text = "".join(parts).replace("\n", "\r\n" if crlf else "\n")
    before = read_bytes("a.py", text.encode())
    found = [f for f in check(before, {rule}) if f.fixable]
    spans = sorted(fixing._Text(before).span(replace(e, text="x"))[:2] for f in found for e in f.edits)
    after, count = fixing.mended(before, {rule})
    assert (count, after.problems) == (len(found), ())
    assert not any(f.fixable for f in check(after, {rule}))
    assert fixing.mended(after, {rule}) == (after, 0)
    place = 0
    for start, end in pairwise([0, *(offset for span in spans for offset in span), len(before.raw)]):
        if (start, end) not in spans:
            kept = before.raw[start:end].strip(" \t\r\n,")  # with an argument its comma goes, and its line
            place = after.raw.index(kept, place) + len(kept)
    assert comments(after) == comments(before)


def comments(source: Source) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    return [t.string for t in tokens if t.type == tokenize.COMMENT]
