"""The command: `headrace run | plan | retry | verify | lint | demo | bench`."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from typing import Any

from headrace.cli.text import printable
from headrace.core.errors import HeadraceError

_INTERRUPTED = 130
_SUPERVISED = ("run", "retry")


def start() -> None:
    """The process's entry: `main`, under a supervisor where it runs other people's code."""
    if not (sys.argv[1:2] and sys.argv[1] in _SUPERVISED):
        main()
    from headrace.cli.supervisor import supervised

    sys.exit(supervised(_command, _complain))


def main() -> None:
    """Runs the command line in this process.

    Exit codes: 0 done, 1 failed, 2 wrong usage or refused, 3 too many rejects, 130 interrupted.
    """
    sys.exit(_command())


def _command() -> int:
    """The command's exit code."""
    _speak_plainly()
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
    except SystemExit as error:  # it would end the run as if it were done
        if not isinstance(error.__context__, BrokenPipeError):  # of `--help | head`, which has what it wants
            _complain(f"code that the run loads called sys.exit({error.code})")
        code = 1
    except Exception as error:  # noqa: BLE001 - a fault of headrace's own: its traceback, as text that is safe to print
        for line in "".join(traceback.format_exception(error)).splitlines():
            print(f"  {printable(line)}", file=sys.stderr)  # noqa: T201 - its purpose
        code = 1
    if code == _INTERRUPTED:
        goes_on = "; run the same command again to go on from here" if sys.argv[1:2] != ["lint"] else ""
        _complain(f"interrupted{goes_on}")
    return int(code)


class _Complaints(logging.Handler):
    """Log records and warnings, headrace's and other libraries', as the command's own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        _complain(self.format(record))


def _speak_plainly() -> None:
    """All that headrace prints goes through `printable`; what the terminal's encoding lacks is written out too."""
    logging.basicConfig(handlers=[_Complaints()], level=logging.WARNING)
    logging.getLogger("headrace").setLevel(logging.INFO)  # where a cluster's dashboard is
    logging.captureWarnings(capture=True)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _complain(text: str) -> None:
    """One line on stderr."""
    print(f"headrace: {printable(' '.join(text.split()))}", file=sys.stderr)  # noqa: T201 - its purpose
