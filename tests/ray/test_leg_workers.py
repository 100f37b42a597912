"""What a leg's worker does, in this process: no Ray."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray")

import ray

import headrace as hr
from headrace.core.batch import Columns, Reject
from headrace.core.contracts import Published
from headrace.core.errors import RunError
from headrace.core.partition import Account, Partition, Round
from headrace.core.preprocess import Preprocess
from headrace.engine.flow.assembling import Written
from headrace.engine.ray_data import attempts, graph, workers
from headrace.engine.ray_data.attempts import Record
from headrace.engine.ray_data.payload import Parcel, parcels
from headrace.engine.ray_data.work import Told, Work, told_plainly
from headrace.engine.ray_data.workers import LegWorker
from headrace.job.job import Settings
from headrace.plan.draft import draft, unmeasured
from headrace.plan.legs import Leg, legs
from headrace.plan.machine import this_machine
from headrace.plan.plan import Choice
from headrace.plan.recipe import make_recipe

PARTITION_ROWS = 4


class InProcess:
    """A record in this process, as `Attempts`, of which those calls are lost that are named in `lost`."""

    def __init__(self) -> None:
        self.record, self.calls = Record(lambda: {"a"}), list[str]()
        self.lost: set[str] = set()

    def call(self, method: str, *arguments: Any) -> Any:
        self.calls.append(method)
        if method in self.lost:
            raise ray.exceptions.RayActorError()
        return getattr(self.record, method)(*arguments)

    def tell(self, method: str, *arguments: Any) -> None:
        with contextlib.suppress(ray.exceptions.RayActorError):
            self.call(method, *arguments)


class Here:
    """A job in this process, as `Carried`."""

    def __init__(self, work: Work) -> None:
        self._work, self._derived = work, dict[str, Any]()

    def open(self) -> Work:
        return self._work

    def derived(self, name: str, make: Callable[[Work], Any]) -> Any:
        if name not in self._derived:
            self._derived[name] = make(self._work)
        return self._derived[name]


class Nowhere:
    def publish(self, partition: Partition, columns: Columns, account: Account, rejects: Sequence[Reject]) -> Published:
        return Published(account)


class Brightness:
    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"mean": batch["image"].reshape(len(batch["image"]), -1).mean(axis=1)}


def odd_rows_fail(batch: dict[str, Any]) -> dict[str, Any]:
    if any(batch["item"] % 100 >= 50):
        raise ValueError("not this one")
    return batch


@pytest.fixture(autouse=True)
def on_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        def get_node_id(self) -> str:
            return "a"

    monkeypatch.setattr(ray, "get_runtime_context", Context)
    monkeypatch.setattr(attempts, "_PAUSE_S", 0.0)


def here(dataset: hr.Dataset, record: InProcess, partition_rows: int = PARTITION_ROWS) -> Here:
    recipe = make_recipe(dataset.job)
    work = Work(
        recipe=recipe,
        plan=unmeasured(draft(recipe, Settings(), this_machine(), saved={}), recipe).settled(
            batch_size=Choice(PARTITION_ROWS, "the test")
        ),
        legs=legs(recipe),
        rounds=(Round("input", 0, recipe.listing.rows, 0, partition_rows),),
        output=Written(recipe.listing.key_name, recipe.listing.image_name, keep_images=False),
        publisher=Nowhere(),
        first={},
        attempts=record,  # type: ignore[arg-type]
        stops_on_reject=False,
        stall_timeout_s=60.0,
        worked=False,
        tolerant=False,
    )
    return Here(work)


def worker(carried: Here, leg: Leg | None = None) -> LegWorker:
    return LegWorker(carried, leg or carried.open().legs[0])  # type: ignore[arg-type]


def reading_alone(carried: Here) -> Leg:
    """The first leg, without the write."""
    return replace(carried.open().legs[0], stages=carried.open().legs[0].stages[:-1])


@pytest.fixture
def photos(monkeypatch: pytest.MonkeyPatch) -> tuple[Here, InProcess]:
    """10 photos in partitions of 4, 4 and 2, of which only the last one may travel, before a class that is pooled."""
    size = (8, 8)
    monkeypatch.setattr(workers, "MOST_BYTES", 3 * size[0] * size[1] * 3)
    pixels = np.zeros((*size, 3), np.uint8)
    dataset = hr.from_items([{"image": pixels} for _ in range(10)])
    record = InProcess()
    return here(dataset.infer(Brightness, preprocess=Preprocess(crop=size)), record), record


def test_every_partition_is_asked_whether_it_is_too_large_to_travel(photos: tuple[Here, InProcess]) -> None:
    carried, _ = photos
    read = {parcel.number: parcel.batches for parcel in worker(carried).read([0, 1, 2])}
    assert (read[0], read[1]) == (None, None)
    assert [len(batch.keys) for batch in read[2] or ()] == [2]


def test_partition_that_the_models_worker_reads_is_ended_there_and_its_reading_is_told(
    photos: tuple[Here, InProcess],
) -> None:
    carried, record = photos
    pooled = worker(carried, carried.open().legs[1])
    told = pooled.through(Parcel(0, None, Told())).told
    assert told.error is None
    assert {s.stage: s.rows for s in told.spent} == {"read": 4, "prepare": 4, "Brightness": 4, "write": 4}
    assert record.record.begin("read", 0, "a").deaths == 0


@pytest.mark.parametrize("lost", [{"hold", "release"}, {"begin", "end", "hold", "release"}], ids=["in hand", "all"])
def test_worker_whose_record_is_lost_goes_on_and_rejects_no_rows(lost: set[str]) -> None:
    record = InProcess()
    carried = here(hr.from_items(list(range(8))).map_batches(lambda b: b), record)
    leg = reading_alone(carried)
    for number in (0, 1):  # workers have died over them: their rows are recorded from now on
        record.record.begin(leg.name, number, "a")
    record.lost = lost
    read = list(worker(carried, leg).read([0, 1]))
    assert lost <= {*record.calls, *({"hold", "release"} if "begin" in lost else ())}
    assert [parcel.told.error for parcel in read] == [None, None]
    assert [(len(batch.keys), batch.rejects) for parcel in read for batch in parcel.batches or ()] == [(4, []), (4, [])]


def test_step_that_has_worked_in_one_process_is_known_to_work_in_another() -> None:
    """There 17 bad rows are bad rows; where it has worked nowhere, the step is broken."""
    items = [*range(20), *range(150, 170)]
    record = InProcess()
    carried = here(hr.from_items(items).map_batches(odd_rows_fail), record, partition_rows=20)
    leg = reading_alone(carried)
    (broken,) = worker(carried, leg).read([1])
    assert broken.told.error is not None
    (good,) = worker(carried, leg).read([0])
    assert good.told.error is None
    (bad,) = worker(carried, leg).read([1])
    assert bad.told.error is None
    assert sum(len(b.rejects) for b in bad.batches or ()) == 20


def test_rows_are_on_record_while_they_are_read() -> None:
    """What is decoded meanwhile is not to blame when reading them crashes."""
    record = InProcess()
    carried = here(hr.from_items(list(range(4))), record)
    leg = reading_alone(carried)
    record.record.begin(leg.name, 0, "a")  # a worker has died over it
    record.lost = {"end", "release"}  # and this one does not come to the end
    list(worker(carried, leg).read([0]))
    assert record.record.begin(leg.name, 0, "a").suspects["read"] == {(0, 3): 1}


def test_partition_that_is_only_written_is_on_record() -> None:
    """What crashes while it is encoded would otherwise crash for ever."""
    record = InProcess()
    carried = here(hr.from_items(list(range(4))), record)
    (read,) = worker(carried, reading_alone(carried)).read([0])
    record.calls.clear()
    writing = worker(carried, Leg(("write",))).through(read)
    assert writing.told.error is None
    assert record.calls == ["begin", "end"]


class Broken(Here):
    """A job that cannot be opened on this node."""

    def derived(self, name: str, make: Callable[[Work], Any]) -> Any:
        raise ModuleNotFoundError("No module named 'onlythere'")


def test_worker_of_tasks_that_cannot_be_built_tells_it_with_every_partition() -> None:
    broken: Any = Broken(None)  # type: ignore[arg-type]
    leg = Leg(("read", "prepare"))
    tables = list(graph._Reading(broken, leg, np.array([3, 4]))())
    tables.append(graph._in_task(Parcel(5, None, Told()).row(), broken, leg))
    found = [parcel for table in tables for parcel in parcels(table)]
    assert [parcel.number for parcel in found] == [3, 4, 5]
    errors = [parcel.told.error for parcel in found]
    assert all("No module named 'onlythere'" in str(raised.error) for raised in errors if raised)
    assert None not in errors


ERRORS_OF_RAY = [
    ray.exceptions.OutOfDiskError("the local disk is full\nand more lines"),
    ray.exceptions.RayActorError(),
    ray.exceptions.RayTaskError("f", "Traceback\n  many\n  lines", ValueError("bad\nvalue")),
    ConnectionError("Ray Client is out of reach"),
]


@pytest.mark.parametrize("error", ERRORS_OF_RAY, ids=lambda e: type(e).__name__)
def test_error_of_ray_stops_the_run_as_one_of_ours_with_its_first_line(error: Exception) -> None:
    told = r"the cluster stopped the run: .*run the same command again"
    with pytest.raises(RunError, match=told) as raised, told_plainly():
        raise error
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is error
