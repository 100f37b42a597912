"""What every worker of a job is given, and what it tells the driver."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field

import ray

from headrace.core.batch import Columns, Reject
from headrace.core.contracts import Published, Publisher
from headrace.core.errors import HeadraceError, RunError
from headrace.core.partition import Account, Round
from headrace.engine.flow.assembling import Written
from headrace.engine.ray_data.attempts import Attempts
from headrace.engine.telling.spent import Spent
from headrace.plan.legs import Leg
from headrace.plan.plan import Plan
from headrace.plan.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job with its settled plan, and where its parts go.

    first: the columns of the first batch, without their rows; empty when none of its rows came through. worked: its
    stages are known to work.
    """

    recipe: Recipe
    plan: Plan
    legs: tuple[Leg, ...]
    rounds: tuple[Round, ...]
    output: Written
    publisher: Publisher
    first: Columns
    attempts: Attempts
    stops_on_reject: bool
    stall_timeout_s: float
    worked: bool
    tolerant: bool


@dataclass
class Told:
    """What a partition's workers tell the driver, leg by leg.

    retried: its rows had been rejected before. account: of a part that is published. rejected: its first reject,
    without the original. error: what stops the run. row_caps: of steps that ran out of memory. peak_rss_bytes: of the
    largest process that had it.
    """

    retried: bool = False
    spent: list[Spent] = field(default_factory=list)
    published: Published | None = None
    rejected: Reject | None = None
    error: Raised | None = None
    row_caps: dict[str, int] = field(default_factory=dict)
    peak_rss_bytes: int = 0

    @property
    def account(self) -> Account:
        """What became of its rows; nothing when no part was published."""
        return Account() if self.published is None else self.published.account


@dataclass(frozen=True)
class Raised:
    """An error and its cause, which pickling an exception loses."""

    error: HeadraceError
    cause: BaseException | None

    @classmethod
    def of(cls, error: BaseException) -> Raised:
        """As it can be pickled: what cannot be is told by its text."""
        whole = error if isinstance(error, HeadraceError) else RunError(f"{type(error).__name__}: {error}")
        cause = error.__cause__ if isinstance(error, HeadraceError) else error
        return cls(whole if _picklable(whole) else RunError(str(whole)), cause if _picklable(cause) else None)

    def again(self) -> HeadraceError:
        """The error with its cause, to be raised."""
        self.error.__cause__ = self.cause
        return self.error


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """Around what Ray is asked to do: what it raises becomes a RunError, with Ray's own error and its traceback as the
    cause. A client raises ConnectionError where its cluster is out of reach."""
    try:
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        cause = getattr(error, "cause", None) or error  # a task's traceback is of many lines
        first = next(iter(str(cause).strip().splitlines()), "no more is known")
        fix = "mend it, and run the same command again: it goes on"
        raise RunError(f"the cluster stopped the run: {type(cause).__name__}: {first}; {fix}") from error


def _picklable(error: BaseException | None) -> bool:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what has just been dumped
    except Exception:  # noqa: BLE001 - users' exceptions may raise anything
        return False
    return True
