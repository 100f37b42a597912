"""What the driver of a run on a cluster does with what it is told: no Ray."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("ray")

import ray

import headrace as hr
from headrace.core.errors import RunError
from headrace.core.partition import Partition, Todo
from headrace.core.progress import Progress
from headrace.engine.flow.limits import RejectLimits
from headrace.engine.ray_data import run as run_module
from headrace.engine.ray_data.counting import Counting
from headrace.engine.ray_data.run import RayRun
from headrace.engine.ray_data.settling import Settled
from headrace.engine.ray_data.work import Told
from headrace.engine.telling import watch
from headrace.engine.telling.clock import RunClock
from headrace.job.job import Settings
from headrace.plan.cluster import Cluster, Node
from headrace.plan.draft import draft, unmeasured
from headrace.plan.legs import legs
from headrace.plan.machine import this_machine
from headrace.plan.recipe import make_recipe

FIRST = Partition(0, 0, 4)


@pytest.fixture
def run() -> RayRun:
    recipe = make_recipe(hr.from_items([1, 2, 3, 4]).job)
    plan = unmeasured(draft(recipe, Settings(), this_machine(), saved={}), recipe)
    cluster = Cluster((Node("a", 4),))
    return RayRun(recipe, plan, cluster, legs(recipe), RunClock(), is_client=False, stall_timeout_s=60.0)


def settling(monkeypatch: pytest.MonkeyPatch, settled_on: Callable[..., Settled]) -> None:
    monkeypatch.setattr(run_module, "carry", lambda value, **_: value)
    monkeypatch.setattr(run_module, "settled_on", settled_on)


def test_time_that_probing_took_on_a_worker_is_in_the_report(run: RayRun, monkeypatch: pytest.MonkeyPatch) -> None:
    settling(monkeypatch, lambda *_: Settled(run.plan, {}, {}, 0.0, 2.5))
    run.settle(FIRST)
    assert run.clock.probe_s == 2.5


def test_cluster_that_fails_while_a_plan_is_settled_stops_the_run_as_an_error_of_ours(
    run: RayRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any) -> Settled:
        raise ray.exceptions.ObjectStoreFullError("no room\nmany lines")

    settling(monkeypatch, lost)
    with pytest.raises(RunError, match=r"^the cluster stopped the run: ObjectStoreFullError: "):
        run.settle(FIRST)


def test_on_progress_that_raises_stops_the_run_at_once(run: RayRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY_S", 0.001)
    called, closed = threading.Event(), threading.Event()

    class Endless:
        def told(self) -> Iterator[Told]:
            try:
                while True:
                    assert called.wait(60)
                    yield Told()
            finally:
                closed.set()

    def broken(_: Progress) -> None:
        called.set()
        raise ZeroDivisionError

    counting = Counting(("read", "write"), RejectLimits("reject", 1.0))
    with pytest.raises(ZeroDivisionError):
        run._stream(Endless(), counting, Todo.whole(4), None, broken)  # type: ignore[arg-type]
    assert closed.is_set()
