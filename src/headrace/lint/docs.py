"""The rules' pages: `python -m headrace.lint.docs [FOLDER]` writes docs/lint.md's table and docs/lint/*.md."""

from __future__ import annotations

import sys
from pathlib import Path

from headrace.lint.explaining import page
from headrace.lint.rule import Category
from headrace.lint.rules import all_rules

START, END = "<!-- rules: python -m headrace.lint.docs -->", "<!-- end of rules -->"


def table() -> str:
    """All rules, by what they cost."""
    lines = [START, ""]
    for category in Category:
        rules = [r for r in all_rules().values() if r.category is category]
        if rules:
            lines += [f"### {category.value[0].upper()}{category.value[1:]}", "", "| | | |", "|---|---|---|"]
        for rule in rules:
            marks = " (opt-in)" * rule.opt_in + " (--fix)" * rule.fixable
            lines.append(f"| [{rule.id}](lint/{rule.id}.md) | {rule.name} | {rule.title}{marks} |")
        lines += [""] * bool(rules)
    return "\n".join([*lines, END])


def pages(folder: Path) -> dict[Path, str]:
    """Every page that the rules have, with its text; docs/lint.md keeps what stands around its table."""
    index = folder / "lint.md"
    text = index.read_text(encoding="utf-8") if index.exists() else f"# headrace lint\n\n{START}\n{END}\n"
    before, after = text.split(START)[0], text.split(END)[1]
    found = {index: before + table() + after}
    return found | {folder / "lint" / f"{r.id}.md": page(r) for r in all_rules().values()}


def main() -> None:
    """Writes the pages, and removes those of rules that are gone."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    wanted = pages(folder)
    (folder / "lint").mkdir(parents=True, exist_ok=True)
    for old in set((folder / "lint").glob("HR*.md")) - wanted.keys():
        old.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
