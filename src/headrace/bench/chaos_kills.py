"""Sessions of a job, each a process that is killed at a chosen instant or left to end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from headrace.bench.chaos_jobs import READS
from headrace.bench.chaos_output import Folder

_EVENTS = ("commit", "start", "staged", "running")
_NEAR_COMMIT_S = 0.005
_NEAR_END_S = 0.03
_HANGS_S = 120.0
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)  # the second: a supervisor whose child was killed
_ORPHANS_END_S = 10.0  # workers look for their parent twice a second; a slow machine may take longer


@dataclass(frozen=True)
class Kill:
    """When to kill, `delay_s` after `event`, and what: a `target`.

    event: "start" of the process; "commit" and "running": it has published `commits` parts; "staged": then it is
    writing the next; "last commit": all parts are there. target: "all" processes, "main", the one that was started, or
    the "child" that works under it, as where memory runs out.
    """

    event: str
    commits: int
    delay_s: float
    target: str


@dataclass(frozen=True)
class Pace:
    """How an undisturbed run goes: seconds to its first part and in all; how many parts."""

    first_part_s: float
    wall_s: float
    parts: int


@dataclass(frozen=True)
class Command:
    """A job's command line, its environment, the folder it fills, where its logs go, and what of it can be killed."""

    line: Sequence[str]
    environment: Mapping[str, str]
    folder: Folder
    logs: Path
    targets: Sequence[str]


@dataclass(frozen=True)
class Session:
    """A process that ran the command. kill: how it was killed; None when it ended by itself.

    before, after: the parts that were there. reads: keys, as the job has noted them. errors: the end of what it said.
    """

    began: datetime
    ended: datetime
    exit_code: int
    kill: Kill | None
    before: frozenset[str]
    after: frozenset[str]
    reads: tuple[str, ...]
    errors: str
    process: int

    def phase(self, parts: int) -> str:
        """When it ended: "start-up" is before it has published any of the `parts` parts."""
        if len(self.after) >= parts:
            return "after last commit"
        return "running" if self.after - self.before else "start-up"


def draw_kill(rng: random.Random, targets: Sequence[str], *, number: int, count: int, left: int, pace: Pace) -> Kill:
    """The kill of session `number` of a run that is to have `count`, with `left` parts still to do.

    Half of them fall within milliseconds of a commit; of three and more the last but one falls after the last commit.
    Where no part is left, the session that finds only the report missing is killed.
    """
    event = "start" if left == 0 else "last commit" if number == count - 2 >= 1 else rng.choice(_EVENTS)
    commits = min(left, {"commit": rng.randint(1, 2), "staged": rng.randint(0, 2), "running": 1}.get(event, 0))
    within_s = {
        "start": pace.first_part_s,
        "running": 2 * (pace.wall_s - pace.first_part_s) / pace.parts,
        "last commit": _NEAR_END_S,
    }.get(event, _NEAR_COMMIT_S)
    return Kill(event, commits, rng.uniform(0, within_s), rng.choice(targets))


def run_session(command: Command, number: int, kill: Kill | None, parts: int) -> Session:
    """Runs the command, killed as `kill` says or until it ends; `parts`: how many there are when all is done."""
    before = command.folder.parts()
    reads, log = command.logs / f"reads-{number}", command.logs / f"log-{number}"
    began = datetime.now(UTC)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.line,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**command.environment, READS: str(reads)},
            cwd=command.logs,
            start_new_session=True,  # all that it starts stays in that session, whatever group it joins
        )
    killed = _killed(process, command.folder, kill, before, parts)
    return Session(
        began=began,
        ended=datetime.now(UTC),
        exit_code=process.returncode,
        kill=kill if killed else None,
        before=before,
        after=command.folder.parts(),
        reads=tuple(reads.read_text().splitlines()) if reads.exists() else (),
        errors=log.read_text(errors="replace")[-2000:],
        process=process.pid,
    )


def _killed(
    process: subprocess.Popen[bytes], folder: Folder, kill: Kill | None, before: frozenset[str], parts: int
) -> bool:
    """Waits for the moment, kills, and waits for the end; False when the process had ended, or hung."""
    hangs = time.monotonic() + _HANGS_S
    due: float | None = None
    while process.poll() is None:
        now = time.monotonic()
        if kill is not None and due is None and _happened(kill, folder, before, parts):
            due = now + kill.delay_s
        if kill is not None and due is not None and now >= due:
            _kill(process.pid, kill.target)
            return process.wait() in _KILLED
        if now > hangs:
            _kill(process.pid, "all")
            process.wait()
            return False
        time.sleep(folder.poll_s)
    return False


def _happened(kill: Kill, folder: Folder, before: frozenset[str], parts: int) -> bool:
    if kill.event == "start":
        return True
    there = folder.parts()
    if kill.event == "last commit":
        return len(there) >= parts
    new = len(there - before)
    if kill.event == "staged":
        return new > kill.commits or (new == kill.commits and any(n.startswith("part-") for n in folder.staged()))
    return new >= kill.commits


def _kill(process: int, target: str) -> None:
    """SIGKILL to a session's processes; nothing where they have ended."""
    if target in ("main", "all"):
        _send(process)
    if target == "child":
        children = [p.pid for p in psutil.Process(process).children()]
        _send(children[0] if children else process)  # it has not got so far yet
    if target == "all":
        for member in _members({process}):
            _send(member)


def _send(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def survivors(sessions: Sequence[int]) -> list[int]:
    """Processes of ended sessions, given by their first process, that do not end by themselves; they are killed now."""
    deadline = time.monotonic() + _ORPHANS_END_S
    while (left := _members(set(sessions))) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        _send(process)
    return left


def _members(sessions: set[int]) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found
