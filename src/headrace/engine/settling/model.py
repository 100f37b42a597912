"""Settles the model's precision and loads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from headrace.core.contracts import Inference, Session
from headrace.core.errors import BadModel, HeadraceError
from headrace.engine.flow.places import not_built
from headrace.engine.flow.stalls import timely
from headrace.engine.flow.workshop import Model
from headrace.engine.settling import agreement_cache
from headrace.engine.settling.batch_size import climb
from headrace.engine.settling.trial import sampled, try_precision
from headrace.engine.telling.clock import RunClock
from headrace.plan import sizing
from headrace.plan.agreement import ROWS, Agreement
from headrace.plan.machine import Machine
from headrace.plan.plan import Choice, Plan
from headrace.plan.recipe import Recipe

T = TypeVar("T")


_LOADING = 10  # times as long as a call may loading take, with all that is tried first


def settled_model(
    recipe: Recipe, plan: Plan, machine: Machine, clock: RunClock, *, stall_timeout_s: float
) -> tuple[Plan, Model]:
    """The plan with precision and batch size settled, and the model loaded for them. Raises HeadraceError."""

    def tried() -> tuple[Plan, Session]:
        chosen, session = load_model(recipe, plan, machine, clock)
        return climb(recipe, chosen, session, machine, clock) if plan.batch_size.open else (chosen, session)

    chosen, session = built("infer", tried, stall_timeout_s)
    return chosen, Model(session, partial(load_for, recipe, chosen, machine))


def opened_model(recipe: Recipe, plan: Plan, machine: Machine, *, stall_timeout_s: float) -> Model:
    """The model as a settled plan has it. Raises HeadraceError."""
    load = partial(load_for, recipe, plan, machine)
    return Model(built("infer", partial(load, int(plan.value("batch_size"))), stall_timeout_s), load)


def built(name: str, build: Callable[[], T], stall_timeout_s: float) -> T:
    """What `build` gives. Raises StageNotBuilt where it fails or takes too long."""
    try:
        return timely(name, _LOADING * stall_timeout_s, build)
    except HeadraceError:
        raise
    except Exception as error:
        raise not_built(name, error) from error


def load_for(recipe: Recipe, plan: Plan, machine: Machine, rows: int) -> Session:
    """The model as it was settled, for batches of `rows`."""
    assert recipe.inference is not None
    precision, streams = str(plan.value("precision")), int(plan.value("workers"))
    return load_session(recipe, recipe.inference, precision, rows, streams, machine)


def load_model(recipe: Recipe, plan: Plan, machine: Machine, clock: RunClock) -> tuple[Plan, Session]:
    """The plan with its precision settled, and the model loaded in it."""
    inference = recipe.inference
    assert inference is not None
    assert plan.precision is not None
    assert plan.workers is not None
    batch_size = sizing.first_batch(inference.model.device) if plan.batch_size.open else int(plan.value("batch_size"))
    streams = int(plan.value("workers"))
    if not plan.precision.open:
        precision = str(plan.precision.value)
        return plan, load_session(recipe, inference, precision, batch_size, streams, machine)
    if len(inference.model.precisions) < 2:
        why = f"{inference.model.runtime} runs this model in nothing faster here"
        return plan.settled(precision=Choice("fp32", why)), inference.model.load("fp32", batch_size, streams)
    candidate = inference.model.precisions[1]
    path = agreement_cache.cache_path(inference, candidate, machine.cpu)
    kept = agreement_cache.recall(path)
    if kept is not None:
        return _from_cache(plan, inference, kept, batch_size, streams)
    if recipe.listing.rows < 2 * ROWS or recipe.slot is None:
        why = (
            f"comparing {candidate} with it on {ROWS} rows would cost more than it could save on {recipe.listing.rows}"
        )
        if recipe.slot is None:
            why = "precisions are compared on photos as they are read, and here a stage stands before the model"
        chosen = plan.settled(precision=Choice("fp32", why))
        return chosen, inference.model.load("fp32", batch_size, streams)
    trial = try_precision(
        inference, candidate, recipe.listing, batch_size=batch_size, streams=streams, threads=machine.cores, clock=clock
    )
    if trial.agreement is not None:
        agreement_cache.remember(path, trial.agreement)
    settled = plan.settled(precision=Choice(trial.precision, trial.reason, measured=trial.reason))
    return _with_agreement(settled, trial.agreement), trial.session


def load_session(
    recipe: Recipe, inference: Inference, precision: str, batch_size: int, streams: int, machine: Machine
) -> Session:
    """The model in a precision, for batches of a size; int8 is calibrated on photos spread over the listing."""
    if precision != "int8":
        return inference.model.load(precision, batch_size, streams)
    if recipe.slot is None:
        raise BadModel(
            inference.model.name, "int8 needs photos to calibrate on as they are read", "drop the stage before it"
        )
    photos = sampled(recipe.listing, inference.decoder, recipe.slot, ROWS, machine.cores)
    if len(photos) == 0:
        raise BadModel(inference.model.name, "no photo could be decoded to calibrate int8 on", "check the input")
    return inference.model.load(precision, batch_size, streams, photos)


def _from_cache(
    plan: Plan, inference: Inference, kept: Agreement, batch_size: int, streams: int
) -> tuple[Plan, Session]:
    precision = kept.precision if kept.kept else "fp32"
    choice = Choice(precision, f"from the cache of a former run: {kept}", measured=str(kept))
    return _with_agreement(plan.settled(precision=choice), kept), inference.model.load(precision, batch_size, streams)


def _with_agreement(plan: Plan, agreement: Agreement | None) -> Plan:
    return plan if agreement is None else replace(plan, agreement=agreement.to_dict())
