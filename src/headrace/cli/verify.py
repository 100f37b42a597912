"""`headrace verify`."""

from __future__ import annotations

import json
import sys

import typer

from headrace.api.verifying import Verification, verify
from headrace.cli.run import say


def verify_folder(out: str, *, as_json: bool) -> None:
    """Prints what is wrong with a folder; exits with 1 when something is."""
    found = verify(out)
    if as_json:
        sys.stdout.write(json.dumps(found.to_dict(), indent=2) + "\n")
    else:
        _print(found)
    if not found.whole:
        raise typer.Exit(1)


def _print(found: Verification) -> None:
    account = found.account
    for problem in found.problems:
        say(f"wrong: {problem}")
    for note in found.notes:
        say(f"note: {note}")
    if found.unfinished:
        say(f"unfinished: {found.unfinished:,} partitions are not there; run the job again to complete it")
    counted = f"{account.rows_in:,} rows in, {account.rows_out:,} out, {account.rows_rejected:,} rejected"
    verdict = "whole" if found.whole else f"{len(found.problems)} problems" if found.problems else "unfinished"
    say(f"{found.out}: {found.parts:,} parts, {counted}: {verdict}")
