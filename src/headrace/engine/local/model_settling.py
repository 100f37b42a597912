"""Settles the model's precision and loads it."""

from __future__ import annotations

from dataclasses import replace

from headrace.core.contracts import Inference, Session
from headrace.core.errors import BadModel
from headrace.engine.local import agreement_cache
from headrace.engine.local.clock import RunClock
from headrace.engine.local.trial import sampled, try_precision
from headrace.plan import sizing
from headrace.plan.agreement import ROWS, Agreement
from headrace.plan.machine import Machine
from headrace.plan.plan import Choice, Plan
from headrace.plan.recipe import Recipe


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
