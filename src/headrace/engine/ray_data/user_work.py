"""What workers do with blocks of a user's dataset: bring photos to the model's size, and run the model or class."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.core.batch import Batch, Columns, Reject
from headrace.core.contracts import BatchFunction, Inference, Stage
from headrace.core.errors import BadModel
from headrace.core.needs import Needs
from headrace.engine.flow.assembling import Written, concatenated
from headrace.engine.flow.workshop import Care, Model, Workshop
from headrace.engine.ray_data import user_blocks as blocks
from headrace.engine.ray_data.carried import Carried
from headrace.engine.ray_data.user_blocks import ArrowOf, Outcome
from headrace.engine.ray_data.user_flow import Flow
from headrace.engine.ray_data.user_rows import GivenRows, ReadFile, Ready, UserRows
from headrace.engine.settling.model import opened_model, settled_model
from headrace.engine.telling.clock import RunClock
from headrace.job.job import Settings
from headrace.plan import sizing
from headrace.plan.draft import draft
from headrace.plan.machine import this_machine
from headrace.plan.plan import AUTO, Choice, Plan
from headrace.plan.recipe import PREPARE, READ, Recipe

PIXELS = "headrace_pixels"
"""Between the tasks that prepare and the model's workers: uint8 [N, H, W, 3], zeros where a row has failed."""

_PREPARE_ROWS = 64  # rows that a preparing task works on at a time
_PREPARED_BYTES = 64 << 20  # of a block that such a task gives; Ray cuts at 128 MiB


@dataclass(frozen=True, kw_only=True)
class UserWork:
    """A model stage on a user's dataset.

    column: where the images are; None: seen in each block. is_remote: whether a path leads to another machine.
    batch_size: rows a model call, or "auto". threads: of one worker; None: the node's cores.
    """

    recipe: Recipe
    column: str | None
    keep_input: bool
    read_file: ReadFile
    is_remote: Callable[[str], bool]
    arrow_of: ArrowOf
    batch_size: int | str
    stall_timeout_s: float
    precision: str | None = None
    threads: int | None = None

    @property
    def inference(self) -> Inference | None:
        """The model, unless it is a user's class or function."""
        return self.recipe.inference

    def plan(self, threads: int | None, *, batch_size: int | str) -> Plan:
        """How a worker on this machine runs it; the batch size may be open."""
        machine = this_machine()
        threads = min(threads or machine.cores, machine.cores)
        streams: int | str = AUTO if self.inference is None or self.inference.model.device == "cuda" else threads
        if self.inference is not None and self.inference.model.runtime == "torch":
            streams = AUTO
        settings = Settings(batch_size=batch_size, workers=streams, prepare_workers=threads)
        plan = draft(self.recipe, settings, replace(machine, cores=threads), saved={})
        return plan if self.precision is None else plan.settled(precision=Choice(self.precision, "chosen", given=True))

    def given(self, table: pa.Table) -> GivenRows:
        """A block's rows, as the pipeline reads them."""
        rows = GivenRows(has_images=self.inference is not None, read_file=self.read_file)
        if self.inference is None:
            left_out = [blocks.ERROR] if blocks.ERROR in table.column_names else []
            return replace(rows, columns=blocks.columns_of(table.drop_columns(left_out)))
        return replace(rows, values=blocks.values_of(table, self.image_column(table)))

    def image_column(self, table: pa.Table) -> str:
        """The column that this block's images are in. Raises BadInput."""
        return self.column or blocks.photo_column(table.schema, None)

    def dropped(self, table: pa.Table) -> list[str]:
        """What is not passed on: the images, or their bytes, unless asked for. Paths always are."""
        name = self.image_column(table)
        return [] if self.keep_input or blocks.is_text(table.column(name).type) else [name]


class _Stages:
    """Some of the work's stages, open in this process; the pipeline starts with the first rows."""

    def __init__(self, work: UserWork, plan: Plan, model: Model | None, only: Sequence[str] | None) -> None:
        self._work, self._plan, self._model, self._only = work, plan, model, only
        self._opening = threading.Lock()
        self._flow: Flow | None = None
        self.shop: Workshop | None = None

    def __call__(self, table: pa.Table) -> list[Batch]:
        """What became of a block's rows, one or more."""
        rows = self._work.given(table)
        return self._opened(rows)(rows, table.num_rows)

    def close(self) -> None:
        """Ends the threads of its pipeline, if it has one."""
        with self._opening:
            if self._flow is not None:
                self._flow.close()

    def _opened(self, rows: GivenRows) -> Flow:
        with self._opening:
            if self._flow is None or self._flow.failed:  # this process may be asked again, by another run
                work, machine = self._work, this_machine()
                remote = any(isinstance(v, str) and work.is_remote(v) for v in (rows.values or ())[:100])
                reads = sizing.io_concurrency(remote=remote, in_bursts=False, cores=machine.cores)
                plan = self._plan.settled(io_concurrency=Choice(reads, "by where the paths lead"))
                output = Written(rows.key_name, rows.image_name, keep_images=False)
                self.shop = Workshop(work.recipe, plan, machine, output, self._model, Care(), only=self._only)
                self._flow = Flow(self.shop, plan, stall_timeout_s=work.stall_timeout_s)
            return self._flow


class Preparing:
    """Reads, decodes and resizes in a task on any node, so that the model's node gets pixels of the model's size."""

    def __init__(self, work: UserWork) -> None:
        self._work, slot = work, work.recipe.slot
        assert slot is not None
        self._shape = (*slot, 3)
        self._rows = max(1, _PREPARED_BYTES // int(np.prod(self._shape)))
        photos_only = replace(work, recipe=replace(work.recipe, steps=()), precision=None)  # the model stays unopened
        plan = photos_only.plan(1, batch_size=_PREPARE_ROWS)
        self._stages = _Stages(work, plan, None, (READ, PREPARE))

    def __call__(self, table: pa.Table) -> Iterator[pa.Table]:
        """The block, in pieces, with PIXELS in place of the images."""
        for first in range(0, table.num_rows, self._rows):
            piece = table.slice(first, self._rows)
            yield self._prepared(piece)

    def close(self) -> None:
        """Ends its threads."""
        self._stages.close()

    def _prepared(self, table: pa.Table) -> pa.Table:
        pixels = np.zeros((table.num_rows, *self._shape), np.uint8)
        todo = _untried(table)
        errors = {row: text for row, text in enumerate(blocks.errors_of(table)) if text is not None}
        for batch in self._stages(table.take(pa.array(todo))) if len(todo) else ():
            assert batch.tensor is not None
            pixels[todo[batch.rows]] = batch.tensor[: len(batch.rows)]
            errors |= {int(todo[r.row]): error_text(r) for r in batch.rejects}
            if self._stages.shop is not None:
                self._stages.shop.recycle(batch)
        everything = np.arange(table.num_rows)
        added = blocks.tensors({PIXELS: pixels})
        return blocks.extended(table, self._work.dropped(table), added, Outcome(everything, {}, errors))


def prepare(table: pa.Table, carried: Carried[UserWork]) -> Iterator[pa.Table]:
    """A task of `Preparing`, which is opened once a process."""
    worker: Preparing = carried.derived("prepare", Preparing)
    yield from worker(table)


class InferWorker:
    """Ray Data's class: the model is loaded once, and several blocks are in its pipeline at a time."""

    def __init__(self, carried: Carried[UserWork], *, prepared: bool) -> None:
        work = carried.open()
        if prepared:
            recipe = replace(work.recipe, decoder=Ready())
            work = replace(work, recipe=recipe, column=PIXELS, keep_input=False)
        self._work = work
        self._schema: pa.Schema | None = None
        plan = work.plan(work.threads, batch_size=work.batch_size)
        model = None
        if work.inference is not None:
            plan, model = self._loaded(work.inference, plan)
            self._schema = work.arrow_of(_grey_row(work.inference, model)).schema
        elif plan.batch_size.open:
            plan = plan.settled(batch_size=Choice(sizing.STAGE_BATCH, "the stage asks for no other"))
        self._stages = _Stages(work, plan, model, None)

    def _loaded(self, inference: Inference, plan: Plan) -> tuple[Plan, Model]:
        """On a GPU an open batch size climbs here; on the CPU it is where the climb begins."""
        machine, timeout_s, able = this_machine(), self._work.stall_timeout_s, inference.model.precisions
        if self._work.precision not in (*able, "int8"):
            what = f"cannot run in {self._work.precision} on {inference.model.runtime} on node {_node()}"
            raise BadModel(inference.model.name, what, "use one of " + ", ".join(able))
        if plan.batch_size.open and inference.model.device == "cuda":
            return settled_model(self._work.recipe, plan, machine, RunClock(), stall_timeout_s=timeout_s)
        if plan.batch_size.open:
            plan = plan.settled(batch_size=Choice(sizing.first_batch(inference.model.device), "for the CPU"))
        return plan, opened_model(self._work.recipe, plan, machine, stall_timeout_s=timeout_s)

    def __call__(self, table: pa.Table) -> pa.Table:
        """The block with what the model says of each row, or why it says nothing."""
        outcome, work = self._outcome(table), self._work
        if work.inference is None:
            return self._of_class(table, outcome)
        assert self._schema is not None
        columns = outcome.columns
        added = blocks.cast(work.arrow_of(columns), self._schema) if columns else self._schema.empty_table()
        return blocks.extended(table, work.dropped(table), added, outcome)

    def _of_class(self, table: pa.Table, outcome: Outcome) -> pa.Table:
        if outcome.columns:
            return blocks.replaced(table, self._returned(table, outcome.columns), outcome)
        if self._schema is None:
            return blocks.failed(table, outcome.errors)
        return blocks.replaced(table, self._schema.empty_table(), outcome)

    def _outcome(self, table: pa.Table) -> Outcome:
        todo = _untried(table)
        errors = {row: text for row, text in enumerate(blocks.errors_of(table)) if text is not None}
        whole = len(todo) == table.num_rows
        done = self._stages(table if whole else table.take(pa.array(todo))) if len(todo) else []
        for batch in done:
            errors |= {int(todo[r.row]): error_text(r) for r in batch.rejects}
        good = [batch for batch in done if batch.keys]
        places = todo[np.concatenate([b.rows for b in good])] if good else np.zeros(0, np.int64)
        return Outcome(places, concatenated([b.columns for b in good]) if good else {}, errors)

    def _returned(self, table: pa.Table, columns: Columns) -> pa.Table:
        """A class's columns: of the type that they were given in where that still fits, new ones as lists."""
        as_given = blocks.tensors({n: a for n, a in columns.items() if n in table.column_names})
        same = [n for n in as_given.column_names if as_given.column(n).type == table.column(n).type]
        new = self._work.arrow_of({n: a for n, a in columns.items() if n not in same})
        found = pa.table({n: as_given.column(n) if n in same else new.column(n) for n in columns})
        if self._schema is None:
            self._schema = found.schema
        return blocks.cast(found, self._schema)


@dataclass(frozen=True)
class KeyLess:
    """A user's class or function as a Stage that is given its columns, and not the engine's key."""

    stage: Stage

    @property
    def name(self) -> str:
        """The class's or function's."""
        return self.stage.name

    @property
    def batch_size(self) -> int | None:
        """Rows a call, where the user fixed it."""
        return self.stage.batch_size

    @property
    def workers(self) -> int | None:
        """One: the pool has more."""
        return 1

    @property
    def num_gpus(self) -> float:
        """None that a workshop should look for: Ray has given them."""
        return 0.0

    @property
    def needs(self) -> Needs:
        """What each worker asks of a cluster."""
        return self.stage.needs

    @property
    def is_class(self) -> bool:
        """Whether it loads something of its own."""
        return self.stage.is_class

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        return self.stage.describe()

    def open(self) -> BatchFunction:
        """Builds one worker."""
        call, key = self.stage.open(), UserRows(has_images=False).key_name
        return lambda columns: call({name: array for name, array in columns.items() if name != key})


def error_text(reject: Reject) -> str:
    """Stage, error type and message."""
    return f"{reject.stage}: {reject.error_type}: {reject.message}"


def _untried(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The places of rows that no stage before has failed on."""
    return np.array([row for row, text in enumerate(blocks.errors_of(table)) if text is None], np.int64)


def _grey_row(inference: Inference, model: Model) -> Columns:
    """What the model says of a grey photo: the types that its columns have in all blocks, failed ones too."""
    grey = np.full((model.session.capacity or 1, *inference.model.preprocess.size, 3), 127, np.uint8)
    return inference.head(model.session.request()(grey, 1))


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())[:8]
