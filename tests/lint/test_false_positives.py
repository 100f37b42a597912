"""What is right is left alone: whole scripts that look like the mistakes, and the project's own code and pages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.lint.checking import Located, check
from headrace.lint.reading import read, read_bytes
from headrace.lint.rules import all_rules
from headrace.lint.settings import Settings

ROOT = Path(__file__).parents[2]
CORRECT = sorted((Path(__file__).parent / "correct").glob("*.py"))
RULE_PAGES = sorted((ROOT / "docs/lint").glob("*.md"))
OWN = [
    ROOT / "README.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if p not in RULE_PAGES),
    *sorted(p for folder in ("src", "tests/ray", "tests/pool", "scripts") for p in (ROOT / folder).rglob("*.py")),
]
BAD_SECTION = re.compile(r"^## Bad\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
KINDS = {
    "concurrent.futures", "daft", "dask.dataframe", "datasets", "diffusers", "lightgbm", "multiprocessing.Pool",
    "onnxruntime", "openvino", "pandas", "polars", "pyspark.sql", "ray", "ray.data.llm", "ray.serve", "ray.train",
    "ray.tune", "ray.util.ActorPool", "sentence_transformers", "sklearn.ensemble", "tensorflow", "torch.utils.data",
    "torchvision.models", "transformers", "vllm", "xgboost",
}  # fmt: skip
OPT_IN = {r.id for r in all_rules().values() if r.opt_in}


def found_by_default(path: Path) -> list[Located]:
    return check(read(path), Settings().rules_for(path))


@pytest.mark.parametrize("path", CORRECT, ids=lambda p: p.stem)
def test_correct_script_is_left_alone(path: Path) -> None:
    assert found_by_default(path) == []


@pytest.mark.parametrize("path", CORRECT, ids=lambda p: p.stem)
def test_with_all_rules_only_opt_in_ones_speak_of_a_correct_script(path: Path) -> None:
    """Also of one that has no Ray, where an import of it makes sure that it is gone through."""
    text = path.read_text() + "\nimport ray\n"
    assert {f.rule.id for f in check(read_bytes(path.name, text.encode()), set(all_rules()))} <= OPT_IN


def test_there_are_scripts_of_every_kind_and_each_says_what_it_looks_like() -> None:
    trees = [ast.parse(path.read_text()) for path in CORRECT]
    assert len(trees) >= 36
    for tree in trees:
        assert re.match(r"Looks like: .+ Is: .+\.$", ast.get_docstring(tree) or "")
    assert {m for tree in trees for m in imported(tree)} >= KINDS


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a script imports, and what it takes from them, as `ray.serve`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{a.name}" for a in node.names)


@pytest.mark.parametrize("path", OWN, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_own_code_and_pages_are_left_alone(path: Path) -> None:
    assert found_by_default(path) == []


@pytest.mark.parametrize("page", RULE_PAGES, ids=lambda p: p.stem)
def test_a_rules_page_is_found_only_in_its_bad_section(page: Path) -> None:
    """The section gives way to as many empty lines; what is found in it, test_rules.py says."""
    text = BAD_SECTION.sub(lambda section: "\n" * section[0].count("\n"), page.read_text())
    assert check(read_bytes(page.name, text.encode()), Settings().rules_for(page)) == []
