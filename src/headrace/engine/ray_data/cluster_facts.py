"""The facts of the Ray cluster that this process is connected to."""

from __future__ import annotations

from typing import Any

import ray

from headrace.plan.cluster import Cluster, Node

_OWN = ("CPU", "GPU", "memory", "object_store_memory")


def this_cluster() -> Cluster:
    """Reads the nodes that are alive, in the order of their names. GPUs are Ray's logical ones."""
    alive = [_node(told) for told in ray.nodes() if told["Alive"]]
    return Cluster(tuple(sorted(alive, key=lambda node: node.name)))


def _node(told: dict[str, Any]) -> Node:
    resources: dict[str, float] = told["Resources"]
    return Node(
        name=node_name(told),
        cpus=resources.get("CPU", 0.0),
        gpus=resources.get("GPU", 0.0),
        memory_bytes=int(resources.get("memory", 0)),
        object_store_bytes=int(resources.get("object_store_memory", 0)),
        resources={k: v for k, v in resources.items() if k not in _OWN},
        labels=dict(told.get("Labels", {})),
    )


def node_name(told: dict[str, Any]) -> str:
    """The name that a node was given, or its address; `told` is a line of `ray.nodes()`."""
    return str(told.get("NodeName") or told["NodeManagerAddress"])
