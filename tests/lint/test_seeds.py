"""Of five tutorials, lint finds exactly what their table says: each mistake they name or make, and nothing else."""

import importlib.util
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from lint_tables import marked
from seed_fixtures import FIXTURES
from seeds_table import NAMED_BY, NEVER, OPT_IN, ROWS, Row, Status

from headrace.lint.checking import check
from headrace.lint.reading import read, read_bytes
from headrace.lint.rules import all_rules

ROOT = Path(__file__).parents[2]
SEEDS = ("000", "001", "002", "003", "004")
ALWAYS_ON = {rule.id for rule in all_rules().values() if not rule.opt_in}
OPTIONAL = all_rules().keys() - ALWAYS_ON


def rows(status: Status) -> list[Row]:
    return [row for row in ROWS if row.status is status]


def label(row: Row) -> str:
    return f"{row.seed}:{row.line} {row.rule}"


@pytest.fixture(scope="module")
def pages() -> dict[str, Path]:
    """The pages, by the number that their names begin with."""
    folder = Path(os.environ.get("HEADRACE_SEEDS") or ROOT.parent / "shared" / "seeds")
    found = {path.name[:3]: path for path in sorted(folder.glob("*.txt"))}
    if not set(SEEDS) <= found.keys():
        pytest.skip(f"no tutorials in {folder}: set HEADRACE_SEEDS to the folder that holds {SEEDS[0]}_*.txt and on")
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_page_gives_the_findings_of_the_table_and_no_others(seed: str, pages: dict[str, Path]) -> None:
    found = {(f.place.line, f.rule.id) for f in check(read(pages[seed]), ALWAYS_ON)}
    assert found == {(row.line, row.rule) for row in rows(Status.FOUND) if row.seed == seed}


@pytest.mark.parametrize("seed", SEEDS)
def test_rules_that_must_be_selected_find_what_their_own_table_says(seed: str, pages: dict[str, Path]) -> None:
    found = {(f.place.line, f.rule.id) for f in check(read(pages[seed]), OPTIONAL)}
    assert found == {(row.line, row.rule) for row in OPT_IN if row.seed == seed}


@pytest.mark.parametrize("seed", SEEDS)
def test_page_is_read_alike_under_a_markdown_name(seed: str, pages: dict[str, Path]) -> None:
    as_text = check(read(pages[seed]), ALWAYS_ON)
    as_page = check(read_bytes("page.md", pages[seed].read_bytes()), ALWAYS_ON)
    assert [(f.place, f.rule.id) for f in as_page] == [(f.place, f.rule.id) for f in as_text]


def test_every_mistake_that_the_pages_number_or_list_has_a_row(pages: dict[str, Path]) -> None:
    answered = {(row.seed, line) for row in ROWS for line in (row.line, *row.named)}
    texts = {seed: path.read_text().split("\n") for seed, path in pages.items()}
    named: dict[tuple[str, str], set[int]] = {}
    for seed, pattern, count in NAMED_BY:
        lines = {n for n, line in enumerate(texts[seed], 1) if re.search(pattern, line)}
        assert len(lines) == count
        named[seed, pattern] = lines
    seed, heading, count = NEVER
    start = next(n for n, line in enumerate(texts[seed], 1) if heading in line)
    named[seed, heading] = set(range(start + 1, start + 1 + count))
    assert all(texts[seed][n - 1].startswith("- ") for n in named[seed, heading])
    assert {(key[0], n) for key, lines in named.items() for n in lines} <= answered


def test_rows_stand_on_lines_that_the_pages_have(pages: dict[str, Path]) -> None:
    last = {seed: len(path.read_text().split("\n")) for seed, path in pages.items()}
    assert [label(r) for r in (*ROWS, *OPT_IN) if not 0 < max(r.line, *r.named, 1) <= last[r.seed]] == []


def test_no_row_is_said_twice() -> None:
    times = Counter((row.seed, row.line, row.rule, row.status, row.mistake) for row in (*ROWS, *OPT_IN))
    assert [row for row, count in times.items() if count > 1] == []


@pytest.mark.parametrize("name", FIXTURES)
def test_fixture_gives_what_its_lines_say_and_no_more(name: str) -> None:
    found = check(read_bytes(f"{name}.py", FIXTURES[name].encode()), ALWAYS_ON)
    by_rule = {rule: [f.place.line for f in found if f.rule.id == rule] for rule in ALWAYS_ON}
    assert by_rule == {rule: marked(FIXTURES[name], rule) for rule in ALWAYS_ON}


@pytest.mark.parametrize("row", rows(Status.IN_WORDS), ids=label)
def test_what_stands_only_in_words_is_found_where_it_is_code(row: Row) -> None:
    assert row.rule in ALWAYS_ON
    assert marked(FIXTURES[row.fixture], row.rule)


@pytest.mark.parametrize("row", rows(Status.OBSOLETE), ids=label)
def test_what_is_obsolete_is_told_on_its_rules_page_and_by_rays_own_source(row: Row) -> None:
    assert row.why
    assert row.says in _joined((ROOT / f"docs/lint/{row.rule}.md").read_text())
    ray = importlib.util.find_spec("ray")
    if ray is None or ray.origin is None:
        pytest.skip("Ray is not installed: its source cannot be asked")
    name, words = row.source
    assert words in _joined((Path(ray.origin).parent / name).read_text())


def _joined(text: str) -> str:
    """Text with its lines, and the comment marks that begin them, put together."""
    return " ".join(re.sub(r"^\s*#", "", line).strip() for line in text.split("\n"))
