"""How a model stage runs on a user's dataset: pure functions from what is asked and the cluster to choices."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headrace.core.contracts import Inference
from headrace.core.needs import Needs
from headrace.plan import sizing
from headrace.plan.agreement import Agreement
from headrace.plan.cluster import Cluster
from headrace.plan.packing import selects
from headrace.plan.plan import AUTO, Choice
from headrace.plan.recipe import Recipe

APART, TOGETHER = "apart", "together"
CORES = "its node's cores"
AS_THEY_COME = "as they come"
GPU_CALL_BYTES = 64 << 20
"""What a GPU's worker is given at once: 445 photos of 224x224, several of its batches."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A model stage's choices. layout: whether photos are prepared in tasks of their own (apart) or by the model's
    workers. workers: "N", or "N-M" where the pool grows. threads: of one worker. block_rows: rows it is given at once.
    """

    precision: Choice | None
    batch_size: Choice
    layout: Choice
    workers: Choice
    num_cpus: Choice
    num_gpus: Choice
    threads: Choice
    block_rows: Choice
    needs: Needs

    def choices(self) -> dict[str, Choice]:
        """Every choice by name, in reading order."""
        names = ("precision", "batch_size", "layout", "workers", "num_cpus", "num_gpus", "threads", "block_rows")
        return {name: choice for name in names if (choice := getattr(self, name)) is not None}


def choose(recipe: Recipe, asked: Needs, batch_size: int | str, precision: Choice | None, cluster: Cluster) -> Chosen:
    """What was given stays; the rest follows from the model's kind and the cluster's shape."""
    model = recipe.inference
    cluster = Cluster(tuple(node for node in cluster.nodes if selects(asked.labels, node.labels)))
    gpus = _gpus(asked, model, cluster)
    on_gpu = float(gpus.value) > 0
    least, most, why = _pool(asked, model, cluster, float(gpus.value))
    threads = _threads(asked, model, cluster, most, on_gpu=on_gpu)
    cpus = _cpus(asked, model, cluster, threads.value, on_gpu=on_gpu)
    size = _batch_size(batch_size, model, on_gpu=on_gpu)
    return Chosen(
        precision=precision,
        batch_size=size,
        layout=_layout(model, on_gpu=on_gpu),
        workers=Choice(str(least) if least == most else f"{least}-{most}", why, given=asked.workers is not None),
        num_cpus=cpus,
        num_gpus=gpus,
        threads=threads,
        block_rows=_block_rows(recipe, size, on_gpu=on_gpu),
        needs=Needs(float(cpus.value), float(gpus.value), asked.resources, asked.labels, (least, most)),
    )


def precision_choice(inference: Inference, kept: Agreement | None, *, here: bool) -> Choice:
    """fp32, unless a comparison of a former run says that a faster one keeps the answers.

    here: the workers run the model on the kind of device that this process has.
    """
    if inference.precision != AUTO:
        return Choice(inference.precision, "given", given=True)
    if not here:
        return Choice("fp32", "the workers' device is not this process's, whose comparisons say nothing of it")
    if kept is None:
        return Choice("fp32", "no run on this kind of machine has compared a faster one with it")
    return Choice(
        kept.precision if kept.kept else "fp32", f"from the cache of a former run: {kept}", measured=str(kept)
    )


def _gpus(asked: Needs, model: Inference | None, cluster: Cluster) -> Choice:
    if asked.num_gpus is not None:
        return Choice(asked.num_gpus, "given", given=True)
    if model is None:
        return Choice(0, "a class or function gets the GPUs that it asks for")
    if cluster.gpus >= 1:
        return Choice(1, f"one a worker: the cluster has {cluster.gpus:g}")
    return Choice(0, "the cluster has none")


def _pool(asked: Needs, model: Inference | None, cluster: Cluster, gpus: float) -> tuple[int, int, str]:
    if asked.workers is not None:
        return *asked.workers, "given"
    if gpus > 0:
        fit = sum(int(node.gpus / gpus) if gpus >= 1 else int(node.gpus) * int(1 / gpus) for node in cluster.nodes)
        return max(1, fit), max(1, fit), f"as many as the GPUs are enough for, {gpus:g} each, all from the start"
    if model is not None:
        count = len(_node_cpus(cluster))
        return count, count, "one a node: its threads share one copy of the model"
    most = max(1, int(cluster.cpus) - 1)
    return 1, most, "it grows to one a CPU, with one CPU left for the stages before it"


def _threads(asked: Needs, model: Inference | None, cluster: Cluster, most: int, *, on_gpu: bool) -> Choice:
    if asked.num_cpus is not None and asked.num_cpus > 0:
        return Choice(max(1, math.ceil(asked.num_cpus)), "as many as the CPUs that were given")
    if model is None or on_gpu:
        return Choice(1, "the GPU computes" if on_gpu else "Python code holds the GIL")
    cpus = _node_cpus(cluster)
    if most <= len(cpus):
        return Choice(CORES, "for decoding and for the model: whoever has work gets them")
    share = max(1, int(min(cpus)) // math.ceil(most / len(cpus)))
    return Choice(share, f"a node's {min(cpus):g} CPUs over its workers")


def _cpus(asked: Needs, model: Inference | None, cluster: Cluster, threads: object, *, on_gpu: bool) -> Choice:
    if asked.num_cpus is not None:
        return Choice(asked.num_cpus, "given", given=True)
    if on_gpu:
        return Choice(0, "reserving CPUs would leave GPUs idle where CPUs run out")
    if cluster.cpus < 2:
        return Choice(0, "the only CPU is left to the stages before it, which would wait for ever")
    if model is None:
        return Choice(1, "one Python worker uses no more")
    half = (threads if isinstance(threads, int) else min(_node_cpus(cluster))) / 2
    if half <= 1:
        return Choice(0.5, "a share: with 1 Ray would run the stages before it inside its workers")
    return Choice(half, "half of its threads: the stages before it can have the other half when they need it")


def _node_cpus(cluster: Cluster) -> list[float]:
    return [node.cpus for node in cluster.nodes if node.cpus > 0] or [1.0]


def _batch_size(asked: int | str, model: Inference | None, *, on_gpu: bool) -> Choice:
    if asked != AUTO:
        return Choice(asked, "given", given=True)
    if on_gpu and model is not None:
        return Choice(AUTO, f"every worker climbs from {sizing.STAGE_BATCH} while the model gets 5 % faster")
    if model is not None:
        return Choice(sizing.CPU_BATCH, "on CPUs larger batches cost more CPU a row: 18.4, 18.9, 19.3 ms at 4, 8, 16")
    return Choice(sizing.STAGE_BATCH, "the class or function asks for no other")


def _layout(model: Inference | None, *, on_gpu: bool) -> Choice:
    if model is None:
        return Choice(TOGETHER, "nothing to decode")
    if on_gpu:
        return Choice(APART, "tasks on any CPU decode and resize, so that a GPU's node gets pixels of the model's size")
    return Choice(TOGETHER, "decoding runs in threads beside the model: its pixels need not cross the object store")


def _block_rows(recipe: Recipe, batch_size: Choice, *, on_gpu: bool) -> Choice:
    """Ray puts blocks together, and cuts them, to a number of rows; without one they stay as they are."""
    least = 1 if batch_size.value == AUTO else int(batch_size.value)
    if recipe.inference is None:
        if on_gpu or batch_size.given:
            return Choice(least, "a batch: small blocks are put together to make one")
        return Choice(AS_THEY_COME, "no batch size was given")
    if on_gpu and recipe.slot is not None:
        rows = max(least, 1, GPU_CALL_BYTES // (3 * recipe.slot[0] * recipe.slot[1]))
        return Choice(rows, f"{GPU_CALL_BYTES >> 20} MiB of pixels, several batches; two are in the pipeline at a time")
    return Choice(AS_THEY_COME, "two blocks are in a worker's pipeline at a time, so their size matters little")
