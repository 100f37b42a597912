"""A rule: what it looks for, why that is a mistake, and what to write instead."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from headrace.lint.model.module import Module

FoundNode = ast.expr | ast.stmt | ast.keyword | ast.ExceptHandler | ast.arg


class Category(Enum):
    """What a mistake costs."""

    UNREADABLE = "unreadable"
    BREAKS = "breaks on Ray 2.60"
    WRONG_RESULT = "wrong result"
    WASTES_ACCELERATOR = "wastes accelerator"
    WASTES_MEMORY = "wastes memory"
    SLOW = "slow"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Edit:
    """Puts `text` in the place of `node`'s text. "" takes a keyword argument out, comma and all."""

    node: ast.expr | ast.keyword | ast.stmt
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A mistake at `node`. `message` says what is wrong there; `edits` mend it without a change of meaning."""

    node: FoundNode
    message: str
    edits: tuple[Edit, ...] = ()


Check = Callable[[Module], Iterable[Finding]]


@dataclass(frozen=True)
class Rule:
    """One rule. `bad` and `good` are whole scripts: --explain and the docs show them, and tests run them.

    title: what is wrong, as the heading of its page. why: one or two sentences. fix: what to do, as an imperative.
    ray: the Ray versions that it holds for. error: for BREAKS, text of the error that `bad` gives on Ray 2.60.
    fixable: whether `check` gives edits. opt_in: whether it must be selected. notes: more for the page, as Markdown.
    """

    id: str
    name: str
    category: Category
    title: str
    why: str
    fix: str
    bad: str
    good: str
    check: Check
    ray: str = "all"
    error: str = ""
    fixable: bool = False
    opt_in: bool = False
    notes: str = ""


def rule(
    *,
    id: str,  # noqa: A002 - it is what a rule's number is called
    name: str,
    category: Category,
    title: str,
    why: str,
    fix: str,
    bad: str,
    good: str,
    ray: str = "all",
    error: str = "",
    fixable: bool = False,
    opt_in: bool = False,
    notes: str = "",
) -> Callable[[Check], Rule]:
    """Makes a rule of a check: a function that takes a Module and yields Findings."""

    def made(check: Check) -> Rule:
        return Rule(
            id, name, category, title, why, fix, bad.strip() + "\n", good.strip() + "\n", check,
            ray, error, fixable, opt_in, notes,
        )  # fmt: skip

    return made


def unread(_module: Module) -> Iterator[Finding]:
    """HR000 is found by reading."""
    yield from ()


UNREADABLE = Rule(
    "HR000",
    "unreadable",
    Category.UNREADABLE,
    "a file, a notebook's cell or a page's code block cannot be read",
    "what does not parse is not checked; the other cells and blocks of the file are",
    "mend what the message names",
    "import ray\nray.data.range(3).map_batches(\n",
    "import ray\n\nray.data.range(3).show()\n",
    unread,
)
