"""Which rows processes died over: a crash in native code, or a user's os._exit, takes a worker with it, Ray starts
another, and that one must not run into it again and again.

An actor without a CPU keeps the record. The first time that a partition takes its worker with it nothing is known of
its rows; from then on every worker that has it says what it has in hand, and the next one finds the suspects.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from headrace.core.errors import KeepsCrashing
from headrace.engine.flow.gate import Gate
from headrace.engine.flow.recorder import Unrecorded, doubled
from headrace.plan.recipe import READ

_HOPELESS = 24  # deaths without a partition done between them; to find one row of 64 takes 9
_TRIES = 3  # of a call to the record; behind the last one a partition goes on unrecorded
_PAUSE_S = 0.5  # between them: Ray starts an actor again within a second

_LOST = (ray.exceptions.RayError, ValueError)  # the record is gone or out of reach; ValueError: nothing has its name

_log = logging.getLogger("headrace")

Rows = tuple[int, int]
Suspects = dict[str, dict[Rows, int]]
"""By step: the first and the last row of the listing that were in hand, and at how many deaths."""


@dataclass(frozen=True)
class Begun:
    """What is known of a partition that is begun. deaths: of its workers so far. working: steps that have worked on
    some rows, wherever."""

    deaths: int
    suspects: Suspects
    working: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Death:
    """A worker's: on which node, and what it had in hand."""

    node: str
    in_hand: frozenset[tuple[str, Rows]]

    @property
    def blames_a_step(self) -> bool:
        """Whether it is known better by now which rows to leave out: of a read nothing can be."""
        return any(step != READ for step, _ in self.in_hand)


class Record:
    """Partitions under way, rows in hand, and the deaths of workers; lives in an actor.

    living: the nodes that are alive. A worker that went with its node says nothing against its rows.
    """

    def __init__(self, living: Callable[[], set[str]]) -> None:
        self._living = living
        self._open: dict[tuple[str, int], str] = {}
        self._deaths: dict[tuple[str, int], list[_Death]] = defaultdict(list)
        self._in_hand: dict[tuple[str, int], set[tuple[str, Rows]]] = defaultdict(set)
        self._since_one_was_done: list[_Death] = []
        self._working: frozenset[str] = frozenset()

    def begin(self, leg: str, number: int, node: str) -> Begun:
        """A worker on `node` begins with a partition; one that had begun and never ended it has died.

        Raises KeepsCrashing.
        """
        key = (leg, number)
        if key in self._open:
            death = _Death(self._open[key], frozenset(self._in_hand.pop(key, ())))
            self._deaths[key].append(death)
            self._since_one_was_done.append(death)
        self._open[key] = node
        if key not in self._deaths:
            return Begun(0, {}, self._working)
        # Asked each time: Ray needs some seconds to notice that a node is gone, and tries its tasks again before.
        living = self._living()
        many = sum(death.node in living for death in self._since_one_was_done)
        if many >= _HOPELESS:
            raise KeepsCrashing(leg, many)
        # Others of its group may be done again and again while this one never is: nothing would ever stop them.
        unexplained = sum(death.node in living and not death.blames_a_step for death in self._deaths[key])
        if unexplained >= _HOPELESS:
            raise KeepsCrashing(f"{leg}, partition {number}", unexplained)
        suspects: Suspects = defaultdict(dict)
        for step, rows in (held for d in self._deaths[key] if d.node in living for held in d.in_hand):
            suspects[step][rows] = suspects[step].get(rows, 0) + 1
        return Begun(len(self._deaths[key]), dict(suspects), self._working)

    def end(self, leg: str, number: int, working: frozenset[str] = frozenset()) -> None:
        """A worker is done with a partition. working: steps that have worked in its process."""
        self._working |= working
        for kept in (self._open, self._deaths, self._in_hand):
            kept.pop((leg, number), None)
        self._since_one_was_done.clear()

    def hold(self, leg: str, number: int, step: str, rows: Rows) -> None:
        """A worker takes rows in hand."""
        self._in_hand[leg, number].add((step, rows))

    def release(self, leg: str, number: int, step: str, rows: Rows) -> None:
        """It is done with them."""
        self._in_hand[leg, number].discard((step, rows))


class Attempts:
    """The record of one run, as its workers reach it: by name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._actor: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Attempts, (self._name,)

    def call(self, method: str, *arguments: Any) -> Any:
        """Calls a method of the record. Raises KeepsCrashing."""
        try:
            return ray.get(self._sent(method, *arguments))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None

    def tell(self, method: str, *arguments: Any) -> None:
        """As `call`, of what nobody waits for: what this process calls later is done later."""
        self._sent(method, *arguments)

    def _sent(self, method: str, *arguments: Any) -> Any:
        if self._actor is None:
            self._actor = ray.get_actor(self._name)
        return getattr(self._actor, method).remote(*arguments)

    @classmethod
    @contextlib.contextmanager
    def recording(cls) -> Iterator[Attempts]:
        """A record for the time of a run."""
        name = f"headrace-attempts-{uuid.uuid4().hex}"
        # On the driver's node, without which there is no run: on another it would go, and the run with it, when that
        # node dies. Where its process dies alone, what it knew is forgotten and calls are made again.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        lasting = {"max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
        actor = ray.remote(Record).options(name=name, num_cpus=0, max_concurrency=1, **lasting).remote(_living)
        try:
            yield cls(name)
        finally:
            ray.kill(actor)


class PartitionRecorder(Unrecorded):
    """Rows in hand of those partitions that a worker has died over; of the others nothing is recorded.

    Suspects are worked on while nothing else in this process is.
    """

    def __init__(self, attempts: Attempts, leg: str) -> None:
        self._attempts, self._leg = attempts, leg
        self._suspects: Suspects = defaultdict(dict)
        self._careful: dict[int, tuple[int, int]] = {}  # first row and behind the last of partitions, by number
        self._gate = Gate()
        self._changing = threading.Lock()

    def begin(self, number: int, start: int, stop: int) -> Begun:
        """A partition of rows `start` to `stop` is begun. Raises KeepsCrashing."""
        node = ray.get_runtime_context().get_node_id()
        begun = self._begun(number, node) or Begun(0, {})
        if begun.deaths:
            with self._changing:
                self._careful[number] = (start, stop)
                for step, rows in begun.suspects.items():
                    self._suspects[step].update(doubled(rows))
        return begun

    def end(self, number: int, working: frozenset[str] = frozenset()) -> None:
        """A partition is done. working: steps that have worked in this process."""
        with contextlib.suppress(*_LOST):
            self._attempts.tell("end", self._leg, number, working)
        with self._changing:
            self._careful.pop(number, None)

    def _begun(self, number: int, node: str) -> Begun | None:
        """What the record answers; None where it is lost, which no row is to pay for. Raises KeepsCrashing.

        A call that came through though its answer did not counts as a death when it is made again: its rows are then
        recorded, no more.
        """
        for left in reversed(range(_TRIES)):
            try:
                begun: Begun = self._attempts.call("begin", self._leg, number, node)
                return begun
            except _LOST as error:
                if not left:
                    _log.warning("partition %d of %s goes on unrecorded: %s", number, self._leg, error)
                else:
                    time.sleep(_PAUSE_S)
        return None

    def suspects(self, step: str) -> Mapping[Rows, int]:
        """How many deaths rows of a step were in hand at; it grows as partitions are begun."""
        return self._suspects[step]

    @contextlib.contextmanager
    def in_hand(self, step: str, first: int, last: int) -> Iterator[None]:
        """Around work on rows `first` to `last` (inclusive)."""
        number = self._partition_of(first)
        if number is None:
            with self._gate.passing(alone=False):
                yield
            return
        held = (self._leg, number, step, (first, last))
        with self._gate.passing(alone=(first, last) in self._suspects[step]):
            with contextlib.suppress(*_LOST):
                self._attempts.call("hold", *held)
            try:
                yield
            finally:
                with contextlib.suppress(*_LOST):
                    self._attempts.call("release", *held)

    def abandon(self, thread: int) -> None:
        """Lets nobody wait any more for a thread that is left behind."""
        self._gate.leave(thread)

    def _partition_of(self, row: int) -> int | None:
        return next((n for n, (start, stop) in tuple(self._careful.items()) if start <= row < stop), None)


def _living() -> set[str]:
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}
