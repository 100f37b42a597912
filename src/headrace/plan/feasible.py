"""Whether a cluster has room for what the stages ask for. Where it has not, Ray would wait for ever."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.plan.cluster import Cluster, Node, counted_nodes
from headrace.plan.packing import Demand, packed, rooms, selects

__all__ = ["Demand", "unmet"]


def unmet(demands: Sequence[Demand], cluster: Cluster) -> str | None:
    """Which stage asks for more than the cluster has, and what to do, in one sentence; None when all can be placed.

    All pools' workers must find room at once, and leave room for one task of each stage that is no pool. Other work on
    the cluster is not counted: it ends. Nodes that an autoscaler would add are not known.
    """
    for demand in demands:
        alone = _unmet_alone(demand, cluster)
        if alone is not None:
            return alone
    pools = [demand for demand in demands if demand.is_pool]
    tasks = [demand for demand in demands if not demand.is_pool]
    for pool in pools:
        if not packed([pool], rooms(cluster)):
            return f"{pool.stage} asks for {_asks(pool)}; {_short(pool, cluster)}; ask for fewer, or add nodes"
    if not packed(pools, rooms(cluster)):
        asked = ", ".join(f"{pool.stage} for {_asks(pool)}" for pool in pools)
        return f"the pools do not fit at once: {asked}; {_has(cluster)}; ask for fewer, or add nodes"
    if not packed(pools, rooms(cluster), tasks):
        return _no_room_left(pools, tasks, cluster)
    return None


def _unmet_alone(demand: Demand, cluster: Cluster) -> str | None:
    """What keeps one single worker or task from running on an empty cluster."""
    asks = f"{demand.stage} asks for {_each(demand)}"
    if demand.num_gpus > 1 and demand.num_gpus != int(demand.num_gpus):
        return f"{asks}; more than one GPU must be a whole number; ask for {int(demand.num_gpus)}"
    meant = [node for node in cluster.nodes if selects(demand.label_selector, node.labels)]
    if not meant:
        return f"{asks}; there is none ({_labels(demand, cluster)}); change label_selector, or label a node"
    most = {"CPU": max(node.cpus for node in meant), "GPU": max(int(node.gpus) for node in meant)}
    wanted = {"CPU": demand.num_cpus, "GPU": demand.num_gpus} | dict(demand.resources)
    of = " with these labels" if demand.label_selector else ""
    for name, amount in wanted.items():
        largest = most.get(name, max(node.resources.get(name, 0.0) for node in meant))
        if amount > 0 and largest == 0:
            return f"{asks}; no node{of} has any {name}; ask for what there is, or add a node that has it"
        if amount > largest:
            total = sum(_amount(node, name) for node in meant)
            of_all = f"{total:g} on {counted_nodes(len(meant))}"
            has = f"the largest node{of} has {largest:g} {_plural(name, largest)} ({of_all})"
            return f"{asks}; {has}; ask for less, or add a larger node"
    if not any(room.fits(demand) for room in rooms(cluster)):
        return f"{asks}; no node{of} has all of that at once; ask for less, or add a node that has it"
    return None


def _no_room_left(pools: Sequence[Demand], tasks: Sequence[Demand], cluster: Cluster) -> str:
    """Which task stage the pools leave no room for; of those that find room one by one, all are named."""
    crowded_out = [task for task in tasks if not packed(pools, rooms(cluster), [task])] or list(tasks)
    asked = " and ".join(f"{task.stage} asks for {_each(task)}" for task in crowded_out)
    taken = ", ".join(f"{_asks(pool)} of {pool.stage}" for pool in pools)
    return (
        f"{asked}, and no room is left for it beside {taken}; {_has(cluster)}; "
        "ask for fewer workers or less for each, or add nodes"
    )


def _short(pool: Demand, cluster: Cluster) -> str:
    """What a pool that does not fit is short of: the first that is too little in all, else the places for it."""
    meant = [node for node in cluster.nodes if selects(pool.label_selector, node.labels)]
    for name, amount in {"GPU": pool.num_gpus, **pool.resources, "CPU": pool.num_cpus}.items():
        having = [node for node in meant if _amount(node, name) > 0]
        total = sum(_amount(node, name) for node in having)
        if amount * pool.workers > total:
            where = f"{len(having)} of {counted_nodes(len(cluster.nodes))}"
            return f"the cluster has {total:g} {_plural(name, total)} for it on {where}"
    return f"no more than {_most(pool, cluster)} of them fit on its {counted_nodes(len(cluster.nodes))}"


def _most(pool: Demand, cluster: Cluster) -> int:
    free = rooms(cluster)
    count = 0
    while fitting := [room for room in free if room.fits(pool)]:
        fitting[0].take(pool)
        count += 1
    return count


def _asks(pool: Demand) -> str:
    workers = "1 worker" if pool.workers == 1 else f"{pool.workers} workers"
    each = "" if pool.workers == 1 else " each"
    return f"{workers} with {_amounts(pool)}{each}{_where(pool)}"


def _where(demand: Demand) -> str:
    labels = [f"{key}={value}" for key, value in demand.label_selector.items()]
    return f" on nodes with {' and '.join(labels)}" if labels else ""


def _each(demand: Demand) -> str:
    return f"{_amounts(demand)} a {'worker' if demand.is_pool else 'task'}{_where(demand)}"


def _amounts(demand: Demand) -> str:
    amounts = {"GPU": demand.num_gpus, "CPU": demand.num_cpus, **demand.resources}
    told = [f"{amount:g} {_plural(name, amount)}" for name, amount in amounts.items() if amount]
    return " and ".join(told) or "nothing"


def _labels(demand: Demand, cluster: Cluster) -> str:
    labels = [(key, node.labels.get(key)) for node in cluster.nodes for key in demand.label_selector]
    seen = sorted({f"{key}={value}" for key, value in labels if value is not None})
    return ", ".join(seen) if seen else "no node has the label " + ", ".join(demand.label_selector)


def _has(cluster: Cluster) -> str:
    cpus, gpus = cluster.cpus, cluster.gpus
    return (
        f"the cluster has {cpus:g} {_plural('CPU', cpus)} and {gpus:g} {_plural('GPU', gpus)} "
        f"on {counted_nodes(len(cluster.nodes))}"
    )


def _amount(node: Node, name: str) -> float:
    own = {"CPU": node.cpus, "GPU": node.gpus}
    return own[name] if name in own else node.resources.get(name, 0.0)


def _plural(name: str, amount: float) -> str:
    return f"{name}s" if name in ("CPU", "GPU") and amount > 1 else name
