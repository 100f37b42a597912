"""Whether every node sees the files that a job names by local paths, asked before work starts."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from headrace.core.errors import BadCluster, BadInput, BadOutput
from headrace.engine.ray_data.cluster_facts import node_name

_ANSWER_S = 60.0  # a node starts a worker for its answer: 1-2 s, longer on a busy one
_PATIENCE_S = 2.0  # a network file system may show a new file late
_SHARED = "a folder that all nodes share, or s3://"


@dataclass(frozen=True, slots=True)
class Sight:
    """What the nodes said of one path. blind: those that do not see it as the driver does; nodes: how many answered."""

    path: str
    blind: tuple[str, ...]
    nodes: int

    def __str__(self) -> str:
        if len(self.blind) == self.nodes:
            return f"is local to this machine: none of the cluster's nodes ({', '.join(self.blind)}) sees it"
        do = "does" if len(self.blind) == 1 else "do"
        seeing = self.nodes - len(self.blind)
        return f"is local to {seeing} of {self.nodes} nodes: {', '.join(self.blind)} {do} not see it"


def require_seen(*, inputs: Mapping[str, int], out: Path | None) -> None:
    """Raises BadInput or BadOutput where some node does not see what the driver does; on one node
    it asks nothing.

    inputs: local paths and their sizes in bytes; a few of them stand for all. out: a local folder, made if need be, in
    which a file is written and removed again. Raises BadCluster when headrace cannot be loaded on a node.
    """
    if len(_alive()) < 2 and not ray.util.client.ray.is_connected():
        return
    marker = None
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        marker = out / f"seen-{uuid.uuid4().hex}"
        marker.write_bytes(b"seen")
    try:
        asked = dict(inputs) | ({str(marker): 4} if marker is not None else {})
        sights = unseen(asked)
    finally:
        if marker is not None:
            marker.unlink(missing_ok=True)
    for sight in sights:
        if marker is not None and sight.path == str(marker):
            raise BadOutput(str(out), str(sight), f"write to {_SHARED}")
        raise BadInput(sight.path, str(sight), f"put the input into {_SHARED}")


def unseen(sizes: Mapping[str, int]) -> list[Sight]:
    """The paths that not every node sees with these sizes, in bytes. A node that gives no answer, as it dies, is left
    out. Raises BadCluster when headrace cannot be loaded on a node."""
    answers = {}
    for node in _alive():
        pinned = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        answers[_sees.options(scheduling_strategy=pinned).remote(dict(sizes), _PATIENCE_S)] = node_name(node)
    ready, _ = ray.wait(list(answers), num_returns=len(answers), timeout=_ANSWER_S)
    told = [(answers[answer], _told(answer, answers[answer])) for answer in ready]
    return blindness(list(sizes), [(name, seen) for name, seen in told if seen is not None])


def blindness(paths: Sequence[str], told: Sequence[tuple[str, Mapping[str, bool]]]) -> list[Sight]:
    """What follows from the nodes' answers: of each its name, and which paths it sees."""
    sights = [Sight(path, tuple(name for name, seen in told if not seen[path]), len(told)) for path in paths]
    return [sight for sight in sights if sight.blind]


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _told(answer: Any, name: str) -> dict[str, bool] | None:
    """A node's answer; None when the node is lost."""
    try:
        seen: dict[str, bool] = ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        what = f"a task failed there: {error.cause}"
        raise BadCluster(name, what, "install headrace[ray] on every node, in the same version") from error
    except ray.exceptions.RayError:
        return None
    return seen


def _look(sizes: dict[str, int], patience_s: float) -> dict[str, bool]:
    until = time.monotonic() + patience_s
    while True:
        seen = {path: _size(path) == size for path, size in sizes.items()}
        if all(seen.values()) or time.monotonic() > until:
            return seen
        time.sleep(0.1)


_sees = ray.remote(num_cpus=0, max_retries=0)(_look)


def _size(path: str) -> int | None:
    try:
        return Path(path).stat().st_size
    except OSError:
        return None
