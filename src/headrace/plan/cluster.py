"""A cluster, as facts that decisions take: its nodes and what each of them offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Node:
    """What the cluster's scheduler counts on one node, which need not be what the machine has.

    cpus, gpus: logical. memory_bytes: for tasks and actors. object_store_bytes: for what stages hand on.
    resources: named ones of the user's own. labels: what a label selector chooses by.
    """

    name: str
    cpus: float
    gpus: float = 0.0
    memory_bytes: int = 0
    object_store_bytes: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes that are alive."""

    nodes: tuple[Node, ...]

    @property
    def cpus(self) -> float:
        """Logical CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        """Logical GPUs of all nodes."""
        return sum(node.gpus for node in self.nodes)

    @property
    def memory_bytes(self) -> int:
        """Memory for tasks and actors on all nodes."""
        return sum(node.memory_bytes for node in self.nodes)

    @property
    def object_store_bytes(self) -> int:
        """The object stores of all nodes."""
        return sum(node.object_store_bytes for node in self.nodes)


def counted_nodes(count: int) -> str:
    """As text: "1 node", "2 nodes"."""
    return "1 node" if count == 1 else f"{count} nodes"
