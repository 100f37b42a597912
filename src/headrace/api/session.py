"""A job into an output folder: resume what is there, refuse another job, run the rest, leave the report."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.api.engines import Engine, Run, Session, engine_of
from headrace.api.rounds import Input, in_words, keep_files, keep_rows, open_rejects
from headrace.core.errors import BadOption, BadOutput, HeadraceError, JobChanged, TooManyRejects
from headrace.core.partition import Account, Commits, Round, Todo
from headrace.core.progress import OnProgress
from headrace.core.report import RunReport
from headrace.engine.flow.limits import RejectLimits
from headrace.engine.telling.clock import RunClock
from headrace.engine.telling.reporting import run_report
from headrace.job.fingerprint import changed, fingerprint, fingerprint_parts
from headrace.job.job import Job, Settings
from headrace.job.record import JobRecord
from headrace.plan.draft import unmeasured
from headrace.plan.plan import Choice, Plan, values_from_text
from headrace.plan.recipe import Recipe, make_recipe
from headrace.sinks.parquet import ParquetFolder

_SETTLED = ("precision", "partition_rows")


@dataclass(frozen=True)
class Outcome:
    """A finished run: its report, and whether there was nothing left to do."""

    report: RunReport
    was_finished: bool


@dataclass(frozen=True, kw_only=True)
class Into:
    """The output folder, and how it is gone on with.

    resume_new: files that the input has got since are run too. retry: rejects are run again, with accept_changes also
    by another model or other stages. command: the command line's options, to be recorded.
    """

    out: str | Path
    overwrite: bool = False
    resume_new: bool = False
    retry: bool = False
    accept_changes: bool = False
    keep_images: bool = False
    command: Mapping[str, Any] | None = None


def write_job(
    job: Job,
    settings: Settings,
    into: Into,
    *,
    saved: Mapping[str, Any],
    on_progress: OnProgress | None,
    clock: RunClock,
) -> Outcome:
    """Runs `job` into a folder, from where it stands. Raises HeadraceError."""
    if into.resume_new and job.limit is not None:
        raise BadOption("--resume-new", "used without --limit, which counts rows of the input as it was", job.limit)
    if into.retry and (into.overwrite or into.resume_new):
        raise BadOption("retry", "asked for by itself", "--overwrite" if into.overwrite else "--resume-new")
    recipe = make_recipe(job, elsewhere=settings.engine != "local")
    folder = ParquetFolder(into.out)
    if recipe.listing.inside(folder.root):
        raise BadOutput(folder.root, "holds the input", "name a folder that the input does not lie in")
    with folder.lock(), engine_of(settings) as engine:
        recorded = None if into.overwrite else folder.read_job()
        if recorded is None and into.retry:
            raise BadOutput(folder.root, "holds no job to retry", "name the folder that a run has written")
        session = _Session(job, settings, into, recipe, folder, saved, on_progress, clock, engine)
        outcome = session.begin() if recorded is None else session.go_on(recorded)
    _check_ratio(outcome.report, settings.max_rejected, folder)
    return outcome


@dataclass(frozen=True)
class _Session:
    """One session of a job in its folder, which is locked."""

    job: Job
    settings: Settings
    into: Into
    recipe: Recipe
    folder: ParquetFolder
    saved: Mapping[str, Any]
    on_progress: OnProgress | None
    clock: RunClock
    engine: Engine

    def begin(self) -> Outcome:
        """Runs the job from its first row."""
        listing = self.recipe.listing
        digest = listing.digest()
        drafted = self.engine.draft(self.recipe, saved=self.saved)
        size = listing.rows if drafted.partition_rows.open else int(drafted.value("partition_rows"))
        facts = self._facts(digest)
        with self._running(self.recipe, drafted, facts) as run:
            plan = run.settle(Todo.of(listing.rows, size).first)
            record = JobRecord(
                facts=facts,
                settled=_settled(plan),
                rounds=(Round("input", 0, listing.rows, 0, int(plan.value("partition_rows"))),),
                digests=(digest,),
                began_with=digest,
                row_a_file=listing.row_a_file,
                command=self.into.command,
            )
            self.folder.fingerprint = record.fingerprint
            if self.into.overwrite:
                self.folder.clear()  # only now: what was asked has been opened and has run over its first batch
            keep_files(self.folder, 0, listing)
            self.folder.write_state("plan.toml", plan.to_toml())
            self.folder.begin(record.to_dict())
            return Outcome(self._written(run, Todo(record.rounds, Commits.of({}))), was_finished=False)

    def go_on(self, recorded: Mapping[str, Any]) -> Outcome:
        """Runs what is left of the job that the folder holds, and what has come to it."""
        record = JobRecord.from_dict(recorded)
        plan = self.engine.draft(self.recipe, saved=self._settled_before())
        found = Input(self.recipe.listing, record, self.folder)
        plan = self._same_job(plan, record, found)
        self.folder.fingerprint = record.fingerprint
        committed = self.folder.committed()
        extended = self._extended(record, found, committed)
        recipe = replace(self.recipe, listing=found.listing(extended))
        todo = Todo(extended.rounds, committed)
        report = None if todo else self.folder.read_report()
        if report is not None and report.account == committed.total():
            return Outcome(report, was_finished=True)
        worked = self.into.retry or committed.total().rows_out > 0
        with self._running(recipe, plan if todo else unmeasured(plan, recipe), record.facts, worked=worked) as run:
            if todo:
                run.settle(todo.first)
            if extended != record:
                self.folder.replace_job(extended.to_dict())
            return Outcome(self._written(run, todo), was_finished=False)

    def _running(
        self, recipe: Recipe, plan: Plan, facts: Mapping[str, str], *, worked: bool = False
    ) -> contextlib.AbstractContextManager[Run]:
        """A session of the engine."""
        session = Session(
            out=self.folder.root,
            job=fingerprint(dict(facts)),
            keep_images=self.into.keep_images,
            stall_timeout_s=self.settings.stall_timeout,
            worked=worked,
            tolerant=self.into.retry or self.settings.max_rejected >= 1.0,
        )
        return self.engine.running(recipe, plan, self.clock, session)

    def _facts(self, digest: str) -> dict[str, str]:
        facts = self.recipe.static_facts(self.job.source.describe(), self.job.limit, digest)
        return fingerprint_parts(facts | {"keep_images": self.into.keep_images})

    def _settled_before(self) -> dict[str, Any]:
        """What was given, with what the run that is gone on with has settled and found out."""
        text = self.folder.read_state("plan.toml")
        recorded = {} if text is None else values_from_text(text, where="plan.toml")
        kept = ("batch_size", "precision", "agreement")
        known = {n: cap for n, cap in recorded.pop("row_caps", {}).items() if n in self.recipe.names}
        return {n: recorded[n] for n in kept if n in recorded} | {"row_caps": known} | dict(self.saved)

    def _same_job(self, plan: Plan, record: JobRecord, found: Input) -> Plan:
        """The plan with what the recorded job has settled. Raises JobChanged, naming what differs."""
        free = self.into.retry and self.into.accept_changes
        differing = () if free else changed(dict(record.facts), self._facts(record.began_with))
        settled: dict[str, Choice] = {}
        for name in _SETTLED:
            choice, value = getattr(plan, name), record.settled[name]
            if choice is None:
                continue
            if choice.given and choice.value != value:
                differing = (*differing, name)
            settled[name] = replace(choice, value=value, reason="as the run that is resumed settled it")
        allowed = {"added", "resized"} if self.into.retry else {"added"} if self.into.resume_new else set()
        changes = {kind: keys for kind, keys in found.changes.items() if kind not in allowed}
        detail = in_words(changes)
        if changes.keys() == {"added"}:
            detail += "; --resume-new runs them"
        if changes.keys() == {"resized"}:
            detail += "; headrace retry runs what was rejected again"
        if changes and "input" not in differing:
            differing = ("input", *differing)
        if differing:
            raise JobChanged(self.folder.root, tuple(sorted(differing)), detail)
        if found.rows != found.recorded_rows:  # as behind another limit, when changes are accepted
            detail = f"it has {found.rows} rows where the job has {found.recorded_rows}"
            raise JobChanged(self.folder.root, ("input",), detail)
        return plan.settled(**settled)

    def _extended(self, record: JobRecord, found: Input, committed: Commits) -> JobRecord:
        """The record with the round that this session adds, if there are rows for one."""
        number = len(record.rounds)
        if self.into.retry:
            if "resized" in found.changes:
                record = replace(record, digests=found.digests())
                found.keep_again()
            rows = open_rejects(record.rounds, committed, self.folder)
            if len(rows):
                keep_rows(self.folder, number, rows)
                record = record.extended("retried", len(rows), "")
        elif self.into.resume_new and "added" in found.changes:
            added = found.added()
            keep_files(self.folder, number, added)
            record = record.extended("added", added.rows, added.digest())
        return record

    def _written(self, run: Run, todo: Todo) -> RunReport:
        """Runs the partitions `todo`, and writes the report whatever comes of it."""
        limits = RejectLimits(self.settings.on_error, 1.0 if self.into.retry else self.settings.max_rejected)
        before = todo.done.total()
        try:
            if todo:
                run.write(todo, self.folder, limits, self.on_progress)
        except BaseException:
            with contextlib.suppress(HeadraceError):
                self._report(run, before)
            raise
        return self._report(run, before)

    def _report(self, run: Run, before: Account) -> RunReport:
        """Writes the session's report, with the sessions before it. Raises WriteFailed."""
        former = self.folder.read_report()
        earlier = () if former is None else former.sessions
        report = run_report(run, before + run.written, run.worked, out=self.folder.root, earlier=earlier)
        if run.plan.row_caps:  # what it ran out of memory with is known now
            self.folder.write_state("plan.toml", run.plan.to_toml())
        self.folder.write_state("report.json", report.to_json())
        return report


def _settled(plan: Plan) -> dict[str, Any]:
    precision = None if plan.precision is None else plan.precision.value
    return {"precision": precision, "partition_rows": plan.partition_rows.value}


def _check_ratio(report: RunReport, max_rejected: float, folder: ParquetFolder) -> None:
    """At the end: too many rejects make a finished run a failed one (exit 3). Raises TooManyRejects."""
    if report.rows_rejected > max_rejected * report.rows_in:
        first = f"see {folder.root}/_headrace/rejects"
        raise TooManyRejects(report.rows_rejected, report.rows_in, max_rejected, first, folder.root)
