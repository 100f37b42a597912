"""Finds the batch size, before the run's first batch: it climbs while the model gets faster."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from headrace.core.contracts import Pixels, Session
from headrace.engine.settling.trial import first_outputs, sampled
from headrace.engine.telling.clock import RunClock
from headrace.plan import sizing
from headrace.plan.machine import Machine
from headrace.plan.plan import Choice, Plan
from headrace.plan.recipe import Recipe

_GAIN = 1.05  # a larger batch must be 5 % faster: it costs latency and memory
_LOAD_S = 0.3  # loading at another size and its first inference: 0.1-0.5 s (OpenVINO, 2 cores)


def climb(recipe: Recipe, plan: Plan, session: Session, machine: Machine, clock: RunClock) -> tuple[Plan, Session]:
    """Doubles the batch while rows/s grow by 5 %, memory allows it and the run is long enough to pay for trying.

    session: the model, loaded at the size the climb begins with. On the CPU rows per CPU-second are compared, which
    other programs on the machine do not disturb; on a GPU rows per second.
    """
    inference = recipe.inference
    assert inference is not None
    assert plan.precision is not None
    model = inference.model
    on_cpu = model.device == "cpu"
    size, largest = sizing.first_batch(model.device), sizing.largest_batch(model.device)
    began = time.perf_counter()
    seconds = recipe.listing.rows * _seconds_per_row(session, size, model.preprocess.size)
    if not sizing.worth_trying(_LOAD_S, seconds):
        clock.probed(began)
        return plan.settled(
            batch_size=Choice(size, "where the climb begins; the run is too short to try others")
        ), session
    photos = sampled(recipe.listing, inference.decoder, model.preprocess.size, sizing.READ_CHUNK_ROWS, machine.cores)
    if len(photos) == 0:
        photos = np.zeros((1, *model.preprocess.size, 3), np.uint8)
    clock_s = time.process_time if on_cpu else time.perf_counter
    best = rows_per_s(session, photos, size, clock_s)
    tried, chosen = [f"{size}: {best:.0f}"], size
    while size < largest and sizing.worth_trying(_LOAD_S + time.perf_counter() - began, seconds):
        size *= 2
        try:
            larger = model.load(str(plan.precision.value), size, int(plan.value("workers")))
            rate = rows_per_s(larger, photos, size, clock_s)
        except (MemoryError, RuntimeError) as error:
            tried.append(f"{size}: {type(error).__name__}")
            break
        tried.append(f"{size}: {rate:.0f}")
        if rate < _GAIN * best:
            break
        best, chosen, session = rate, size, larger
    clock.probed(began)
    measured = f"rows per {'CPU-second' if on_cpu else 'second'} by batch " + ", ".join(tried)
    return plan.settled(batch_size=Choice(chosen, f"the climb ends here: {measured}", measured)), session


def _seconds_per_row(session: Session, size: int, shape: tuple[int, int]) -> float:
    """Of the model with all streams busy, guessed from one batch of grey photos on one of them, the second of two."""
    request, grey = session.request(), np.full((size, *shape, 3), 127, np.uint8)
    request(grey, size)
    began = time.perf_counter()
    request(grey, size)
    return (time.perf_counter() - began) / size / session.streams


def rows_per_s(session: Session, photos: Pixels, size: int, clock_s: Callable[[], float]) -> float:
    """Rows a second of `clock_s`, with all streams busy, after a first inference that is not counted."""
    rows = 2 * size * session.streams
    repeated = np.resize(photos, (rows, *photos.shape[1:]))
    first_outputs(session, repeated[: size * session.streams], size)
    began = clock_s()
    first_outputs(session, repeated, size)
    return rows / max(1e-9, clock_s() - began)
