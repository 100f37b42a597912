"""`headrace demo`: a real model over real photos, both from the package."""

from __future__ import annotations

from pathlib import Path

import headrace.demo
from headrace.api.readers import read_images
from headrace.api.session import Into
from headrace.cli.run import summarise, write_with_display
from headrace.cli.text import printable
from headrace.core.optional import load


def run_demo(out: Path, *, overwrite: bool) -> None:
    """Runs it into `out` and prints photo -> label -> score."""
    load("simplejpeg", extra="images", needed_for="the demo")
    photos = read_images(headrace.demo.PHOTOS).infer(headrace.demo.MODEL)
    outcome = write_with_display(photos, Into(out=out, overwrite=overwrite), {})
    _print_predictions(Path(outcome.report.out or out))
    summarise(outcome.report)


def _print_predictions(out: Path) -> None:
    import pyarrow.parquet as pq
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("photo", "label", "score"):
        table.add_column(heading, justify="right" if heading == "score" else "left")
    for part in sorted(out.glob("part-*.parquet")):
        for row in pq.ParquetFile(part).read(["path", "label", "score"]).to_pylist():
            shown = (Path(row["path"]).name, row["label"], f"{row['score']:.3f}")
            table.add_row(*(Text(printable(text)) for text in shown))
    Console().print(table)
