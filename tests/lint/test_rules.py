"""Every rule finds what its table marks, and nothing in what only looks alike."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lint_tables import found_in, marked, tables

from headrace.lint.docs import pages
from headrace.lint.fixing import mended
from headrace.lint.reading import read_bytes
from headrace.lint.rule import Category, Rule
from headrace.lint.rules import all_rules

ROOT = Path(__file__).parents[2]
TABLES = list(tables())
RULES = [r for r in all_rules().values() if r.id != "HR000"]
BAD = [pytest.param(t.rule, text, id=f"{t.rule}: {name}") for t in TABLES for name, text in t.bad.items()]
GOOD = [pytest.param(t.rule, text, id=f"{t.rule}: {name}") for t in TABLES for name, text in t.good.items()]
FIXED = [(t.rule, t.bad[name], fixed) for t in TABLES for name, fixed in t.fixed.items()]
SNIPPETS = [text for t in TABLES for text in (*t.bad.values(), *t.good.values())]


@pytest.mark.parametrize(("rule", "text"), BAD)
def test_bad_snippet_is_found_where_it_says_so(rule: str, text: str) -> None:
    lines = marked(text, rule)
    assert lines
    assert [f.place.line for f in found_in(text, rule=rule)] == lines


@pytest.mark.parametrize(("rule", "text"), GOOD)
def test_near_miss_is_left_alone(rule: str, text: str) -> None:
    assert found_in(text, rule=rule) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_rule_has_three_snippets_of_each_kind_and_an_example_that_holds(rule: Rule) -> None:
    table = next(t for t in TABLES if t.rule == rule.id)
    assert len(table.bad) >= 3
    assert len(table.good) >= 3
    assert bool(table.fixed) == rule.fixable
    assert found_in(rule.bad, rule=rule.id)
    wanted = {r.id for r in RULES if not r.opt_in} | {rule.id}
    assert [f for f in found_in(rule.good) if f.rule.id in wanted] == []
    assert (rule.category is Category.BREAKS) == bool(rule.error)
    assert not (rule.why + rule.fix).endswith(".")


@pytest.mark.parametrize(("rule", "bad", "fixed"), FIXED, ids=[f[0] for f in FIXED])
def test_fix_gives_the_text_that_the_table_says(rule: str, bad: str, fixed: str) -> None:
    after, count = mended(read_bytes("script.py", bad.encode()), {rule})
    assert after.raw == fixed
    assert count >= 1


@settings(deadline=None)
@given(st.lists(st.sampled_from(SNIPPETS), max_size=4), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["py", "md"]))
def test_fixes_parse_are_idempotent_keep_comments_and_leave_nothing_to_fix(
    snippets: list[str], end: str, kind: str
) -> None:
    fenced = [f"~ é\n\n1. text\n\n   ```python\n{_indented(s)}   ```\n" for s in snippets]
    text = "\n".join(fenced if kind == "md" else snippets).replace("\n", end)
    before = read_bytes(f"a.{kind}", text.encode())
    after, _ = mended(before, set(all_rules()))
    assert after.problems == before.problems == ()
    assert mended(after, set(all_rules())) == (after, 0)
    assert not [f for f in found_in(after.raw, f"a.{kind}") if f.fixable]
    assert _comments(after.raw) == _comments(text)
    assert after.raw.count("\n") == after.raw.count(end)


def _comments(text: str) -> list[str]:
    return [comment for line in text.splitlines() for comment in line.split("#")[1:]]


def _indented(code: str) -> str:
    return "".join(f"   {line}\n" for line in code.splitlines())


def test_pages_are_those_that_the_rules_give() -> None:
    wanted = pages(ROOT / "docs")
    assert {p: p.read_text() for p in wanted if p.exists()} == wanted
    assert set((ROOT / "docs/lint").glob("*.md")) <= wanted.keys()
