"""The house is as ARCHITECTURE.md says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "headrace").rglob("*.py"))
MODULES = [p.relative_to(ROOT / "src" / "headrace").as_posix() for p in SOURCES if p.stat().st_size > 0]


def test_architecture_names_every_module() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    folders = ("demo/", "bench/peers/", "lint/rules/")
    missing = [m for m in MODULES if m not in text and not m.endswith("__init__.py") and not m.startswith(folders)]
    assert missing == []


def test_architecture_names_no_module_that_is_gone() -> None:
    named = {
        w.strip("`,.();:") for w in (ROOT / "ARCHITECTURE.md").read_text().split() if w.strip("`,.();:").endswith(".py")
    }
    assert sorted(n for n in named if not (ROOT / "src" / "headrace" / n).exists() and not (ROOT / n).exists()) == []


@pytest.mark.parametrize("path", SOURCES, ids=[str(p.relative_to(ROOT)) for p in SOURCES])
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    functions = [f for f in ast.walk(ast.parse(text)) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 60]
    assert text.count("\n") <= 400
    assert long == []
