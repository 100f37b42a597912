"""A run on a cluster whose actors, tasks, nodes and drivers die leaves what a run leaves that nothing disturbs."""

from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("ray")

from headrace.bench.chaos_output import Output
from headrace.bench.ray.chaos import VICTIMS, Place, place, struck_run, undisturbed
from headrace.bench.ray.chaos_strikes import KINDS

RUNS = [
    ("photos", ["actor", "writer"]),
    ("items", ["reader", "actor"]),
    ("tasks", ["reader"]),
    ("photos", ["raylet"]),
    ("items", ["driver"]),
    ("photos", ["driver", "raylet"]),
]


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("chaos")) as made:
        yield made


@pytest.fixture(scope="module")
def known(where: Place) -> Callable[[str], Output]:
    """What a job leaves on the local engine, made when first asked for."""
    made: dict[str, Output] = {}

    def get(job: str) -> Output:
        if job not in made:
            made[job] = undisturbed(where, job)
        return made[job]

    return get


def test_every_kind_of_victim_is_struck() -> None:
    assert {kind for _, kinds in RUNS for kind in kinds} == set(KINDS) - {"settler"}
    assert all(kind in VICTIMS[job] for job, kinds in RUNS for kind in kinds)


@pytest.mark.parametrize(("seed", "job", "kinds"), [(seed, *run) for seed, run in enumerate(RUNS)])
def test_struck_run_leaves_what_an_undisturbed_one_leaves(
    where: Place, known: Callable[[str], Output], seed: int, job: str, kinds: list[str]
) -> None:
    run = struck_run(where, job, known(job), seed=seed, kinds=kinds)
    assert list(run.faults) == []
    assert len(run.hits) >= 1
