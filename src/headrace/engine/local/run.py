"""The local engine: one process, no cluster. Settle what is open, then run the pipeline into a sink or an iterator."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

from headrace.core.batch import Batch
from headrace.core.contracts import Sink
from headrace.core.partition import Account, Partition, Todo
from headrace.core.progress import OnProgress
from headrace.core.report import StageReport
from headrace.engine.flow.assembling import Written, assemble, writing
from headrace.engine.flow.limits import Counted, RejectLimits
from headrace.engine.flow.pipeline import Pipeline, reading_of
from headrace.engine.flow.places import not_built
from headrace.engine.flow.recorder import Unrecorded
from headrace.engine.flow.steps import MapStep
from headrace.engine.flow.workshop import Care, Workshop
from headrace.engine.local.processes import ProcessWorker, end_workers
from headrace.engine.settling.model import settled_model
from headrace.engine.settling.probe import Probed, first_batch
from headrace.engine.telling.clock import RunClock, cpu_s, peak_rss_bytes
from headrace.engine.telling.gpu import GpuSampler
from headrace.engine.telling.watch import watch
from headrace.plan.machine import Machine
from headrace.plan.plan import Choice, Plan
from headrace.plan.recipe import Recipe
from headrace.plan.settling import cap_choices, partition_choice, queue_choice, stage_choice

_STOP_S = 1.2  # how long a stop waits for threads; they are daemons, and what they hold is not committed


class LocalRun:
    """One session of a job on this machine: `settle` once, then `write` or `batches` once."""

    engine = "local"

    def __init__(
        self,
        recipe: Recipe,
        plan: Plan,
        machine: Machine,
        clock: RunClock,
        *,
        keep_images: bool = False,
        stall_timeout_s: float,
        recorder: Unrecorded | None = None,
        worked: bool = False,
        tolerant: bool = False,
    ) -> None:
        self.recipe, self.plan, self.machine, self.clock = recipe, plan, machine, clock
        self._care = Care(recorder=recorder or Unrecorded(), worked=worked, tolerant=tolerant)
        self._stall_timeout_s = stall_timeout_s
        self.output = Written(recipe.listing.key_name, recipe.listing.image_name, keep_images)
        self._shop: Workshop | None = None
        self._probed: Probed | None = None
        self._workers: dict[str, list[ProcessWorker]] = {}
        self._counted = Counted(RejectLimits("reject", 1.0))
        self._gpu = GpuSampler()

    @property
    def written(self) -> Account:
        """What the sink has taken so far, as it adds to the account of the whole output."""
        return self._counted.account

    @property
    def worked(self) -> Account:
        """What became of the rows of this session so far."""
        return self._counted.worked

    def _workers_cpu_s(self, step: str) -> float:
        """CPU seconds of a step's worker processes so far."""
        return sum(w.cpu_s for w in self._workers.get(step, ()))

    def stages(self) -> list[StageReport]:
        """Each stage's part. A runtime computes on threads of its own: the model's CPU is what no other thread has
        used."""
        clock, meters = self.clock, self._shop.meters if self._shop is not None else {}
        counted = sum(m.cpu_s for n, m in meters.items() if n != "infer") + clock.meter.cpu_s
        model = max(0.0, clock.running_cpu_s - counted)
        reports = [
            m.report(cpu_s=model if n == "infer" else m.cpu_s + self._workers_cpu_s(n)) for n, m in meters.items()
        ]
        return [*reports, clock.meter.report()]

    def cpu_s(self) -> float:
        """CPU seconds of this process and its workers."""
        return cpu_s() + sum(map(self._workers_cpu_s, self._workers))

    def peak_rss_bytes(self) -> int:
        """The most memory that this process, or a worker that has ended, held."""
        return peak_rss_bytes()

    def gpu(self) -> tuple[float | None, int | None]:
        """Busy share (0..1) and peak bytes of the GPU."""
        return self._gpu.busy, self._gpu.mem_peak_bytes

    def cluster(self) -> None:
        """There is none."""

    @property
    def _open_shop(self) -> Workshop:
        assert self._shop is not None, "settle comes first"
        return self._shop

    def settle(self, first: Partition) -> Plan:
        """Loads the model, compares precisions, runs the first batch of `first`; the plan with nothing left open.

        Raises HeadraceError; then nothing is left running.
        """
        recipe, timeout_s = self.recipe, self._stall_timeout_s
        try:
            model = None
            if recipe.inference is not None:
                self.plan, model = settled_model(recipe, self.plan, self.machine, self.clock, stall_timeout_s=timeout_s)
            shop = self._shop = Workshop(recipe, self.plan, self.machine, self.output, model, self._care)
            for step in shop.map_steps:
                if not self.plan.stages[step.name].open:
                    self._give_workers(step)
            self.clock.started_reading()
            rows = int(self.plan.value("batch_size"))
            probed = self._probed = first_batch(recipe.listing, first, rows, shop, stall_timeout_s=timeout_s)
            for step in shop.map_steps:
                if self.plan.stages[step.name].open:
                    choice = self._stage_choice(step, probed)
                    self.plan = replace(self.plan, stages={**self.plan.stages, step.name: choice})
                    self._give_workers(step)
        except BaseException:
            self.close()
            raise
        if self.plan.partition_rows.open:
            choice = self._partition_choice(probed)
            self.plan = self.plan.settled(partition_rows=choice)
        self.plan = self.plan.settled(queue_bytes=queue_choice(self.plan, probed.nbytes, len(shop.steps)))
        return self.plan

    def _stage_choice(self, step: MapStep, probed: Probed) -> Choice:
        return stage_choice(
            step.stage,
            self.machine,
            gil_held_ratio=probed.gil_held[step.name],
            seconds_per_row=probed.seconds[step.name] / max(1, len(probed.batch.keys)),
            rows_left=self.recipe.listing.rows,
        )

    def _partition_choice(self, probed: Probed) -> Choice:
        written = self.output.columns(probed.batch)
        return partition_choice(
            self.recipe.listing.rows,
            self.plan,
            self.machine,
            seconds_per_row=sum(probed.seconds.values()) / probed.batch.rows_in,
            bytes_per_row=sum(a.nbytes for a in written.values()) / max(1, len(probed.batch.keys)),
        )

    def _give_workers(self, step: MapStep) -> None:
        """Threads or processes, as the plan says. Raises StageNotBuilt."""
        kind, count = str(self.plan.stages[step.name].value).split(":")
        step.workers = self._open_shop.meters[step.name].workers = int(count)
        if kind != "processes":
            return
        workers = [ProcessWorker(step.stage, self._stall_timeout_s) for _ in range(int(count))]
        self._workers[step.name], step.times_itself = workers, True
        for worker in workers:
            try:
                worker.wait_built()
            except Exception as error:
                raise not_built(step.name, error) from error
        step.opened = [step.working(worker) for worker in workers]

    def _pipeline(self, todo: Todo) -> tuple[Pipeline, Batch | None]:
        """The pipeline over `todo`, and the batch that the probe has done of it."""
        plan, shop = self.plan, self._open_shop
        first, probed = todo.first, self._probed
        done = probed.batch if probed is not None and probed.batch.partition == first.number else None
        if done is not None:
            done.last = done.rows_in == first.rows
        reading = reading_of(self.recipe, plan, shop, todo, skip_rows=done.rows_in if done is not None else 0)
        queue_bytes = int(plan.value("queue_bytes"))
        return Pipeline(reading, shop, queue_bytes=queue_bytes, stall_timeout_s=self._stall_timeout_s), done

    def batches(self, todo: Todo) -> Iterator[Batch]:
        """Finished batches, in order, as they are asked for; closing the iterator stops the run."""
        pipeline, done = self._pipeline(todo)
        try:
            if done is not None:
                yield done
            yield from pipeline.batches()
        finally:
            self._close(pipeline)

    def write(
        self,
        todo: Todo,
        sink: Sink,
        limits: RejectLimits,
        on_progress: OnProgress | None,
    ) -> None:
        """Runs `todo` into `sink`; `written` says what came of it. Raises RunError; KeyboardInterrupt leaves whole
        parts only."""
        pipeline, done = self._pipeline(todo)
        counted = self._counted = Counted(limits)

        def chained() -> Iterator[Batch]:
            if done is not None:
                yield counted.seen(done)
            for batch in pipeline.batches():
                yield counted.seen(batch)

        def write() -> None:
            try:
                for part in assemble(chained(), todo, self.output):
                    with self.clock.writing(part.account.rows_out), writing(part):
                        account = sink.publish(part.partition, part.columns, part.account, part.rejects)
                    self._care.recorder.published()
                    counted.worked += account
                    counted.account += account.resolving() if part.partition.retried else account
            except BaseException as error:  # noqa: BLE001 - a worker's boundary; it is raised by the thread that waits
                counted.error = error
                pipeline.stop()

        writer = threading.Thread(target=write, name="headrace-write", daemon=True)
        writer.start()
        self._gpu.start()
        try:
            watch(writer, counted, todo.rows, self._open_shop.busy, on_progress)
        finally:
            self.clock.finished()
            self._gpu.stop()
            self._close(pipeline)
            writer.join(_STOP_S / 2)
            self.plan = replace(self.plan, row_caps=cap_choices(self._open_shop.row_caps()))
        if counted.error is not None:
            raise counted.error from counted.error.__cause__

    def _close(self, pipeline: Pipeline) -> None:
        pipeline.stop()
        self.close()
        pipeline.join(_STOP_S / 2)

    def close(self) -> None:
        """Ends what is left running; may be called again."""
        end_workers([w for workers in self._workers.values() for w in workers], _STOP_S / 2)
