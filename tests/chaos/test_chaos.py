"""A run that is killed at any instant, and again, leaves what a run leaves that nothing disturbs."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.bench import chaos_kills
from headrace.bench.chaos import JOBS, Undisturbed, killed_run, undisturbed
from headrace.bench.chaos_ground import Ground, Job, ground
from headrace.bench.chaos_kills import survivors

JOB = {job.name: job for job in JOBS}
RUNS = {"fast": 4, "slow": 2, "mobilenet": 2, "processes": 3, "added": 3, "retried": 3, "s3-input": 2, "s3-output": 2}
KILLS = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("chaos"), s3=True) as made:
        yield made


@pytest.fixture(scope="module")
def known(place: Ground) -> Callable[[Job], Undisturbed]:
    """A job's undisturbed run, made when first asked for."""
    made: dict[str, Undisturbed] = {}

    def get(job: Job) -> Undisturbed:
        if job.name not in made:
            made[job.name] = undisturbed(place, job)
        return made[job.name]

    return get


def test_every_job_is_killed() -> None:
    assert RUNS.keys() == JOB.keys()
    assert sum(RUNS.values()) >= 20


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name, count in RUNS.items() for seed in range(count)])
def test_killed_run_leaves_what_an_undisturbed_one_leaves(
    place: Ground, known: Callable[[Job], Undisturbed], name: str, seed: int
) -> None:
    run = killed_run(place, JOB[name], known(JOB[name]), seed=seed, kills=KILLS)
    assert list(run.faults) == []
    assert len(run.kills) >= 1


def test_process_that_outlives_its_session_is_found_and_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chaos_kills, "_ORPHANS_END_S", 0)
    waiting = "import sys; sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", waiting], stdin=subprocess.PIPE, start_new_session=True, cwd=tmp_path
    ) as process:
        assert survivors([process.pid]) == [process.pid]
        assert process.wait() == -9
    assert survivors([process.pid]) == []
