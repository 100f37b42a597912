"""The local engine: one process, no cluster. Settle what is open, then run the pipeline into a sink or an iterator."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace

from headrace.core.batch import Batch
from headrace.core.contracts import Inference, Session, Sink
from headrace.core.errors import HeadraceError
from headrace.core.partition import Account, Partition, Todo
from headrace.core.progress import OnProgress
from headrace.engine.local.assembling import Assembled, Written, assemble
from headrace.engine.local.batch_settling import climb
from headrace.engine.local.buffers import TensorPool
from headrace.engine.local.clock import RunClock
from headrace.engine.local.gpu import GpuSampler
from headrace.engine.local.limits import Counted, RejectLimits
from headrace.engine.local.memory import MemoryBudget
from headrace.engine.local.meters import StageMeter
from headrace.engine.local.model_settling import load_model, load_session
from headrace.engine.local.pipeline import Pipeline
from headrace.engine.local.places import located, not_built
from headrace.engine.local.preparing import Preparer, pieces
from headrace.engine.local.probe import Probed, first_batch
from headrace.engine.local.processes import ProcessWorker, end_workers
from headrace.engine.local.recorder import Unrecorded
from headrace.engine.local.salvage import Salvage
from headrace.engine.local.stalls import timely
from headrace.engine.local.steps import FitStep, InferStep, MapStep, Step
from headrace.engine.local.watch import watch
from headrace.plan import sizing
from headrace.plan.draft import lacks_gpu, no_gpu
from headrace.plan.machine import Machine
from headrace.plan.plan import Choice, Plan
from headrace.plan.recipe import Recipe
from headrace.plan.settling import partition_choice, queue_choice, stage_choice

_log = logging.getLogger("headrace")

_LOADING = 10  # times as long as a call may loading take, with all that is tried first
_STOP_S = 1.2  # how long a stop waits for threads; they are daemons, and what they hold is not committed


class LocalRun:
    """One session of a job on this machine: `settle` once, then `write` or `batches` once."""

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
        self._recorder, self._worked, self._tolerant = recorder or Unrecorded(), worked, tolerant
        self._stall_timeout_s = stall_timeout_s
        self.output = Written(recipe.listing.key_name, recipe.listing.image_name, keep_images)
        self._steps: list[Step] = []
        self.meters: dict[str, StageMeter] = {}
        self._salvages: dict[str, Salvage] = {}
        self._preparer: Preparer | None = None
        self._probed: Probed | None = None
        self._workers: dict[str, list[ProcessWorker]] = {}
        self._counted = Counted(RejectLimits("reject", 1.0))
        self.gpu = GpuSampler()

    @property
    def written(self) -> Account:
        """What the sink has taken so far, as it adds to the account of the whole output."""
        return self._counted.account

    @property
    def worked(self) -> Account:
        """What became of the rows of this session so far."""
        return self._counted.worked

    def workers_cpu_s(self, step: str) -> float:
        """CPU seconds of a step's worker processes so far."""
        return sum(w.cpu_s for w in self._workers.get(step, ()))

    def settle(self, first: Partition) -> Plan:
        """Loads the model, compares precisions, runs the first batch of `first`; the plan with nothing left open.

        Raises HeadraceError; then nothing is left running.
        """
        try:
            self._build(self._load() if self.recipe.inference is not None else None)
            for step in self._map_steps():
                if not self.plan.stages[step.name].open:
                    self._give_workers(step)
            self.clock.started_reading()
            rows = int(self.plan.value("batch_size"))
            self._probed = first_batch(
                self.recipe.listing,
                first,
                rows,
                self._preparer,
                self._steps,
                self.meters,
                self._salvages,
                self._stall_timeout_s,
            )
            for step in self._map_steps():
                if self.plan.stages[step.name].open:
                    choice = self._stage_choice(step, self._probed)
                    self.plan = replace(self.plan, stages={**self.plan.stages, step.name: choice})
                    self._give_workers(step)
        except BaseException:
            self.close()
            raise
        if self.plan.partition_rows.open:
            choice = self._partition_choice(self._probed)
            self.plan = self.plan.settled(partition_rows=choice)
        self.plan = self.plan.settled(queue_bytes=queue_choice(self.plan, self._probed.nbytes, len(self._steps)))
        return self.plan

    def _load(self) -> Session:
        """The model, loaded as the plan says or as measuring finds best. Raises HeadraceError."""
        try:
            self.plan, session = timely("infer", _LOADING * self._stall_timeout_s, self._tried)
        except HeadraceError:
            raise
        except Exception as error:
            raise not_built("infer", error) from error
        return session

    def _tried(self) -> tuple[Plan, Session]:
        """The model in the precision and for the batch size that measuring finds best."""
        plan, session = load_model(self.recipe, self.plan, self.machine, self.clock)
        return climb(self.recipe, plan, session, self.machine, self.clock) if plan.batch_size.open else (plan, session)

    def _load_for(self, rows: int) -> Session:
        """The model as it was settled, for batches of `rows`."""
        assert self.recipe.inference is not None
        precision, streams = str(self.plan.value("precision")), int(self.plan.value("workers"))
        return load_session(self.recipe, self.recipe.inference, precision, rows, streams, self.machine)

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

    def _map_steps(self) -> list[MapStep]:
        return [step for step in self._steps if isinstance(step, MapStep)]

    def _build(self, session: Session | None) -> None:
        """The steps, their meters, and the tensors' pool."""
        recipe, capacity = self.recipe, int(self.plan.value("batch_size"))
        image = recipe.listing.image_name
        pool = TensorPool((capacity, *recipe.slot, 3)) if recipe.slot is not None else None
        if recipe.decoder is not None:
            memory = MemoryBudget(sizing.decode_bytes(int(self.plan.value("memory_bytes"))))
            self._preparer = Preparer(
                recipe.decoder, pool, image, memory, self._recorder, keep_cells=self.output.keep_images
            )
        for name, step in zip(recipe.names, recipe.steps, strict=True):
            if not isinstance(step, Inference):
                if lacks_gpu(step, self.machine):
                    _log.warning(no_gpu(name, step))
                self._steps.append(MapStep(name, step, recipe.listing.key_name, image))
                continue
            assert session is not None
            if pool is None:
                pool = TensorPool((capacity, *step.model.preprocess.size, 3))
                self._steps.append(FitStep(step.decoder, pool, image, self.machine.cores, keep=self.output.keep_images))
            self._steps.append(InferStep(name, step, session, self._load_for))
        for built in self._steps:
            saved = self.plan.row_caps.get(built.name)
            cap = None if saved is None else int(saved.value)
            self._salvages[built.name] = Salvage(
                built,
                recipe.listing,
                pool,
                self._recorder,
                cap=cap,
                worked=self._worked,
                tolerant=self._tolerant,
            )
            if cap is not None:
                built.resize(cap)
        names = [("read", int(self.plan.value("io_concurrency"))), ("prepare", int(self.plan.value("prepare_workers")))]
        self.meters = {n: StageMeter(n, w) for n, w in [*names, *((s.name, s.workers) for s in self._steps)]}

    def _give_workers(self, step: MapStep) -> None:
        """Threads or processes, as the plan says. Raises StageNotBuilt."""
        kind, count = str(self.plan.stages[step.name].value).split(":")
        step.workers = self.meters[step.name].workers = int(count)
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
        plan = self.plan
        batch_size = int(plan.value("batch_size"))
        first, probed = todo.first, self._probed
        done = probed.batch if probed is not None and probed.batch.partition == first.number else None
        if done is not None:
            done.last = done.rows_in == first.rows
        chunk = sizing.read_chunk_rows(batch_size, prepared=self._preparer is not None)
        source = pieces(self.recipe.listing, todo, batch_size, chunk, done.rows_in if done is not None else 0)
        pipeline = Pipeline(
            source,
            self._preparer,
            self._steps,
            io_concurrency=int(plan.value("io_concurrency")),
            prepare_workers=int(plan.value("prepare_workers")),
            queue_bytes=int(plan.value("queue_bytes")),
            read_ahead_bytes=sizing.read_ahead_bytes(
                int(plan.value("queue_bytes")), self.recipe.listing.burst_bytes, int(plan.value("memory_bytes"))
            ),
            meters=self.meters,
            salvages=self._salvages,
            stall_timeout_s=self._stall_timeout_s,
        )
        return pipeline, done

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
                    with self.clock.writing(part.account.rows_out):
                        account = _published(sink, part)
                    self._recorder.published()
                    counted.worked += account
                    counted.account += account.resolving() if part.partition.retried else account
            except BaseException as error:  # noqa: BLE001 - a worker's boundary; it is raised by the thread that waits
                counted.error = error
                pipeline.stop()

        writer = threading.Thread(target=write, name="headrace-write", daemon=True)
        writer.start()
        self.gpu.start()
        try:
            watch(writer, counted, todo.rows, self.meters, on_progress)
        finally:
            self.clock.finished()
            self.gpu.stop()
            self._close(pipeline)
            writer.join(_STOP_S / 2)
            self.plan = replace(self.plan, row_caps=self._row_caps())
        if counted.error is not None:
            raise counted.error from counted.error.__cause__

    def _row_caps(self) -> dict[str, Choice]:
        """What steps that ran out of memory are given at most."""
        why = "it ran out of memory with more"
        return {n: Choice(s.cap, why) for n, s in self._salvages.items() if s.cap is not None}

    def _close(self, pipeline: Pipeline) -> None:
        pipeline.stop()
        self.close()
        pipeline.join(_STOP_S / 2)

    def close(self) -> None:
        """Ends what is left running; may be called again."""
        end_workers([w for workers in self._workers.values() for w in workers], _STOP_S / 2)


def _published(sink: Sink, part: Assembled) -> Account:
    """What the sink made of a part. Raises HeadraceError."""
    try:
        return sink.publish(part.partition, part.columns, part.account, part.rejects)
    except HeadraceError:
        raise
    except Exception as error:
        keys = list(next(iter(part.columns.values())))
        raise located("write", part.partition.number, 0, part.partition.rows, keys, error) from error
