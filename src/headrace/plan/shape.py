"""What a job asks for by default on a cluster of a given shape; docs/cluster-defaults.md has it as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from headrace.plan import sizing
from headrace.plan.cluster import Cluster

Kind = Literal["model", "class"]

# A model on CPUs takes this part of a node's cores by Ray's count, and in truth whatever is idle: its runtime has one
# stream a core. On 2 cores 0.25, 0.5 and 1 CPUs differed by no more than runs do (bench/peers/_ray.py); this is 0.5.
CPU_MODEL_SHARE = 0.25
_LEAST_SHARE = 0.25
# Reading, decoding and resizing is one task, bound by the CPU: 1.4-2.5 ms of a core a photo.
READ_CPUS = 1.0
# Tasks that write must find room while readers hold all CPUs, or neither would get on.
WRITE_CPUS = 0.0
# A GPU's worker waits for its GPU. Each CPU that Ray sets aside for one is a reader less, and where a node has no more
# CPUs than GPUs, GPUs would idle (ray issue 33908).
GPU_MODEL_CPUS = 0.0
CLASS_CPUS = 1.0  # a Python class holds the GIL
PHOTO_BYTES = 224 * 224 * 3  # uint8, as it crosses the object store


@dataclass(frozen=True, slots=True)
class Defaults:
    """What each worker asks for, and how many there are.

    model_workers: at least and at most. readers: tasks at once beside the model's workers. batch_size: rows, or "auto".
    """

    model_workers: tuple[int, int]
    model_cpus: float
    model_gpus: float
    readers: int
    read_cpus: float
    post_cpus: float
    batch_size: int | Literal["auto"]

    def photo_partition_rows(self, rows: int) -> int:
        """Rows a partition of photos that a model of 224x224 pixels gets, until the first batch says what they cost."""
        batch = sizing.first_batch("cuda" if self.model_gpus else "cpu")
        slots = self.readers + self.model_workers[1]
        return sizing.shared_partition_rows(rows, 1.0, batch, 0.0, PHOTO_BYTES, sizing.MAX_PARTITION_BYTES, slots)


def defaults(cluster: Cluster, kind: Kind = "model", *, num_gpus: float | None = None) -> Defaults:
    """What a job with one model asks for where its user says nothing.

    kind: "model", which a runtime runs, or "class", the user's own Python class, which gets no GPU unasked. num_gpus:
    of each worker, where the user says that and nothing else.
    """
    gpus = num_gpus if num_gpus is not None else (min(1.0, cluster.gpus) if kind == "model" else 0.0)
    if gpus > 0:
        workers = max(1, gpu_workers(cluster, gpus))
        pool, cpus = (workers, workers), GPU_MODEL_CPUS
    elif kind == "model":
        nodes = max(1, sum(node.cpus > 0 for node in cluster.nodes))
        pool, cpus = (nodes, nodes), cpu_model_cpus(cluster)
    else:
        pool, cpus = (1, max(1, math.floor(cluster.cpus) - 1)), CLASS_CPUS
    return Defaults(
        model_workers=pool,
        model_cpus=cpus,
        model_gpus=gpus,
        readers=_readers(cluster, cpus, workers_a_node=1 if kind == "model" else 0),
        read_cpus=READ_CPUS,
        post_cpus=WRITE_CPUS,
        batch_size=sizing.STAGE_BATCH if kind == "class" else "auto" if gpus else sizing.CPU_BATCH,
    )


def gpu_workers(cluster: Cluster, num_gpus: float) -> int:
    """Workers that the GPUs of all nodes hold: one a GPU, several where each takes a fraction."""
    if num_gpus >= 1:
        return sum(math.floor(node.gpus / num_gpus) for node in cluster.nodes)
    return sum(math.floor(node.gpus) * math.floor(1 / num_gpus + 1e-9) for node in cluster.nodes)


def cpu_model_cpus(cluster: Cluster) -> float:
    """CPUs that a model's worker takes by Ray's count, on a cluster without GPUs."""
    smallest = min((node.cpus for node in cluster.nodes if node.cpus > 0), default=1.0)
    return max(_LEAST_SHARE, smallest * CPU_MODEL_SHARE)


def _readers(cluster: Cluster, model_cpus: float, *, workers_a_node: int) -> int:
    """Readers that find room at once beside the pool's least: a worker a node, or a single one."""
    taken = model_cpus * workers_a_node
    room = sum(math.floor((node.cpus - taken) / READ_CPUS) for node in cluster.nodes if node.cpus > 0)
    return max(1, room - (0 if workers_a_node else math.ceil(model_cpus)))
