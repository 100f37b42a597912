"""What the first batches settle, measured where the model will run: on a worker of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray

from headrace.core.batch import Columns
from headrace.core.partition import Partition
from headrace.engine.flow.assembling import Written
from headrace.engine.flow.places import not_built
from headrace.engine.flow.workshop import Care, Workshop
from headrace.engine.ray_data.carried import Carried
from headrace.engine.ray_data.work import Raised
from headrace.engine.ray_data.workers import on_node, use_all_cores
from headrace.engine.settling.model import settled_model
from headrace.engine.settling.probe import first_batch
from headrace.engine.telling.clock import RunClock
from headrace.plan.machine import this_machine
from headrace.plan.plan import Plan
from headrace.plan.recipe import Recipe, check_precision
from headrace.plan.settling import cap_choices


@dataclass(frozen=True)
class ToSettle:
    """A job whose plan is open in places."""

    recipe: Recipe
    plan: Plan
    output: Written
    stall_timeout_s: float
    worked: bool


@dataclass(frozen=True)
class Settled:
    """What the first batch of a run showed.

    plan: precision and batch size are settled. seconds: a row, by stage, one thread each; none when the first batch
    could not be run. first: its rows as they are written. row_bytes: of a row, as it travels. probe_s: inside the run's
    time.
    """

    plan: Plan
    seconds: Mapping[str, float]
    first: Columns
    row_bytes: float
    probe_s: float


def settle_there(carried: Carried[ToSettle], first: Partition | None) -> Settled | Raised:
    """Loads the model and runs the first batch of `first` in this process; for a task of its own."""
    try:
        use_all_cores()
        return _settled(carried.open(), first)
    except Exception as error:  # noqa: BLE001 - a worker's boundary; the driver raises it
        return Raised.of(error)
    finally:
        carried.close()  # this process goes on to read, for which it needs no model


def _settled(job: ToSettle, first: Partition | None) -> Settled:
    recipe, machine, clock = job.recipe, this_machine(), RunClock()
    plan, model = job.plan, None
    if recipe.inference is not None:
        plan = on_node(plan, recipe.inference, machine)
        assert plan.precision is not None
        check_precision(recipe.inference.model, str(plan.precision.value))
        plan, model = settled_model(recipe, plan, machine, clock, stall_timeout_s=job.stall_timeout_s)
    if first is None:
        return Settled(plan, {}, {}, 0.0, clock.probe_s)
    shop = Workshop(recipe, plan, machine, job.output, model, Care(worked=job.worked))
    rows = int(plan.value("batch_size"))
    probed = first_batch(recipe.listing, first, rows, shop, stall_timeout_s=job.stall_timeout_s)
    written = {name: array.copy() for name, array in job.output.columns(probed.batch).items()}
    seconds = {stage: spent / probed.batch.rows_in for stage, spent in probed.seconds.items()}
    plan = replace(plan, row_caps={**plan.row_caps, **cap_choices(shop.row_caps())})
    return Settled(plan, seconds, written, probed.nbytes / probed.batch.rows_in, clock.probe_s)


def settled_on(carried: Carried[ToSettle], first: Partition, remote_args: Mapping[str, Any]) -> Settled:
    """`settle_there`, on a worker with what the model's workers ask for; where the first batch takes its worker with
    it, without that batch. Raises HeadraceError."""
    task = ray.remote(settle_there).options(max_retries=1, name="headrace settle", **remote_args)
    died = (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError)
    try:
        try:
            answer = ray.get(task.remote(carried, first))
        except died:
            answer = ray.get(task.remote(carried, None))
    except (*died, ray.exceptions.OutOfMemoryError) as error:
        raise not_built("infer", error) from error
    if isinstance(answer, Raised):
        raise answer.again()
    settled: Settled = answer
    return settled
