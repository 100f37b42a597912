"""A job into an output folder: resume what is there, refuse another job, run the rest, leave the report."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.core.errors import BadOutput, HeadraceError, JobChanged, TooManyRejects
from headrace.core.partition import Account, Partition, partitions
from headrace.core.progress import OnProgress
from headrace.core.report import RunReport
from headrace.engine.local.clock import RunClock
from headrace.engine.local.limits import RejectLimits
from headrace.engine.local.reporting import run_report
from headrace.engine.local.run import LocalRun
from headrace.job.fingerprint import changed, fingerprint, fingerprint_parts
from headrace.job.job import Job, Settings
from headrace.plan.draft import draft
from headrace.plan.machine import this_machine
from headrace.plan.plan import Choice, Plan, values_from_toml
from headrace.plan.recipe import Recipe, make_recipe
from headrace.sinks.parquet import ParquetFolder

_SETTLED = ("precision", "partition_rows")


@dataclass(frozen=True)
class Outcome:
    """A finished run: its report, and whether there was nothing left to do."""

    report: RunReport
    was_finished: bool


def write_job(
    job: Job,
    settings: Settings,
    out: str | Path,
    *,
    saved: Mapping[str, Any],
    overwrite: bool,
    keep_images: bool,
    on_progress: OnProgress | None,
    clock: RunClock,
) -> Outcome:
    """Runs `job` into `out`, from where it stands. Raises HeadraceError."""
    recipe, machine = make_recipe(job), this_machine()
    folder = ParquetFolder(out)
    if recipe.listing.inside(str(folder.root)):
        raise BadOutput(str(folder.root), "holds the input", "name a folder that the input does not lie in")
    folder.check()
    facts = fingerprint_parts(recipe.static_facts(job.source.describe(), job.limit) | {"keep_images": keep_images})
    recorded = None if overwrite else folder.read_job()
    values = saved if recorded is None else _resumed(saved, folder)
    plan = draft(recipe, settings, machine, saved=values)
    committed: dict[int, Account] = {}
    if recorded is not None:
        plan = _as_recorded(plan, recorded, facts, str(folder.root))
        folder.fingerprint = _fingerprint(facts, plan)
        committed = folder.committed()
        finished = _finished(recipe, plan, committed, folder)
        if finished is not None:
            _check_ratio(finished, settings.max_rejected, folder)
            return Outcome(finished, was_finished=True)
    run = LocalRun(recipe, plan, machine, clock, keep_images=keep_images)
    try:
        todo = _settled_todo(run, committed)
        folder.fingerprint = _fingerprint(facts, run.plan)
        if overwrite:
            folder.clear()  # only now: what was asked has been opened and has run over its first batch
        if recorded is None:
            folder.begin(_record(facts, run.plan, recipe, folder.fingerprint))
            folder.write_state("plan.toml", run.plan.to_toml())
        report = _run(run, todo, folder, settings, on_progress, before=sum(committed.values(), Account()))
    finally:
        run.close()
    _check_ratio(report, settings.max_rejected, folder)
    return Outcome(report, was_finished=False)


def _finished(recipe: Recipe, plan: Plan, committed: Mapping[int, Account], folder: ParquetFolder) -> RunReport | None:
    """The report of a folder with nothing left to do."""
    report = None if _todo(recipe, plan, committed) else folder.read_report()
    rows_in = sum(account.rows_in for account in committed.values())
    return report if report is not None and report.rows_in == rows_in else None


def _settled_todo(run: LocalRun, committed: Mapping[int, Account]) -> list[Partition]:
    """Settles what is open on the first partition to do; all of them."""
    todo = _todo(run.recipe, run.plan, committed)
    return _todo(run.recipe, run.settle(todo[0]), committed) if todo else []


def _run(
    run: LocalRun,
    todo: list[Partition],
    folder: ParquetFolder,
    settings: Settings,
    on_progress: OnProgress | None,
    *,
    before: Account,
) -> RunReport:
    """Runs the partitions `todo`, and writes the report whatever comes of it."""
    try:
        if todo:
            run.write(todo, folder, RejectLimits(settings.on_error, settings.max_rejected), on_progress)
    except BaseException:
        with contextlib.suppress(HeadraceError):
            _report(run, before, folder)
        raise
    return _report(run, before, folder)


def _report(run: LocalRun, before: Account, folder: ParquetFolder) -> RunReport:
    """Writes the session's report, with the sessions before it. Raises WriteFailed."""
    former = folder.read_report()
    earlier = () if former is None else former.sessions
    report = run_report(run, before + run.written, run.written, out=str(folder.root), earlier=earlier)
    folder.write_state("report.json", report.to_json())
    return report


def _resumed(saved: Mapping[str, Any], folder: ParquetFolder) -> dict[str, Any]:
    """`saved`, with the batch size and the agreement that the run which is resumed has settled."""
    recorded = values_from_toml(folder.plan_path) if folder.plan_path.exists() else {}
    return {n: recorded[n] for n in ("batch_size", "precision", "agreement") if n in recorded} | dict(saved)


def _todo(recipe: Recipe, plan: Plan, committed: Mapping[int, Account]) -> list[Partition]:
    """The partitions that are not committed; while their size is open, one that stands for all."""
    if plan.partition_rows.open:
        return [Partition(0, 0, recipe.listing.rows)]
    return [p for p in partitions(recipe.listing.rows, int(plan.value("partition_rows"))) if p.number not in committed]


def _settled(plan: Plan) -> dict[str, Any]:
    precision = None if plan.precision is None else plan.precision.value
    return {"precision": precision, "partition_rows": plan.partition_rows.value}


def _fingerprint(facts: dict[str, str], plan: Plan) -> str:
    return fingerprint(facts | fingerprint_parts(_settled(plan)))


def _as_recorded(plan: Plan, recorded: dict[str, Any], facts: dict[str, str], out: str) -> Plan:
    """The plan with what the recorded job has settled. Raises JobChanged, naming what differs."""
    differing = changed(recorded["facts"], facts)
    settled: dict[str, Choice] = {}
    for name in _SETTLED:
        choice, value = getattr(plan, name), recorded["settled"][name]
        if choice is None:
            continue
        if choice.given and choice.value != value:
            differing = (*differing, name)
        settled[name] = replace(choice, value=value, reason="as the run that is resumed settled it")
    if differing:
        raise JobChanged(out, differing)
    return plan.settled(**settled)


def _record(facts: dict[str, str], plan: Plan, recipe: Recipe, whole: str) -> dict[str, Any]:
    return {"rows": recipe.listing.rows, "fingerprint": whole, "facts": facts, "settled": _settled(plan)}


def _check_ratio(report: RunReport, max_rejected: float, folder: ParquetFolder) -> None:
    """At the end: too many rejects make a finished run a failed one (exit 3). Raises TooManyRejects."""
    if report.rows_rejected > max_rejected * report.rows_in:
        first = f"see {folder.state / 'rejects'}"
        raise TooManyRejects(report.rows_rejected, report.rows_in, max_rejected, first)
