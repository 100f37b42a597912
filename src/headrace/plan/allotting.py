"""What each leg's workers take of a cluster, by its shape: what the user did not choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from headrace.core.contracts import Inference
from headrace.core.needs import Needs
from headrace.plan.cluster import Cluster, counted_nodes
from headrace.plan.feasible import Demand, unmet
from headrace.plan.legs import Leg
from headrace.plan.plan import Choice
from headrace.plan.recipe import READ, WRITE, Recipe
from headrace.plan.shape import READ_CPUS, WRITE_CPUS, defaults

_LEAST_SHARE = 0.25  # of a CPU: more workers of one core only take turns


def allotted(
    legs: Sequence[Leg], recipe: Recipe, cluster: Cluster, *, model_workers: int | None = None
) -> tuple[Leg, ...]:
    """The legs with nothing left open that a cluster is asked for; model_workers: of a model that says nothing else."""
    models = {n for n, step in zip(recipe.names, recipe.steps, strict=True) if isinstance(step, Inference)}
    whole = tuple(replace(leg, needs=_needs(leg, leg.stages[0] in models, cluster, model_workers)) for leg in legs)
    if unmet(demands(whole), cluster) is None:
        return whole
    counted = [leg.needs.workers is not None or (model_workers is not None and leg.stages[0] in models) for leg in legs]
    return _squeezed(legs, whole, cluster, counted)


def _squeezed(legs: Sequence[Leg], whole: Sequence[Leg], cluster: Cluster, counted: Sequence[bool]) -> tuple[Leg, ...]:
    """Pools whose CPUs nobody chose get an equal part of what is left beside a reader, where that is less: on a small
    cluster several would find no room at once.

    counted: whether the user said how many workers there are. Several of them with less than a quarter of a CPU each
    are left as they are, which there is no room for.
    """
    open_pools = [leg.pooled and leg.needs.num_cpus is None for leg in legs]
    taken = [_least_cpus(leg) for leg, is_open in zip(whole, open_pools, strict=True) if leg.pooled and not is_open]
    workers = sum((leg.needs.workers or (1, 1))[0] for leg, is_open in zip(whole, open_pools, strict=True) if is_open)
    share = math.floor(100 * max(0.0, cluster.cpus - READ_CPUS - sum(taken)) / max(1, workers)) / 100
    return tuple(
        replace(leg, needs=replace(leg.needs, num_cpus=min(share, leg.needs.num_cpus or 0.0)))
        if is_open and not (has_count and share < _LEAST_SHARE and (leg.needs.workers or (1, 1))[0] > 1)
        else leg
        for leg, is_open, has_count in zip(whole, open_pools, counted, strict=True)
    )


def _least_cpus(leg: Leg) -> float:
    return (leg.needs.workers or (1, 1))[0] * (leg.needs.num_cpus or 0.0)


def _needs(leg: Leg, is_model: bool, cluster: Cluster, model_workers: int | None) -> Needs:
    needs = leg.needs
    if is_model and needs.workers is None and model_workers is not None:
        needs = replace(needs, workers=(model_workers, model_workers))
    if not leg.pooled:
        return _of_tasks(leg, needs, cluster)
    # A class is given no GPU unasked: it may not want one. A model is, where there are any.
    chosen = defaults(cluster, "model" if is_model else "class", num_gpus=needs.num_gpus)
    return replace(
        needs,
        num_gpus=chosen.model_gpus or None,
        num_cpus=chosen.model_cpus if needs.num_cpus is None else needs.num_cpus,
        workers=needs.workers or chosen.model_workers,
    )


def _of_tasks(leg: Leg, needs: Needs, cluster: Cluster) -> Needs:
    if WRITE in leg.stages and READ not in leg.stages:
        return replace(needs, num_cpus=WRITE_CPUS, workers=(1, max(1, math.ceil(cluster.cpus / 2))))
    return replace(needs, num_cpus=READ_CPUS if needs.num_cpus is None else needs.num_cpus)


def reader_slots(legs: Sequence[Leg], cluster: Cluster) -> int:
    """Tasks that read at once, at most: the CPUs that the pools' least workers leave."""
    each = legs[0].needs.num_cpus or READ_CPUS
    pools = sum(_least_cpus(leg) for leg in legs if leg.pooled)
    return max(1, math.floor((cluster.cpus - pools) / each))


def demands(legs: Sequence[Leg]) -> list[Demand]:
    """What must find room at once: every pool's least, and a task of each of the other legs."""
    return [
        Demand(
            stage=leg.stages[0] if leg.pooled else leg.name,
            workers=leg.needs.workers[0] if leg.pooled and leg.needs.workers is not None else 1,
            num_cpus=leg.needs.num_cpus or 0.0,
            num_gpus=leg.needs.num_gpus or 0.0,
            resources=leg.needs.resources,
            label_selector=leg.needs.labels,
            is_pool=leg.pooled,
        )
        for leg in legs
    ]


def leg_choices(legs: Sequence[Leg], cluster: Cluster) -> dict[str, Choice]:
    """What a plan says of the legs, by name."""
    return {leg.name: Choice(_shown(leg.needs), _why(leg, cluster)) for leg in legs}


def _shown(needs: Needs) -> str:
    least, most = needs.workers or (0, 0)
    workers = [] if not most else [f"workers:{most}" if least == most else f"workers:{least}-{most}"]
    amounts = [f"cpus:{needs.num_cpus:g}"] if needs.num_cpus is not None else []
    amounts += [f"gpus:{needs.num_gpus:g}"] if needs.num_gpus else []
    amounts += [f"{name}:{value:g}" for name, value in needs.resources.items()]
    return " ".join([*workers, *amounts, *(f"{label}={value}" for label, value in needs.labels.items())])


def _why(leg: Leg, cluster: Cluster) -> str:
    kind = "a pool of workers, each of which loads once" if leg.pooled else "tasks"
    nodes = counted_nodes(len(cluster.nodes))
    return f"{kind}; the cluster has {nodes}, {cluster.cpus:g} CPUs, {cluster.gpus:g} GPUs"
