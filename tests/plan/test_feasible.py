"""Whether a cluster has room for what stages ask for, and what is said where it has not."""

from collections.abc import Mapping, Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.plan.cluster import Cluster, Node
from headrace.plan.feasible import Demand, unmet
from headrace.plan.packing import selects

MIXED = Cluster(
    (
        Node("a", 4),
        Node("b", 4, gpus=1, labels={"tier": "gpu"}),
        Node("c", 2, resources={"special": 1}),
    )
)
ON_ITS_NODES = "the cluster has 10 CPUs and 1 GPU on 3 nodes"


def test_totals_are_those_of_all_nodes() -> None:
    cluster = Cluster((Node("a", 4, 1, 100, 10), Node("b", 0.5, 0, 50, 5)))
    assert (cluster.cpus, cluster.gpus, cluster.memory_bytes, cluster.object_store_bytes) == (4.5, 1, 150, 15)


@pytest.mark.parametrize(
    "demands",
    [
        [],
        [Demand("infer", 1, 1, 1), Demand("read", is_pool=False)],
        [Demand("infer", 4, 0, 0.25)],
        [Demand("infer", 2, 0, 0.25), Demand("embed", 1, 0, 0.5)],
        [Demand("infer", 2, 0.5, label_selector={"tier": "!gpu"}), Demand("read", num_cpus=4, is_pool=False)],
        [Demand("infer", 1, 4, 1), Demand("post", 1, 4), Demand("read", num_cpus=2, is_pool=False)],
        [Demand("infer", 1, 2, resources={"special": 1})],
        [Demand("infer", 10, 1)],
        [Demand("infer", 1, 4), Demand("read", 8, 4, is_pool=False)],
    ],
)
def test_what_fits_is_let_through(demands: list[Demand]) -> None:
    assert unmet(demands, MIXED) is None


@pytest.mark.parametrize(
    ("demands", "told"),
    [
        (
            [Demand("infer", 2, 0, 1)],
            "infer asks for 2 workers with 1 GPU each; the cluster has 1 GPU for it on 1 of 3 nodes; ask for fewer, "
            "or add nodes",
        ),
        (
            [Demand("infer", 1, 8)],
            "infer asks for 8 CPUs a worker; the largest node has 4 CPUs (10 on 3 nodes); ask for less, or add a "
            "larger node",
        ),
        (
            [Demand("infer", 1, 1, 1.5)],
            "infer asks for 1.5 GPUs and 1 CPU a worker; more than one GPU must be a whole number; ask for 1",
        ),
        (
            [Demand("infer", 1, 1, label_selector={"tier": "cpu"})],
            "infer asks for 1 CPU a worker on nodes with tier=cpu; there is none (tier=gpu); change label_selector, or "
            "label a node",
        ),
        (
            [Demand("infer", 1, 1, label_selector={"zone": "in(a, b)"})],
            "infer asks for 1 CPU a worker on nodes with zone=in(a, b); there is none (no node has the label zone); "
            "change label_selector, or label a node",
        ),
        (
            [Demand("infer", 1, 1, resources={"fpga": 1})],
            "infer asks for 1 CPU and 1 fpga a worker; no node has any fpga; ask for what there is, or add a node that "
            "has it",
        ),
        (
            [Demand("read", num_cpus=1, num_gpus=1, label_selector={"tier": "!gpu"}, is_pool=False)],
            "read asks for 1 GPU and 1 CPU a task on nodes with tier=!gpu; no node with these labels has any GPU; ask "
            "for what there is, or add a node that has it",
        ),
        (
            [Demand("infer", 1, 3, resources={"special": 1})],
            "infer asks for 3 CPUs and 1 special a worker; no node has all of that at once; ask for less, or add a "
            "node that has it",
        ),
        (
            [Demand("infer", 3, 3)],
            "infer asks for 3 workers with 3 CPUs each; no more than 2 of them fit on its 3 nodes; ask for fewer, or "
            "add nodes",
        ),
        (
            [Demand("infer", 1, 0, 0.5), Demand("embed", 1, 0, 0.75)],
            "the pools do not fit at once: infer for 1 worker with 0.5 GPU, embed for 1 worker with 0.75 GPU; "
            f"{ON_ITS_NODES}; ask for fewer, or add nodes",
        ),
        (
            [Demand("infer", 10, 1), Demand("read", is_pool=False)],
            "read asks for 1 CPU a task, and no room is left for it beside 10 workers with 1 CPU each of infer; "
            f"{ON_ITS_NODES}; ask for fewer workers or less for each, or add nodes",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_what_there_is_and_what_to_do(demands: list[Demand], told: str) -> None:
    assert unmet(demands, MIXED) == told


@pytest.mark.parametrize(
    ("wanted", "label", "meant"),
    [
        ("gpu", "gpu", True),
        ("gpu", "cpu", False),
        ("gpu", None, False),
        ("!gpu", "cpu", True),
        ("!gpu", None, True),
        ("in(gpu, tpu)", "tpu", True),
        ("in(gpu,tpu)", "cpu", False),
        ("!in(gpu,tpu)", "tpu", False),
        ("!in(gpu,tpu)", None, True),
    ],
)
def test_label_selectors_mean_the_nodes_that_ray_means(wanted: str, label: str | None, meant: bool) -> None:
    assert selects({"tier": wanted}, {} if label is None else {"tier": label}) is meant


def test_a_placement_that_first_fit_misses_is_found() -> None:
    cluster = Cluster((Node("a", 6), Node("b", 6)))
    assert unmet([Demand("x", 2, 3), Demand("y", 3, 2)], cluster) is None
    assert unmet([Demand("x", 2, 2.5), Demand("y", 3, 2)], Cluster((Node("a", 6.5), Node("b", 5)))) is None


def test_many_workers_are_judged() -> None:
    cluster = Cluster(tuple(Node(f"n{i}", 16, gpus=8) for i in range(50)))
    assert unmet([Demand("infer", 400, 1, 1), Demand("read", is_pool=False)], cluster) is None
    assert "infer asks for 401 workers" in str(unmet([Demand("infer", 401, 1, 1)], cluster))


_AMOUNTS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0])
_GPUS = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 2.0])
_NODES = st.builds(
    Node,
    st.just("n"),
    st.sampled_from([1.0, 2.0, 3.0]),
    st.sampled_from([0.0, 1.0, 2.0]),
    resources=st.sampled_from([{}, {"special": 1.0}]),
    labels=st.sampled_from([{}, {"tier": "x"}]),
)
_DEMANDS = st.builds(
    Demand,
    st.just("s"),
    st.integers(1, 2),
    _AMOUNTS,
    _GPUS,
    st.sampled_from([{}, {"special": 1.0}]),
    st.sampled_from([{}, {"tier": "x"}, {"tier": "!x"}]),
    st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_DEMANDS, min_size=1, max_size=3), st.lists(_NODES, min_size=1, max_size=3))
def test_what_is_let_through_can_be_placed_and_what_is_not_cannot(demands: list[Demand], nodes: list[Node]) -> None:
    assert (unmet(demands, Cluster(tuple(nodes))) is None) == _can_be_placed(demands, nodes)


def _can_be_placed(demands: Sequence[Demand], nodes: Sequence[Node]) -> bool:
    """Tries every way to put the pools' workers on slots (a node, and one of its GPUs for a part of one)."""
    workers = [demand for demand in demands if demand.is_pool for _ in range(demand.workers)]
    tasks = [demand for demand in demands if not demand.is_pool]
    slots = [(n, gpu) for n, node in enumerate(nodes) for gpu in range(max(1, int(node.gpus)))]
    for ways in product(slots, repeat=len(workers)):
        load = list(zip(workers, ways, strict=True))
        if _holds(load, nodes) and all(any(_holds([*load, (task, slot)], nodes) for slot in slots) for task in tasks):
            return True
    return False


def _holds(load: Sequence[tuple[Demand, tuple[int, int]]], nodes: Sequence[Node]) -> bool:
    return all(_node_holds([(d, gpu) for d, (at, gpu) in load if at == n], node) for n, node in enumerate(nodes))


def _node_holds(load: Sequence[tuple[Demand, int]], node: Node) -> bool:
    parts = [sum(d.num_gpus for d, at in load if d.num_gpus < 1 and at == gpu) for gpu in range(int(node.gpus))]
    whole = sum(d.num_gpus for d, _ in load if d.num_gpus >= 1)
    return (
        all(_is_meant(d.label_selector, node.labels) for d, _ in load)
        and sum(d.num_cpus for d, _ in load) <= node.cpus
        and sum(d.resources.get("special", 0) for d, _ in load) <= node.resources.get("special", 0)
        and (not any(d.num_gpus for d, _ in load) or node.gpus > 0)
        and all(part <= 1 for part in parts)
        and whole <= sum(part == 0 for part in parts)
    )


def _is_meant(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return (selector.get("tier") != "x" or "tier" in labels) and (selector.get("tier") != "!x" or "tier" not in labels)
