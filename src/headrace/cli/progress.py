"""The live display of a run: a bar with rates and each stage's busy share; log lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from headrace.cli.text import printable, seconds
from headrace.core.progress import Progress

_LOG_EVERY_S = 10.0


def busy_text(progress: Progress) -> str:
    """Each stage's busy share, the busiest marked: it is the one that limits."""
    if not progress.busy:
        return ""
    most = max(progress.busy, key=lambda n: progress.busy[n])
    return printable("  ".join(f"{'*' if n == most else ''}{n} {min(1.0, b):.0%}" for n, b in progress.busy.items()))


class LogLines:
    """A line to stderr every ten seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __enter__(self) -> LogLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def __call__(self, progress: Progress) -> None:
        """Writes a line when it is time for one."""
        if time.monotonic() - self._last < _LOG_EVERY_S:
            return
        self._last = time.monotonic()
        rejected = f", {progress.rows_rejected} rejected" if progress.rows_rejected else ""
        line = f"{progress.rows}/{progress.rows_total} rows{rejected}, {progress.rows_per_s:.0f} rows/s, "
        print(f"{line}{seconds(progress.eta_s)} left; {busy_text(progress)}", file=sys.stderr, flush=True)  # noqa: T201 - its purpose


class LiveBar:
    """A bar on stderr that is drawn anew four times a second."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        self._task = self._bar.add_task("loading", total=None)

    def __enter__(self) -> LiveBar:
        self._bar.start()
        self._bar.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Draws how far it is."""
        from rich.markup import escape

        rejected = f"  [red]{progress.rows_rejected} rejected[/red]" if progress.rows_rejected else ""
        rows = f"{progress.rows:,}/{progress.rows_total:,} rows  {progress.rows_per_s:,.0f} rows/s"
        description = f"{rows}  ETA {seconds(progress.eta_s)}{rejected}\n{escape(busy_text(progress))}"
        self._bar.update(self._task, total=progress.rows_total, completed=progress.rows, description=description)
        self._bar.refresh()


def display(*, quiet: bool) -> LiveBar | LogLines | None:
    """The display that fits: none when quiet, the bar on a terminal, else log lines."""
    if quiet:
        return None
    return LiveBar() if sys.stderr.isatty() else LogLines()
