"""A job's legs as operators of Ray Data. All that Ray calls a developer's interface is used here, for Ray 2.60."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
from numpy.typing import NDArray
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from headrace.engine.ray_data.carried import Carried
from headrace.engine.ray_data.payload import Parcel, parcels
from headrace.engine.ray_data.prompt import Prompt
from headrace.engine.ray_data.store import StoreWatch
from headrace.engine.ray_data.work import Raised, Told, Work
from headrace.engine.ray_data.workers import LegWorker
from headrace.plan.legs import Leg
from headrace.plan.reading import ReadTasks
from headrace.plan.recipe import WRITE


class Operators:
    """The operators of a job; `told` runs them."""

    def __init__(self, dataset: Any) -> None:
        self._dataset, self._store = dataset, StoreWatch()

    def told(self) -> Generator[Told]:
        """What is told of each partition as it is done, in no order; closing the iterator stops the run."""
        self._store.start()
        try:
            for block in self._dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for parcel in parcels(block):
                    yield parcel.told
        finally:
            self._store.stop()

    def summary(self) -> dict[str, Any]:
        """How the object store fared, and what Ray Data says of the run."""
        return {"object_store": self._store.to_dict(), "ray_data": str(self._dataset.stats())}


def operators(carried: Carried[Work], legs: Sequence[Leg], tasks: ReadTasks) -> Operators:
    """Builds them; nothing runs before `told` is asked."""
    first, *behind = legs
    source = _Partitions(carried, first, tasks.groups)
    dataset = ray.data.read_datasource(
        source, override_num_blocks=len(tasks.groups), concurrency=_most(first, len(tasks.groups)), **remote_args(first)
    )
    context = dataset.context  # this dataset's own
    context.target_max_block_size = 1  # every row a block of its own
    context._max_num_blocks_in_streaming_gen_buffer = tasks.ahead
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.custom_execution_callback_classes = [*context.custom_execution_callback_classes, Prompt]
    context.issue_detectors_config = replace(context.issue_detectors_config, detectors=[])  # they advise on `memory`
    partitions = sum(map(len, tasks.groups))
    for leg in behind:
        dataset = _with_leg(dataset, carried, leg, partitions)
    return Operators(dataset)


def _with_leg(dataset: Any, carried: Carried[Work], leg: Leg, partitions: int) -> Any:
    # A block is a row; where there are GPUs Ray takes no batch size but a number.
    batch_size = 1 if leg.needs.num_gpus else None
    options: dict[str, Any] = {"batch_size": batch_size, "batch_format": "pyarrow", "zero_copy_batch": True}
    options |= {"fn_constructor_args": (carried, leg)} if leg.pooled else {"fn_args": (carried, leg)}
    return dataset.map_batches(
        _Pooled if leg.pooled else _in_task, compute=_compute(leg, partitions), **options, **remote_args(leg)
    )


def _compute(leg: Leg, partitions: int) -> Any:
    if not leg.pooled:
        return ray.data.TaskPoolStrategy(size=_most(leg, partitions))
    least, most = (min(workers, partitions) for workers in leg.needs.workers or (1, 1))
    # Two calls at once: the next partition is in the pipeline before the last one has left it. A third writes.
    calls = 3 if WRITE in leg.stages else 2
    return ray.data.ActorPoolStrategy(
        min_size=least, max_size=most, max_concurrent_calls_per_actor=calls, enable_true_multi_threading=True
    )


def _most(leg: Leg, inputs: int) -> int | None:
    """Tasks of a leg at once, at most; Ray warns where it has fewer inputs, of actors too."""
    return min(leg.needs.workers[1], inputs) if leg.needs.workers is not None else None


def remote_args(leg: Leg) -> dict[str, Any]:
    """What each of a leg's workers asks of the cluster."""
    needs = leg.needs
    chosen: dict[str, Any] = {"num_cpus": 1 if needs.num_cpus is None else needs.num_cpus}
    if needs.num_gpus:
        chosen["num_gpus"] = needs.num_gpus
    if needs.resources:
        chosen["resources"] = dict(needs.resources)
    if needs.labels:
        chosen["label_selector"] = dict(needs.labels)
    if leg.pooled:
        chosen["memory"] = 1  # byte: Ray fuses readers into a pool whose workers ask for the same
    return chosen


class _Partitions(Datasource):  # type: ignore[misc]  # Ray has no types
    """Read tasks, each of which reads a group of partitions and takes it through the first leg."""

    def __init__(self, carried: Carried[Work], leg: Leg, groups: Sequence[NDArray[np.int64]]) -> None:
        super().__init__()
        self._carried, self._leg, self._groups = carried, leg, groups

    def get_name(self) -> str:
        """As Ray's dashboard and stats show it, behind "Read"."""
        return self._leg.name.removeprefix("read")

    def estimate_inmemory_data_size(self) -> int | None:
        """Not known before it is read."""
        return None

    def get_read_tasks(
        self, _parallelism: int, _per_task_row_limit: int | None = None, _data_context: Any = None, **_: Any
    ) -> list[ReadTask]:
        """One for each group."""
        return [ReadTask(_Reading(self._carried, self._leg, group), _metadata(len(group))) for group in self._groups]


def _metadata(rows: int) -> BlockMetadata:
    return BlockMetadata(num_rows=rows, size_bytes=None, input_files=None, exec_stats=None)


@dataclass(frozen=True)
class _Reading:
    carried: Carried[Work]
    leg: Leg
    numbers: NDArray[np.int64]

    def __call__(self) -> Iterator[pa.Table]:
        numbers: list[int] = self.numbers.tolist()
        try:
            worker = _worker(self.carried, self.leg)
        except Exception as error:  # noqa: BLE001 - a worker's boundary; the driver raises it
            yield from (Parcel(number, None, Told(error=Raised.of(error))).row() for number in numbers)
            return
        for parcel in worker.read(numbers):
            yield parcel.row()


def _worker(carried: Carried[Work], leg: Leg) -> LegWorker:
    """A leg's worker in this process, which goes on from task to task."""
    worker: LegWorker = carried.derived(leg.name, lambda _: LegWorker(carried, leg))
    return worker


def _in_task(block: pa.Table, carried: Carried[Work], leg: Leg) -> pa.Table:
    try:
        worker = _worker(carried, leg)
    except Exception as error:  # noqa: BLE001 - a worker's boundary; the driver raises it
        return _refused(block, Raised.of(error))
    return pa.concat_tables([worker.through(parcel).row() for parcel in parcels(block)])


def _refused(block: pa.Table, error: Raised) -> pa.Table:
    """What a worker that could not be built makes of partitions: the error is told with each."""
    refused = []
    for parcel in parcels(block):
        parcel.told.error = parcel.told.error or error
        refused.append(parcel.without_batches().row())
    return pa.concat_tables(refused)


class _Pooled:
    """A leg's worker as an actor; what building it raises is told with the first partition."""

    def __init__(self, carried: Carried[Work], leg: Leg) -> None:
        self._worker: LegWorker | None = None
        try:
            self._worker = LegWorker(carried, leg)
            self._worker.open_line()
        except Exception as error:  # noqa: BLE001 - a worker's boundary; the driver raises it
            self._error = Raised.of(error)

    def __call__(self, block: pa.Table) -> pa.Table:
        if self._worker is None:
            return _refused(block, self._error)
        worker = self._worker
        return pa.concat_tables([worker.through(parcel).row() for parcel in parcels(block)])
