"""The command: `headrace run | plan | demo | bench`."""

from __future__ import annotations

import sys
from typing import Any

from headrace.core.errors import HeadraceError

_INTERRUPTED = 130


def main() -> None:
    """Runs the command line.

    Exit codes: 0 done, 1 failed, 2 wrong usage or refused, 3 too many rejects, 130 interrupted.
    """
    import typer

    from headrace.cli.app import app

    wrong_usage: Any = typer.BadParameter.__mro__[
        1
    ]  # click's UsageError, of which newer typers have a copy of their own
    try:
        code = app(standalone_mode=False) or 0
    except HeadraceError as error:
        _complain(str(error))
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except wrong_usage as error:
        if text := error.format_message().rstrip("."):  # empty when the help was printed instead
            _complain(f"{text}; see headrace --help")
        code = 2
    if code == _INTERRUPTED:
        _complain("interrupted; run the same command again to go on from here")
    sys.exit(code)


def _complain(text: str) -> None:
    """The command's one line on stderr."""
    from headrace.cli.text import printable

    print(f"headrace: {' '.join(printable(text).split())}", file=sys.stderr)  # noqa: T201 - its purpose
