"""The Ray engine: settle what is open on a worker, then run the legs as operators of Ray Data."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Columns
from headrace.core.contracts import Publisher, SharedSink
from headrace.core.errors import HeadraceError
from headrace.core.partition import Account, Partition, Todo
from headrace.core.progress import OnProgress
from headrace.core.report import StageReport
from headrace.engine.flow.assembling import Written
from headrace.engine.flow.limits import RejectLimits
from headrace.engine.flow.places import located
from headrace.engine.ray_data.afar import OperatorsAfar
from headrace.engine.ray_data.attempts import Attempts
from headrace.engine.ray_data.carried import Carried, carry
from headrace.engine.ray_data.counting import Counting
from headrace.engine.ray_data.graph import Operators, operators, remote_args
from headrace.engine.ray_data.model_apart import model_apart, parts_of
from headrace.engine.ray_data.room import room_watched
from headrace.engine.ray_data.settling import Settled, ToSettle, settled_on
from headrace.engine.ray_data.work import Work, told_plainly
from headrace.engine.telling.clock import RunClock, cpu_s, peak_rss_bytes
from headrace.engine.telling.watch import watched
from headrace.plan.allotting import reader_slots
from headrace.plan.cluster import Cluster
from headrace.plan.legs import Leg
from headrace.plan.machine import Machine, cpu_name
from headrace.plan.plan import Choice, Plan
from headrace.plan.reading import ReadTasks, read_tasks
from headrace.plan.recipe import INFER, WRITE, Recipe
from headrace.plan.settling import cap_choices, shared_partition_choice

T = TypeVar("T")


class RayRun:
    """One session of a job on a cluster: `settle` once, then `write` once."""

    engine = "ray"

    def __init__(
        self,
        recipe: Recipe,
        plan: Plan,
        cluster: Cluster,
        legs: tuple[Leg, ...],
        clock: RunClock,
        *,
        is_client: bool,
        keep_images: bool = False,
        stall_timeout_s: float,
        worked: bool = False,
        tolerant: bool = False,
    ) -> None:
        self.recipe, self.plan, self.clock = recipe, plan, clock
        self._cluster, self._legs, self._is_client = cluster, legs, is_client
        self._stall_timeout_s, self._worked, self._tolerant = stall_timeout_s, worked, tolerant
        self.output = Written(recipe.listing.key_name, recipe.listing.image_name, keep_images)
        self._settled: Settled | None = None
        self._counting = Counting((*recipe.stage_names, WRITE), RejectLimits("reject", 1.0))
        self._summary: dict[str, Any] = {}
        self._id = uuid.uuid4().hex

    @property
    def written(self) -> Account:
        """What the sink has taken so far, as it adds to the account of the whole output."""
        return self._counting.account

    @property
    def worked(self) -> Account:
        """What became of the rows of this session so far."""
        return self._counting.worked

    @property
    def machine(self) -> Machine:
        """The cluster's nodes as one."""
        return Machine(
            _slots(self._cluster),
            self._cluster.memory_bytes,
            cpu_name(),
            math.floor(self._cluster.gpus),
        )

    def settle(self, first: Partition) -> Plan:
        """Precision, batch and partition size, from the first batch of `first`, run by a worker of the cluster.

        Raises HeadraceError.
        """
        job = ToSettle(self._carried_recipe, self.plan, self.output, self._stall_timeout_s, self._worked)
        with told_plainly():
            settled = self._settled = settled_on(self._carry(job), first, remote_args(self._model_leg))
        self.clock.probe_s += settled.probe_s
        self.plan = settled.plan
        if self.plan.partition_rows.open:
            self.plan = self.plan.settled(partition_rows=self._partition_choice(settled))
        self.clock.started_reading()
        return self.plan

    @cached_property
    def _carried_recipe(self) -> Recipe:
        """The recipe as workers get it. Raises BadOption."""
        return model_apart(self.recipe, run=self._id)

    def _carry(self, value: T) -> Carried[T]:
        return carry(value, run=self._id, named=parts_of(self._carried_recipe))

    @property
    def _model_leg(self) -> Leg:
        """Whose workers are asked to settle: the model's, those with the most GPUs before others; else the readers."""
        return max(self._legs, key=lambda leg: (INFER in leg.stages, leg.needs.num_gpus or 0.0, leg.pooled))

    def _partition_choice(self, settled: Settled) -> Choice:
        rows = max(1, len(next(iter(settled.first.values()), ())))
        return shared_partition_choice(
            self.recipe.listing.rows,
            self.plan,
            slots=_slots(self._cluster),
            seconds_per_row=sum(settled.seconds.values()),
            bytes_per_row=sum(array.nbytes for array in settled.first.values()) / rows,
            sent_bytes_per_row=settled.row_bytes,
        )

    def write(self, todo: Todo, sink: SharedSink, limits: RejectLimits, on_progress: OnProgress | None) -> None:
        """Runs `todo` into `sink`; `written` says what came of it. Raises RunError; KeyboardInterrupt leaves whole
        parts only."""
        with told_plainly(), Attempts.recording() as attempts:
            self._write(todo, sink, limits, on_progress, attempts)

    def _write(
        self,
        todo: Todo,
        sink: SharedSink,
        limits: RejectLimits,
        on_progress: OnProgress | None,
        attempts: Attempts,
    ) -> None:
        assert self._settled is not None, "settle comes first"
        counting = self._counting = Counting((*self.recipe.stage_names, WRITE), limits)
        first = self._settled.first
        came_through = any(len(array) for array in first.values())
        work = Work(
            recipe=self._carried_recipe,
            plan=self.plan,
            legs=self._legs,
            rounds=todo.rounds,
            output=self.output,
            publisher=_publisher(sink, todo.first, first),
            first={n: array[:0] for n, array in first.items()} if came_through else {},
            attempts=attempts,
            stops_on_reject=limits.on_error == "fail",
            stall_timeout_s=self._stall_timeout_s,
            worked=self._worked or came_through,
            tolerant=self._tolerant,
        )
        numbers = np.fromiter((partition.number for partition in todo), np.int64)
        drive = OperatorsAfar if self._is_client else operators
        running = drive(self._carry(work), self._legs, self._read_tasks(numbers, self._settled))
        try:
            self._stream(running, counting, todo, sink, on_progress)
        finally:
            self.clock.finished()
            self._summary = running.summary()
            self.plan = replace(self.plan, row_caps=cap_choices(counting.row_caps))

    def _read_tasks(self, numbers: NDArray[np.int64], settled: Settled) -> ReadTasks:
        rows = int(self.plan.value("partition_rows"))
        seconds = sum(settled.seconds.get(stage, 0.0) for stage in self._legs[0].stages)
        slots = reader_slots(self._legs, self._cluster)
        return read_tasks(numbers, slots=slots, seconds=rows * seconds, nbytes=rows * settled.row_bytes)

    def _stream(
        self,
        running: Operators | OperatorsAfar,
        counting: Counting,
        todo: Todo,
        sink: SharedSink,
        on_progress: OnProgress | None,
    ) -> None:
        """Takes what is told of every partition. Raises HeadraceError."""
        with (
            watched(counting, todo.rows, counting.ledger.busy, on_progress) as check_progress,
            room_watched(self._legs, lambda: counting.rows),
            closing(running.told()) as stream,
        ):
            for told in stream:
                check_progress()
                if told.error is not None:
                    raise told.error.again()
                if told.published is not None:
                    sink.noted(told.published)
                counting.add(told)

    def stages(self) -> list[StageReport]:
        """Each stage's part."""
        return self._counting.ledger.reports()

    def cpu_s(self) -> float:
        """CPU seconds of the driver and of all stages."""
        return cpu_s() + self._counting.ledger.cpu_s()

    def peak_rss_bytes(self) -> int:
        """The most memory that one of its processes held."""
        return max(peak_rss_bytes(), self._counting.peak_rss_bytes)

    def gpu(self) -> tuple[float | None, int | None]:
        """Not sampled on a cluster."""
        return None, None

    def cluster(self) -> Mapping[str, Any]:
        """Its nodes, its object store, and what Ray Data says of the run."""
        nodes = [asdict(node) for node in self._cluster.nodes]
        return {"nodes": nodes} | self._summary

    def close(self) -> None:
        """Nothing is left running when `write` has ended."""


def _publisher(sink: SharedSink, partition: Partition, first: Columns) -> Publisher:
    """What makes the parts, in the types of the first batch. Raises StageFailed when it cannot be written."""
    try:
        return sink.publisher(first)
    except HeadraceError:
        raise
    except Exception as error:
        keys = list(next(iter(first.values())))
        raise located(WRITE, partition.number, 0, len(keys), keys, error) from error


def _slots(cluster: Cluster) -> int:
    """Readers that the cluster has room for."""
    return max(1, math.floor(cluster.cpus))
