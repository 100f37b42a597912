"""Where workers find room on a cluster's nodes, counted as Ray counts: amounts to four decimals, GPUs one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.plan.cluster import Cluster, Node

_UNIT = 10_000
_OWN_LABEL = "ray.io/node-id"
_MOST_SEARCHED = 40
_MOST_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Demand:
    """What a stage asks for: `workers` at once where it is a pool (its least), otherwise one task at a time at least.

    num_cpus, num_gpus, resources: of each worker or task. label_selector: as Ray's: "v", "!v", "in(v, w)", "!in(v, w)".
    """

    stage: str
    workers: int = 1
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    label_selector: Mapping[str, str] = field(default_factory=dict)
    is_pool: bool = True


class Room:
    """What is free on one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._free = {"CPU": _units(node.cpus)} | {name: _units(amount) for name, amount in node.resources.items()}
        self._gpus = [_UNIT] * int(node.gpus)

    def fits(self, demand: Demand) -> bool:
        """Whether one worker of it finds room here."""
        return (
            selects(demand.label_selector, self.node.labels)
            and all(self._free.get(name, 0) >= amount for name, amount in _amounts(demand).items())
            and self._gpus_for(demand) is not None
        )

    def take(self, demand: Demand) -> Callable[[], None]:
        """Places one worker that fits; calling what comes back takes it away again."""
        amounts, gpus = _amounts(demand), self._gpus_for(demand)
        assert gpus is not None
        share = min(_units(demand.num_gpus), _UNIT)
        self._change(amounts, gpus, share, -1)
        return lambda: self._change(amounts, gpus, share, +1)

    def state(self) -> str:
        """Equal for nodes between which it makes no difference."""
        labels = {key: value for key, value in self.node.labels.items() if key != _OWN_LABEL}
        return repr((sorted(self._free.items()), sorted(self._gpus), sorted(labels.items())))

    def waste(self, demand: Demand) -> tuple[int, int]:
        """What this node has that others may need more: GPUs, resources of the user's own."""
        unasked = [name for name in self._free if name != "CPU" and name not in demand.resources]
        return (len(self._gpus) if demand.num_gpus == 0 else 0), len(unasked)

    def _change(self, amounts: Mapping[str, int], gpus: Sequence[int], share: int, sign: int) -> None:
        for name, amount in amounts.items():
            self._free[name] += sign * amount
        for gpu in gpus:
            self._gpus[gpu] += sign * share

    def _gpus_for(self, demand: Demand) -> list[int] | None:
        """The GPUs that a worker would get: whole ones, or a part of the fullest that has it; None without room."""
        asked = _units(demand.num_gpus)
        if asked == 0:
            return []
        if asked >= _UNIT:
            whole = [gpu for gpu, free in enumerate(self._gpus) if free == _UNIT]
            count = asked // _UNIT
            return whole[:count] if len(whole) >= count and asked % _UNIT == 0 else None
        enough = [gpu for gpu, free in enumerate(self._gpus) if free >= asked]
        return [min(enough, key=self._gpus.__getitem__)] if enough else None


def rooms(cluster: Cluster) -> list[Room]:
    """The nodes with nothing on them."""
    return [Room(node) for node in cluster.nodes]


def packed(pools: Sequence[Demand], free: Sequence[Room], tasks: Sequence[Demand] = ()) -> bool:
    """Whether all workers of all pools find room at once, with room left for a task of each of `tasks`.

    If so, `free` is what they leave. First-fit decreasing; up to 40 workers, other placements are tried where that
    fails, of which 20,000 steps may miss one.
    """
    largest_first = sorted(pools, key=lambda d: (d.num_gpus, len(d.resources), d.num_cpus), reverse=True)
    workers = [demand for demand in largest_first for _ in range(demand.workers)]
    if _first_fit(workers, free, tasks):
        return True
    return len(workers) <= _MOST_SEARCHED and _search(workers, free, tasks, iter(range(_MOST_STEPS)))


def _first_fit(workers: Sequence[Demand], free: Sequence[Room], tasks: Sequence[Demand]) -> bool:
    undoing = []
    for worker in workers:
        fitting = [room for room in free if room.fits(worker)]
        if not fitting:
            break
        undoing.append(min(fitting, key=lambda room: room.waste(worker)).take(worker))
    if len(undoing) == len(workers) and _leaves_room(free, tasks):
        return True
    for undo in reversed(undoing):
        undo()
    return False


def _search(workers: Sequence[Demand], free: Sequence[Room], tasks: Sequence[Demand], steps: Iterator[int]) -> bool:
    if not workers:
        return _leaves_room(free, tasks)
    tried = set()
    for room in sorted((room for room in free if room.fits(workers[0])), key=lambda room: room.waste(workers[0])):
        if (state := room.state()) in tried:
            continue
        if next(steps, None) is None:
            return False
        tried.add(state)
        undo = room.take(workers[0])
        if _search(workers[1:], free, tasks, steps):
            return True
        undo()
    return False


def _leaves_room(free: Sequence[Room], tasks: Sequence[Demand]) -> bool:
    return all(any(room.fits(task) for room in free) for task in tasks)


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a node with these labels is meant. A node without the label is meant by what is negated only."""
    return all(_is_meant(wanted, labels.get(key)) for key, wanted in selector.items())


def _is_meant(wanted: str, got: str | None) -> bool:
    positive = wanted.removeprefix("!")
    values = positive[3:-1].split(",") if positive.startswith("in(") else [positive]
    return (got in [value.strip() for value in values]) is not wanted.startswith("!")


def _amounts(demand: Demand) -> dict[str, int]:
    amounts = {"CPU": demand.num_cpus, **demand.resources}
    return {name: _units(amount) for name, amount in amounts.items() if _units(amount)}


def _units(amount: float) -> int:
    return round(amount * _UNIT)
