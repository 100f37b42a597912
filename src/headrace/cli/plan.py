"""`headrace plan`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.api.dataset import Dataset
from headrace.cli.run import say
from headrace.cli.text import printable
from headrace.core.errors import BadOutput
from headrace.plan.plan import Plan


def show_plan(rows: Dataset, settings: Mapping[str, Any], *, out: str | None, save: Path | None) -> None:
    """Prints the plan as a table, and saves it where asked."""
    plan = rows.plan(out, **settings)
    print_plan(plan)
    if save is None:
        return
    try:
        save.write_text(plan.to_toml())
    except OSError as error:
        raise BadOutput(str(save), f"cannot be written ({error.strerror})", "choose another file") from error
    say(f"saved: {save}; run it with --plan {save}")


def print_plan(plan: Plan) -> None:
    """A row for every choice: its value, and why."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"plan for {plan.rows:,} rows", title_justify="left", box=None, pad_edge=False)
    for heading in ("choice", "value", "why"):
        table.add_column(heading, overflow="fold")
    for name, choice in plan.choices().items():
        table.add_row(Text(printable(name)), Text(printable(str(choice.value))), Text(printable(choice.reason)))
    Console().print(table)
