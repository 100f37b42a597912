"""The Ray engine on a cluster that is struck: actors, tasks, nodes and drivers die, and what is left of their rows.

`python -m headrace.bench.ray.chaos --runs 40 --out bench/results`. A run is one job; where its driver was struck the
same command is run again. Then its output is held against that of the local engine, which nothing disturbed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pyarrow import fs

from headrace.api.verifying import verify
from headrace.bench.chaos import ChaosFailed
from headrace.bench.chaos_checks import Fault, by_kind, output_faults, session_faults
from headrace.bench.chaos_ground import Job, ground
from headrace.bench.chaos_kills import Command, Session
from headrace.bench.chaos_output import Folder, Output
from headrace.bench.ray import chaos_jobs
from headrace.bench.ray.chaos_cluster import StruckCluster, struck_cluster
from headrace.bench.ray.chaos_strikes import Driven, Hit, drawn, driven
from headrace.bench.results import write_results
from headrace.core.errors import HeadraceError

RUNS = 40
_MODULE = "headrace.bench.ray.chaos_jobs"
# What there is to be struck; the first strikes of a job's runs go round these.
VICTIMS: Mapping[str, Sequence[str]] = {
    "photos": ("actor", "raylet", "driver", "reader", "writer", "settler"),
    "items": ("raylet", "driver", "actor", "reader", "writer"),
    "tasks": ("reader", "driver", "raylet"),
}
_COUNTED = {"rows lost": "lost", "rows duplicated": "duplicated", "rows re-read": "re-read"}
_MORE = 3  # strikes beside the first


@dataclass(frozen=True)
class Place:
    """Where runs are made: a folder, the photos in it, and the cluster."""

    work: Path
    photos: str
    cluster: StruckCluster


@dataclass(frozen=True)
class Run:
    """A run that was struck; what is wrong with what it has left.

    rows_twice: rows that a leg took up more than once, by leg: what the strikes cost.
    """

    job: str
    seed: int
    sessions: tuple[Session, ...]
    hits: tuple[Hit, ...]
    rows_twice: Mapping[str, int]
    faults: tuple[Fault, ...]
    wall_s: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "job": self.job,
            "seed": self.seed,
            "wall_s": round(self.wall_s, 2),
            "sessions": len(self.sessions),
            "hits": [asdict(hit) for hit in self.hits],
            "rows_twice": dict(self.rows_twice),
            "faults": [asdict(fault) for fault in self.faults],
        }


@contextmanager
def place(work: Path) -> Iterator[Place]:
    """A cluster, and a folder below `work` that is gone afterwards. Raises MissingExtra."""
    with ground(work, s3=False) as made, struck_cluster() as cluster:
        yield Place(made.work, made.input(Job("photos", "photos", photos=chaos_jobs.ROWS)), cluster)


def undisturbed(where: Place, job: str) -> Output:
    """What the job leaves on the local engine. Raises HeadraceError."""
    out = where.work / f"{job}-undisturbed"
    chaos_jobs.run(job, where.photos, str(out), str(where.work / f"{job}-notes"))
    return Folder(fs.LocalFileSystem(), str(out)).look()


def struck_run(where: Place, job: str, asked: Output, *, seed: int, kinds: Sequence[str]) -> Run:
    """Runs a job whose cluster is struck once for each of `kinds`, until it is done, and looks at what is there.

    The instants are drawn from `seed`; what they hit depends on the machine.
    """
    began, rng, cluster = time.monotonic(), random.Random(f"{job} {seed}"), where.cluster
    cluster.complete()
    scratch = where.work / f"{job}-{uuid.uuid4().hex[:8]}"
    scratch.mkdir()
    notes, folder = scratch / "notes", Folder(fs.LocalFileSystem(), str(scratch / "out"))
    job_line = [job, where.photos, folder.root, str(notes)]
    line = [sys.executable, "-m", _MODULE, *job_line, cluster.address]
    command = Command(line, cluster.environment, folder, scratch, ("driver",))
    strikes, sessions = drawn(rng, kinds, len(asked.parts)), list[Driven]()
    try:
        while not sessions or sessions[-1].session.kill is not None:
            sessions.append(driven(command, cluster, strikes, len(sessions), rng))
        read = [_with_reads(s.session, cluster, notes) for s in sessions]
        faults = [*_faults(job_line, folder, read, asked), *(Fault("hung", str(s.hits)) for s in sessions if s.hung)]
        faults += [Fault("process alive", title) for title in cluster.still_working()]
        hits, twice = [hit for s in sessions for hit in s.hits], _twice(notes)
        return Run(job, seed, tuple(read), tuple(hits), twice, tuple(faults), time.monotonic() - began)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _with_reads(session: Session, cluster: StruckCluster, notes: Path) -> Session:
    number = cluster.job_of(session.process)
    return replace(session, reads=tuple(key for _, job, key in _noted(notes) if job == number))


def _noted(notes: Path) -> list[tuple[str, str, str]]:
    """Leg, Ray's number of the driver, and key."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [(leg, job, key) for leg, job, key in (line.split(" ", 2) for line in lines)]


def _twice(notes: Path) -> dict[str, int]:
    counted = Counter((leg, key) for leg, _, key in _noted(notes))
    twice = Counter[str]()
    for (leg, _), times in counted.items():
        twice[leg] += times - 1
    return dict(twice)


def _faults(job_line: list[str], folder: Folder, sessions: Sequence[Session], asked: Output) -> list[Fault]:
    """Held against the local engine's output, after one more session, which finds it finished and sweeps."""
    try:
        chaos_jobs.run(*job_line)
        found, verified = folder.look(), verify(folder.root)
    except (HeadraceError, OSError, ValueError, KeyError) as error:
        return [*_unexpected(sessions, asked), Fault("unreadable", repr(error))]
    problems = [Fault("verify", problem) for problem in verified.problems]
    return [*output_faults(found, asked), *_unexpected(sessions, asked), *problems]


def _unexpected(sessions: Sequence[Session], asked: Output) -> list[Fault]:
    """Rows that are rejected do not come to the legs that note them."""
    rejected = {row["key"] for part in asked.parts.values() for row in part.rejects}
    faults = session_faults(sessions, asked)
    return [f for f in faults if f.kind != "never read" or f.where not in rejected]


def totals(runs: Sequence[Run]) -> dict[str, Any]:
    """Hits by kind, and faults by kind."""
    kinds = by_kind(fault for run in runs for fault in run.faults)
    return {
        "runs": len(runs),
        "sessions": sum(len(run.sessions) for run in runs),
        "hits": sum(len(run.hits) for run in runs),
        "hits_by_kind": dict(Counter(hit.kind for run in runs for hit in run.hits)),
        "rows_twice": dict(sum((Counter(run.rows_twice) for run in runs), Counter())),
        **{name: kinds.pop(kind, 0) for name, kind in _COUNTED.items()},
        "other faults": dict(kinds),
        "wall_s": round(sum(run.wall_s for run in runs), 1),
    }


def run_ray_chaos(*, out: Path, work: Path, runs: int, only: str | None = None) -> None:
    """Runs the jobs in turn, `runs` runs in all, into `out`/ray-chaos.json. Raises ChaosFailed."""
    jobs = [job for job in VICTIMS if only is None or only in job]
    done: list[Run] = []
    with place(work) as where:
        asked = {job: undisturbed(where, job) for job in jobs}
        for seed in range(runs):
            job = jobs[seed % len(jobs)]
            done.append(struck_run(where, job, asked[job], seed=seed, kinds=_kinds(job, seed, len(jobs))))
            _write(out, done, runs)
            hits, faults = Counter(hit.kind for hit in done[-1].hits), [str(f) for f in done[-1].faults[:3]]
            print(f"{seed + 1}/{runs} {job}: {done[-1].wall_s:.0f} s, hit {dict(hits)}, faults {faults}", flush=True)
    faulty = [run for run in done if run.faults]
    if faulty:
        raise ChaosFailed(len(faulty), f"{faulty[0].job}, seed {faulty[0].seed}: {faulty[0].faults[0]}")


def _kinds(job: str, seed: int, jobs: int) -> list[str]:
    """The kinds take turns as the first; up to three more are drawn."""
    rng, victims = random.Random(f"kinds {seed}"), VICTIMS[job]
    first = victims[seed // jobs % len(victims)]
    return [first, *rng.choices([v for v in victims if v != "settler"], k=rng.randint(0, _MORE))]


def _write(out: Path, runs: Sequence[Run], asked: int) -> None:
    body = {
        "asked": {"runs": asked} | dict.fromkeys(_COUNTED, 0),
        "totals": totals(runs),
        "jobs": {job: totals([r for r in runs if r.job == job]) for job in dict.fromkeys(r.job for r in runs)},
        "runs": [run.to_dict() for run in runs],
    }
    write_results(out, "ray-chaos", body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    parser.add_argument("--only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run_ray_chaos(out=given.out, work=Path(folder), runs=given.runs, only=given.only)
