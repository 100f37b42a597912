"""`headrace run`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from headrace.api.dataset import Dataset
from headrace.api.readers import read_images, read_parquet
from headrace.api.session import Into, Outcome, write_job
from headrace.cli.progress import display
from headrace.cli.text import printable, seconds, since_process_start_s
from headrace.core.needs import Needs
from headrace.core.report import RunReport
from headrace.engine.telling.clock import RunClock
from headrace.job.job import Settings
from headrace.plan.plan import values_from_toml


@dataclass(frozen=True)
class ModelOptions:
    """What `run` and `plan` say of input and model."""

    inputs: list[str]
    model: str
    precision: str
    min_agreement: float
    task: str | None
    top_k: int
    labels: str | None
    preprocess: str | None
    image_column: str | None
    limit: int | None
    allow_pickle: bool


def dataset(options: ModelOptions, needs: Needs | None = None) -> Dataset:
    """The dataset that the options describe: Parquet where the first input is a .parquet file or --image-column is
    given. needs: what the model's workers ask of a cluster."""
    asked = needs or Needs()
    inputs = options.inputs
    tables = options.image_column is not None or inputs[0].endswith((".parquet", ".pq"))
    read = read_parquet(inputs, image_column=options.image_column) if tables else read_images(inputs)
    limited = read if options.limit is None else read.limit(options.limit)
    return limited.infer(
        options.model,
        preprocess=options.preprocess,
        labels=options.labels,
        task=options.task,
        top_k=options.top_k,
        precision=options.precision,
        min_agreement=options.min_agreement,
        allow_pickle=options.allow_pickle,
        num_cpus=asked.num_cpus,
        num_gpus=asked.num_gpus,
        resources=asked.resources,
        label_selector=asked.labels,
        concurrency=asked.workers,
    )


def run_to_folder(
    rows: Dataset, into: Into, settings: Mapping[str, Any], *, plan: str | None = None, as_json: bool
) -> None:
    """Runs with a display, then prints what came of it."""
    if as_json:
        with _stdout_for_the_report() as stdout:
            outcome = write_with_display(rows, into, settings, plan=plan, quiet=True)
            stdout.write(outcome.report.to_json() + "\n")
        return
    outcome = write_with_display(rows, into, settings, plan=plan)
    if outcome.was_finished and into.retry:
        say(f"{into.out}: no rejects to try again")
    elif outcome.was_finished:
        say(f"{into.out} is finished: {outcome.report.rows_out:,} rows; --overwrite runs it again")
    summarise(outcome.report)


def _stdout_for_the_report() -> TextIO:
    """A file on stdout; what stages, libraries and their threads print there goes to stderr from now on."""
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return kept


def write_with_display(
    rows: Dataset,
    into: Into,
    settings: Mapping[str, Any],
    *,
    plan: str | None = None,
    quiet: bool = False,
) -> Outcome:
    """Runs with the display that fits the terminal; start-up counts from the process's start."""
    clock = RunClock(before_s=since_process_start_s())
    checked = Settings(**settings)
    saved = values_from_toml(plan) if plan is not None else {}
    shown = display(quiet=quiet)
    with shown or contextlib.nullcontext():
        return write_job(rows.job, checked, into, saved=saved, on_progress=shown, clock=clock)


def summarise(report: RunReport) -> None:
    """Rows, speed, limit, limiting stage, and where things are."""
    session = report.sessions[-1]
    in_all = f", {report.rows_out:,} in all" if session.rows != report.rows_out else ""
    rejected = f", {report.rows_rejected:,} rejected (_headrace/rejects)" if report.rows_rejected else ""
    speed = f"{report.rows_per_s:,.0f} rows/s ({report.precision or 'no model'})"
    say(f"{session.rows:,} rows in {seconds(report.wall_s)}{in_all}{rejected}: {speed}")
    if report.limit_rows_per_s is not None and report.efficiency is not None:
        limit = f"limit {report.limit_rows_per_s:,.0f} rows/s by the stages' own costs"
        say(f"{limit}, {report.efficiency:.0%} of it reached")
    say(report.verdict)
    say(f"predictions: {report.out}")
    say(f"report: {report.out}/_headrace/report.json")


def say(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stdout.write(printable(text) + "\n")
