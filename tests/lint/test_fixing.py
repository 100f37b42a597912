"""Edits are put into a file's own text."""

import ast

import pytest

from headrace.lint import fixing
from headrace.lint.checking import Located
from headrace.lint.model.analysis import parsed
from headrace.lint.reading import read_bytes
from headrace.lint.rule import Edit, Rule
from headrace.lint.rules import all_rules
from headrace.lint.source import Place


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
