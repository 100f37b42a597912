"""A leg's worker: what is done to partitions in one process of the cluster."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from headrace.core.batch import Batch, Columns, Rows
from headrace.core.contracts import Inference
from headrace.core.errors import RejectedRow
from headrace.core.faults import WrongAnswer
from headrace.core.partition import Partition, numbered
from headrace.engine.flow.assembling import whole, writing
from headrace.engine.flow.meters import StageMeter
from headrace.engine.flow.pipeline import Pipeline, reading_of
from headrace.engine.flow.preparing import Piece
from headrace.engine.flow.workshop import Care, Workshop
from headrace.engine.ray_data.attempts import PartitionRecorder
from headrace.engine.ray_data.carried import Carried
from headrace.engine.ray_data.line import Line, line_of_batches
from headrace.engine.ray_data.payload import MOST_BYTES, Parcel
from headrace.engine.ray_data.work import Raised, Told, Work
from headrace.engine.settling.model import opened_model
from headrace.engine.telling.clock import cpu_s, peak_rss_bytes
from headrace.engine.telling.spent import Telling
from headrace.plan import sizing
from headrace.plan.draft import streams
from headrace.plan.legs import Leg
from headrace.plan.machine import Machine, this_machine
from headrace.plan.plan import Choice, Plan
from headrace.plan.recipe import INFER, READ, WRITE


def use_all_cores() -> None:
    """Lets a model's runtime compute on all of the node's cores, which one worker has to itself. Before torch is
    imported: Ray says with OMP_NUM_THREADS that there are as many as the worker has taken, which is a part of them."""
    os.environ["OMP_NUM_THREADS"] = str(this_machine().cores)


def on_node(plan: Plan, inference: Inference, machine: Machine) -> Plan:
    """The plan as it is for a model's worker on this node: as many batches at once as this machine can work on. The
    runtime is this machine's, too."""
    model = inference.model
    runtime = Choice(f"{model.runtime} {model.runtime_version}", f"the fastest for {model.name} where it runs")
    return plan.settled(workers=streams(inference, machine), runtime=runtime)


def _share(plan: Plan, leg: Leg, machine: Machine) -> Plan:
    """The plan with this worker's share of the node's memory: there is a task a core, and a pool's worker beside."""
    memory = plan.memory_bytes
    node_bytes = int(memory.value) if memory.given else sizing.memory_bytes(machine.memory_bytes)
    workers = 2 if leg.pooled else max(2, machine.cores)
    return plan.settled(memory_bytes=replace(memory, value=node_bytes // workers))


class LegWorker:
    """The stages of one leg, open in this process; called by several threads at once."""

    def __init__(self, carried: Carried[Work], leg: Leg) -> None:
        if INFER in leg.stages:
            use_all_cores()
        work = carried.open()
        self._carried, self._work, self._leg = carried, work, leg
        machine, infers, recipe = this_machine(), INFER in leg.stages, work.recipe
        self._plan, model = _share(work.plan, leg, machine), None
        if infers:
            assert recipe.inference is not None
            self._plan = on_node(self._plan, recipe.inference, machine)
            model = opened_model(recipe, self._plan, machine, stall_timeout_s=work.stall_timeout_s)
        self._recorder = PartitionRecorder(work.attempts, leg.name)
        care = Care(recorder=self._recorder, worked=work.worked, tolerant=work.tolerant)
        alone = machine if leg.pooled else replace(machine, cores=1)  # a task has one
        self.shop = Workshop(recipe, self._plan, alone, work.output, model, care, only=leg.stages)
        self._writing = StageMeter(WRITE, 1)
        meters = self.shop.meters | ({WRITE: self._writing} if WRITE in leg.stages else {})
        self._telling = Telling(f"{os.uname().nodename}/{os.getpid()}", meters)
        self._cpu_before, self._infers, self._meters = cpu_s(), infers, meters
        self._line: Line[Iterable[Batch]] | None = None
        self._opening = threading.Lock()

    @property
    def _queue_bytes(self) -> int:
        return int(self._plan.value("queue_bytes"))

    def read(self, numbers: Iterable[int]) -> Iterator[Parcel]:
        """The partitions of those numbers, read and taken through this leg."""
        wanted = [numbered(self._work.rounds, number) for number in numbers]
        partitions = []
        for partition in wanted:
            if self._too_large(partition):
                yield Parcel(partition.number, None, Told())
            else:
                partitions.append(partition)
        batches, done = self.batches(partitions), 0
        collected: list[Batch] = []
        try:
            for batch in batches:
                collected.append(batch)
                if batch.last:
                    yield self._delivered(partitions[done], collected, Told())
                    collected, done = [], done + 1
        except Exception as error:  # noqa: BLE001 - a worker's boundary; the driver raises it
            yield from (Parcel(p.number, None, Told(error=Raised.of(error))) for p in partitions[done:])

    def batches(self, partitions: Iterable[Partition]) -> Iterator[Batch]:
        """The partitions' batches, read and taken through this leg's steps."""
        work = self._work
        reading = reading_of(work.recipe, self._plan, self.shop, map(self._begun, partitions))
        pipeline = Pipeline(
            replace(reading, source=map(self._recorded, reading.source)),
            self.shop,
            queue_bytes=self._queue_bytes,
            stall_timeout_s=work.stall_timeout_s,
        )
        try:
            yield from pipeline.batches()
        finally:
            pipeline.stop()
            pipeline.join(1.0)

    def _begun(self, partition: Partition) -> Partition:
        """The partition, on record as begun. Raises KeepsCrashing."""
        begun = self._recorder.begin(partition.number, partition.start, partition.stop)
        for step in begun.working & self.shop.salvages.keys():
            self.shop.salvages[step].known_to_work()
        return partition

    def _recorded(self, piece: Piece) -> Piece:
        """A piece whose rows are on record while they are read: what is decoded meanwhile is not to blame."""
        first = piece.pending.listing_row(piece.offset)

        def load() -> Rows:
            with self._recorder.in_hand(READ, first, first + piece.read.rows - 1):
                return piece.read.load()

        return replace(piece, read=replace(piece.read, load=load))

    def _too_large(self, partition: Partition) -> bool:
        """Whether a partition's photos are too many to travel; then the model's worker reads them."""
        slot = self._work.recipe.slot
        travels = WRITE not in self._leg.stages
        return slot is not None and travels and partition.rows * slot[0] * slot[1] * 3 > MOST_BYTES

    def through(self, parcel: Parcel) -> Parcel:
        """A partition that was read, taken through this leg."""
        told = parcel.told
        if told.error is not None:
            return parcel
        partition = numbered(self._work.rounds, parcel.number)
        try:
            reader = None if parcel.batches is not None else self._reader()
            batches: Iterable[Batch] = parcel.batches or ()
            if reader is not None:
                batches = reader.batches([partition])
            self._begun(partition)
            if self.shop.steps:
                batches = self.open_line().through(batches)
            batches = list(batches)
            if reader is not None:
                reader.end(partition)
            return self._delivered(partition, batches, told)
        except Exception as error:  # noqa: BLE001 - a worker's boundary; the driver raises it
            told.error = Raised.of(error)
            return Parcel(parcel.number, None, told)

    def _reader(self) -> LegWorker:
        """The first leg's worker in this process; what it spends is told with what this one does."""
        reader: LegWorker = self._carried.derived(READ, lambda work: LegWorker(self._carried, work.legs[0]))
        with self._opening:
            self._meters.update(reader.shop.meters)
        return reader

    def end(self, partition: Partition) -> None:
        """Puts on record that the partition is done, and which steps are known to work."""
        working = frozenset(name for name, salvage in self.shop.salvages.items() if salvage.works)
        self._recorder.end(partition.number, working)

    def open_line(self) -> Line[Iterable[Batch]]:
        """The leg's steps, opened at the first call."""
        with self._opening:
            if self._line is None:
                timeout_s = self._work.stall_timeout_s
                self._line = line_of_batches(self.shop, queue_bytes=self._queue_bytes, stall_timeout_s=timeout_s)
            return self._line

    def close(self) -> None:
        """Ends the threads of its line, if it has one."""
        with self._opening:
            if self._line is not None:
                self._line.close()

    def _delivered(self, partition: Partition, batches: list[Batch], told: Told) -> Parcel:
        """For the next leg; or published, when this is the last."""
        writes = WRITE in self._leg.stages
        if writes:
            self._publish(partition, batches, told)
        self._tell(told)
        self.end(partition)
        return Parcel(partition.number, None if writes else batches, told, sent=self.shop.recycle)

    def _publish(self, partition: Partition, batches: list[Batch], told: Told) -> None:
        part = whole(partition, batches, self._work.output)
        if part.rejects:
            first = part.rejects[0]
            if self._work.stops_on_reject:
                raise RejectedRow(first.stage, first.key, first.message)
            told.rejected = first.without_original()
        told.retried = partition.retried
        began = time.thread_time()
        with self._writing.working(part.account.rows_out), writing(part):
            columns = as_first(part.columns, self._work.first)
            told.published = self._work.publisher.publish(partition, columns, part.account, part.rejects)
        self._writing.used_cpu(time.thread_time() - began)

    def _tell(self, told: Told) -> None:
        """What was spent since it was last told. A runtime computes on threads of its own: the model's CPU is what no
        other thread has used."""
        with self._opening:
            others = sum(meter.cpu_s for name, meter in self._meters.items() if name != INFER)
            own = {INFER: cpu_s() - self._cpu_before - others} if self._infers else None
            told.spent += self._telling.since(own)
        told.row_caps.update(self.shop.row_caps())
        told.peak_rss_bytes = max(told.peak_rss_bytes, peak_rss_bytes())


def as_first(columns: Columns, first: Columns) -> Columns:
    """A part's columns in the order of the first batch's; without rows they are the first batch's, as not every worker
    has seen any. Raises WrongAnswer where the stages have made others of them."""
    if not first:
        return columns
    if not len(next(iter(columns.values()))):
        return first
    if sorted(columns) != sorted(first):
        (_, *found), (_, *before) = columns, first
        raise WrongAnswer(f"the stages returned the columns {found}, before {before}; return the same from every batch")
    return {name: columns[name] for name in first}
