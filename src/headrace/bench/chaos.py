"""`headrace bench chaos`: runs that are killed again and again, and what is left of their rows.

Every run is a process that SIGKILL ends at a random instant; the very same command is run again until it is done. Then
its output is held against that of a run which nothing disturbed.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headrace.bench.chaos_checks import Fault, by_kind, output_faults, session_faults, told_faults
from headrace.bench.chaos_ground import Ground, Job, ground
from headrace.bench.chaos_kills import Command, Pace, Session, draw_kill, run_session, survivors
from headrace.bench.chaos_output import Output
from headrace.core.errors import BadOption, RunError
from headrace.plan.machine import this_machine

JOBS = (
    Job("fast", "fast", photos=320),
    Job("slow", "slow", photos=320),
    Job("mobilenet", "command", photos=160, supervised=True),
    Job("processes", "processes"),
    Job("added", "added", photos=320, first="some"),
    Job("retried", "mended", first="broken"),
    Job("s3-input", "slow", photos=160, s3_input=True),
    Job("s3-output", "slow", photos=160, s3_output=True),
)
KILLS_A_RUN = 10
KILLS_A_REPETITION = 60
_PHASES = ("start-up", "running", "after last commit")
_COUNTED = {
    "rows lost": "lost",
    "rows duplicated": "duplicated",
    "rows re-read": "re-read",
    "rejects lost": "reject lost",
    "rejects too many": "reject too many",
    "files left over": "left over",
}


class ChaosFailed(RunError):
    """Runs that were killed have not left what an undisturbed run leaves."""

    def __init__(self, runs: int, first: str) -> None:
        super().__init__(runs, first)
        self.runs, self.first = runs, first

    def __str__(self) -> str:
        return f"{self.runs} runs that were killed left another output than undisturbed ones (first: {self.first})"


@dataclass(frozen=True)
class Undisturbed:
    """What a run of a job leaves that nobody kills, and how long it takes."""

    output: Output
    pace: Pace


@dataclass(frozen=True)
class Run:
    """A run of a job that was killed until it was done; what is wrong with what it has left."""

    job: str
    seed: int
    parts: int
    sessions: tuple[Session, ...]
    faults: tuple[Fault, ...]
    wall_s: float

    @property
    def kills(self) -> list[Session]:
        """The sessions that were killed."""
        return [s for s in self.sessions if s.kill is not None]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "job": self.job,
            "seed": self.seed,
            "wall_s": round(self.wall_s, 2),
            "sessions": [
                {
                    "killed": None if s.kill is None else asdict(s.kill) | {"phase": s.phase(self.parts)},
                    "exit_code": s.exit_code,
                    "parts_before": len(s.before),
                    "parts_after": len(s.after),
                    "rows_read": len(s.reads),
                }
                for s in self.sessions
            ],
            "faults": [asdict(f) for f in self.faults],
        }


def run_chaos(*, out: Path, work: Path, repetitions: int, only: str | None) -> None:
    """Runs the jobs in turn, each run with up to 10 kills, until there were 60 * `repetitions`, into `out`/chaos.json.

    Raises BadOption when no job is called so, ChaosFailed when anything is lost, doubled, read again or otherwise not
    as it should be.
    """
    jobs = [job for job in JOBS if only is None or only in job.name]
    if not jobs:
        raise BadOption("--only", "part of one of " + ", ".join(job.name for job in JOBS), only)
    runs: list[Run] = []
    asked = KILLS_A_REPETITION * repetitions
    with ground(work, s3=any(job.s3_input or job.s3_output for job in jobs)) as place:
        known = {job.name: undisturbed(place, job) for job in jobs}
        for seed in itertools.count():
            runs += [killed_run(place, job, known[job.name], seed=seed, kills=KILLS_A_RUN) for job in jobs]
            _write(out, runs, asked)
            done = sum(len(run.kills) for run in runs)
            print(f"{done} of {asked} kills, {sum(len(run.faults) for run in runs)} faults", flush=True)
            if done >= asked:
                break
    _print_table(runs)
    faulty = [run for run in runs if run.faults]
    if faulty:
        raise ChaosFailed(len(faulty), f"{faulty[0].job}, seed {faulty[0].seed}: {faulty[0].faults[0]}")


def undisturbed(place: Ground, job: Job) -> Undisturbed:
    """Runs a job in peace. Raises ChaosFailed when that fails."""
    with place.commands(job) as commands:
        for number, command in enumerate(commands):
            session = run_session(command, number, None, 0)
            if session.exit_code != 0:
                raise ChaosFailed(1, f"{job.name}, undisturbed: {session.errors}")
        output = command.folder.look()
    wall_s = (session.ended - session.began).total_seconds()
    first_part_s = wall_s - output.report["wall_s"] + output.report["startup_s"]
    return Undisturbed(output, Pace(first_part_s, wall_s, len(output.parts)))


def killed_run(place: Ground, job: Job, known: Undisturbed, *, seed: int, kills: int) -> Run:
    """Runs a job, kills it at most `kills` times, lets it end, runs it once more, and looks at what is there.

    The instants are drawn from `seed`; what they hit depends on the machine.
    """
    began = time.monotonic()
    rng, parts = random.Random(f"{job.name} {seed}"), known.pace.parts
    with place.commands(job) as (*first, command):
        sessions = [run_session(before, 0, None, parts) for before in first]
        for number in range(kills):
            left = parts - len(command.folder.parts())
            if left == 0 and sum(len(s.before) == parts for s in sessions) == 2:
                break
            kill = draw_kill(rng, command.targets, number=number, count=kills, left=left, pace=known.pace)
            sessions.append(run_session(command, len(sessions), kill, parts))
            if sessions[-1].kill is None:
                break
        sessions += [run_session(command, len(sessions) + i, None, parts) for i in range(2)]
        alive = survivors([s.process for s in sessions])
        faults = [Fault("process alive", str(process)) for process in alive] + _faults(command, sessions, known.output)
    return Run(job.name, seed, parts, tuple(sessions), tuple(faults), time.monotonic() - began)


def _faults(command: Command, sessions: Sequence[Session], asked: Output) -> list[Fault]:
    try:
        found = command.folder.look()
    except (OSError, ValueError, KeyError) as error:
        return [Fault("unreadable", repr(error))]
    return [*output_faults(found, asked), *session_faults(sessions, asked), *told_faults(found, sessions)]


def totals(runs: Sequence[Run]) -> dict[str, Any]:
    """Kills by phase, event and kind, and the faults by kind."""
    killed = [(run, session) for run in runs for session in run.kills]
    kinds = by_kind(fault for run in runs for fault in run.faults)
    return {
        "runs": len(runs),
        "sessions": sum(len(run.sessions) for run in runs),
        "kills": len(killed),
        "kills_by_phase": _counts(_PHASES, (s.phase(run.parts) for run, s in killed)),
        "kills_by_event": dict(Counter(s.kill.event for _, s in killed if s.kill is not None)),
        "kills_by_target": dict(Counter(s.kill.target for _, s in killed if s.kill is not None)),
        **{name: kinds.pop(kind, 0) for name, kind in _COUNTED.items()},
        "other faults": dict(kinds),
    }


def _counts(names: Sequence[str], found: Iterable[str]) -> dict[str, int]:
    counted = Counter(found)
    return {name: counted[name] for name in names}


def _write(out: Path, runs: Sequence[Run], asked: int) -> None:
    body = {
        "benchmark": "chaos",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": this_machine().to_dict(),
        "asked": {"kills": asked} | dict.fromkeys(_COUNTED, 0),
        "totals": totals(runs),
        "jobs": _by_job(runs, totals),
        "runs": [run.to_dict() for run in runs],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "chaos.json").write_text(json.dumps(body, indent=1) + "\n")


def _by_job(runs: Sequence[Run], of: Callable[[Sequence[Run]], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: of([r for r in runs if r.job == name]) for name in dict.fromkeys(run.job for run in runs)}


def _print_table(runs: Sequence[Run]) -> None:
    print(f"{'':10} {'runs':>5} {'kills':>6}  {' / '.join(_PHASES):40} {'  '.join(_COUNTED)}  others")
    for name, found in (_by_job(runs, totals) | {"all": totals(runs)}).items():
        phases = " / ".join(str(found["kills_by_phase"][p]) for p in _PHASES)
        counts = "  ".join(f"{found[n]:>{len(n)}}" for n in _COUNTED)
        others = sum(found["other faults"].values())
        print(f"{name:10} {found['runs']:>5} {found['kills']:>6}  {phases:40} {counts}  {others:>6}")
