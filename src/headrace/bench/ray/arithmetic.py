"""The benchmark's arithmetic: pure functions from what was measured to what is asked about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.core.errors import RunError

LEAST_STEADY = 0.5  # of all batches; a window with fewer says little


class NotSteady(RunError):
    """The workers were not at work together for long enough to call their rate steady."""

    def __init__(self, batches: int, inside: int) -> None:
        super().__init__(batches, inside)
        self.batches, self.inside = batches, inside

    def __str__(self) -> str:
        return f"only {self.inside} of {self.batches} batches were done while all workers were at work"


@dataclass(frozen=True)
class Steady:
    """The window in which all workers were at work. batches_per_s: of all together. ratio: of all batches (0..1)."""

    batches_per_s: float
    seconds: float
    ratio: float


def ideal_s(blocks: int, slots: int, block_s: float) -> float:
    """Seconds that `blocks` of `block_s` each take at `slots` at a time, at best: whole rounds."""
    return math.ceil(blocks / slots) * block_s


def opening(called_at: float, ready: Sequence[float], began: Sequence[float]) -> float:
    """When the clock of a step starts: with its call, or when its last worker was ready if none had begun before.

    A step that begins while workers are still to come has their start in its time.
    """
    return max(called_at, min(max(ready), min(began)))


def overhead_ratio(seconds: float, ideal: float) -> float:
    """What was added to the ideal, as a share of it."""
    return seconds / ideal - 1


def steady(done_at: Mapping[int, Sequence[float]]) -> Steady:
    """The rate while all workers were at work, from the instants at which each one's batches were done.

    The window opens when the last worker to come has done its first batch, and closes when the first one to go has
    done its last: start-up, filling and draining stand outside, and every wait for input inside counts.
    Raises NotSteady when under half of the batches were done in it.
    """
    opens = max(min(times) for times in done_at.values())
    closes = min(max(times) for times in done_at.values())
    every = [time for times in done_at.values() for time in times]
    inside = sum(opens < time <= closes for time in every)
    if closes <= opens or inside < LEAST_STEADY * len(every):
        raise NotSteady(len(every), inside)
    return Steady(inside / (closes - opens), closes - opens, inside / len(every))


def linearity(rates: Mapping[int, float]) -> float:
    """The least of rate(n) / (n x rate(1)) over all numbers n of workers: 1 is linear."""
    return min(rate / (workers * rates[1]) for workers, rate in rates.items())
