"""`headrace lint`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from headrace.cli.text import printable
from headrace.core.errors import BadOutput, UsageError
from headrace.core.options import one_of
from headrace.lint.checking import Located, check
from headrace.lint.explaining import explained
from headrace.lint.fixing import difference, mended
from headrace.lint.formats import FORMATS
from headrace.lint.reading import found_files, read
from headrace.lint.rules import all_rules
from headrace.lint.settings import rule_ids, settings_for
from headrace.lint.source import Source

_FRAMES = 4000  # 500 elifs, 700 calls in a chain; 6,000 frames are followed within 1 MiB of stack
_ESCAPED = frozenset({"json", "sarif"})


@dataclass(frozen=True)
class Asked:
    """The command's options."""

    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    format: str = "text"
    fix: bool = False
    diff: bool = False


def lint(paths: Sequence[str], asked: Asked) -> None:
    """Prints what is found; exits with 1 when something is."""
    with _frames(_FRAMES):
        _lint(paths, asked)


@contextlib.contextmanager
def _frames(count: int) -> Iterator[None]:
    """Lets Python call so deep."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, count))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _lint(paths: Sequence[str], asked: Asked) -> None:
    report = FORMATS[one_of("--format", asked.format, FORMATS)]
    if not paths:
        raise UsageError(
            "no files were named; name scripts, notebooks, pages or folders of them, as headrace lint src/"
        )
    if "" in paths:
        raise UsageError('"" is no path; name files or folders, or . for this one')
    found: list[Located] = []
    files = found_files(paths)
    mended_count = 0
    for path in files:
        rules = settings_for(path, asked.select, asked.ignore).rules_for(path)
        source = read(path)
        if asked.diff:
            _say(difference(source, mended(source, rules)[0]), is_escaped=not sys.stdout.isatty())  # else for `patch`
        elif asked.fix:
            source, count = mended(source, rules)
            mended_count += count
            if count:
                _write(path, source)
        found += check(source, rules)
    summary = _summary(found, len(files), mended_count) + "\n"
    if asked.diff:
        sys.stderr.write(summary)
    else:
        _say(report(found), is_escaped=asked.format in _ESCAPED)
        _say(summary if asked.format == "text" else "", is_escaped=True)
    if found:
        raise typer.Exit(1)


def explain(name: str, paths: Sequence[str]) -> None:
    """Prints what a rule is about. Raises UsageError where paths are named as well."""
    if paths:
        raise UsageError(f"--explain takes one rule and nothing else; leave out {paths[0]}")
    rules = all_rules()
    for one in sorted(rule_ids([name], "--explain")):
        sys.stdout.write(explained(rules[one]) + "\n")


def _write(path: Path, source: Source) -> None:
    try:
        path.write_bytes(source.raw.encode(source.encoding))
    except OSError as error:
        raise BadOutput(str(path), f"cannot be written: {error.strerror}", "make it writable, or see --diff") from error


def _say(text: str, *, is_escaped: bool) -> None:
    """Writes `text`, its lines made safe for a terminal unless they are, or are for none."""
    if not is_escaped:
        text = "".join("\t".join(map(printable, line.split("\t"))) + "\n" for line in text.split("\n")[:-1])
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # of `| head`, which has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _summary(found: Sequence[Located], files: int, mended_count: int) -> str:
    fixable = sum(f.fixable for f in found)
    said = [f"{_counted(len(found), 'finding')} in {_counted(files, 'file')}"]
    said += [f"{mended_count} mended"] if mended_count else []
    said += [f"{fixable} can be mended by --fix"] if fixable else []
    return ", ".join(said)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
