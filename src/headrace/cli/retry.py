"""`headrace retry`: the command line that a run has recorded, once more, for the rows it rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace.api.session import Into
from headrace.cli.run import ModelOptions, dataset, run_to_folder
from headrace.core.errors import BadOutput
from headrace.sinks.parquet import ParquetFolder
from headrace.sources.addresses import shown_address


def recordable(options: ModelOptions) -> dict[str, Any] | None:
    """The options as they hold in any folder; None when an address in them has credentials, which are not kept."""
    if any(shown_address(one) != one for one in options.inputs):
        return None
    head, colon, name = options.model.rpartition(":")
    model = f"{_absolute(head)}:{name}" if head.endswith(".py") else options.model
    if not colon:
        model = _absolute(options.model)
    return asdict(options) | {
        "inputs": [one if "://" in one else _absolute(one) for one in options.inputs],
        "model": model,
        "labels": None if options.labels is None else _absolute(options.labels),
        "preprocess": None if options.preprocess is None else _absolute(options.preprocess),
    }


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def retry_folder(out: str, settings: Mapping[str, Any], *, accept_changes: bool, as_json: bool) -> None:
    """Runs the rejects of `out` again. Raises HeadraceError."""
    recorded = ParquetFolder(out).read_job()
    if recorded is None:
        raise BadOutput(out, "holds no job to retry", "name the folder that a run has written")
    command = recorded["command"]
    if command is None:
        what = "does not say where its input is: it was run from Python, or from an address with credentials in it"
        raise BadOutput(out, what, "in Python: write_parquet(..., retry=True)")
    into = Into(out=out, retry=True, accept_changes=accept_changes, command=command)
    run_to_folder(dataset(ModelOptions(**command)), into, settings, as_json=as_json)
