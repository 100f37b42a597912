"""Defaults by a cluster's shape: the rules, and the page that shows them."""

from pathlib import Path

import pytest

from headrace.bench.cluster_defaults import SHAPES, page
from headrace.plan.cluster import Cluster, Node
from headrace.plan.feasible import Demand, unmet
from headrace.plan.shape import PHOTO_BYTES, Kind, defaults

MIB = 1 << 20


def test_the_page_shows_what_the_code_does() -> None:
    assert (Path(__file__).parents[2] / "docs/cluster-defaults.md").read_text() == page() + "\n"


@pytest.mark.parametrize(
    ("shape", "workers", "cpus", "gpus", "readers", "batch"),
    [
        ("1 node of 2 CPUs", 1, 0.5, 0, 1, 4),
        ("1 node of 16 CPUs", 1, 4, 0, 12, 4),
        ("4 nodes of 16 CPUs", 4, 4, 0, 48, 4),
        ("1 GPU: 1 node of 4 CPUs", 1, 0, 1, 4, "auto"),
        ("2 GPUs: 1 node of 16 CPUs", 2, 0, 1, 16, "auto"),
        ("4 GPUs: 1 node of 48 CPUs", 4, 0, 1, 48, "auto"),
        ("8 GPUs: 1 node of 8 CPUs", 8, 0, 1, 8, "auto"),
        ("16 GPUs: 4 nodes of 48 CPUs", 16, 0, 1, 192, "auto"),
        ("16 GPUs: those, and 4 nodes of 64 CPUs without", 16, 0, 1, 448, "auto"),
    ],
)
def test_a_model_gets_every_gpu_or_one_worker_a_node(
    shape: str, workers: int, cpus: float, gpus: float, readers: int, batch: int | str
) -> None:
    chosen = defaults(SHAPES[shape])
    assert chosen.model_workers == (workers, workers)
    assert (chosen.model_cpus, chosen.model_gpus) == (cpus, gpus)
    assert (chosen.readers, chosen.batch_size) == (readers, batch)


def test_a_class_gets_cpus_and_leaves_one_to_readers() -> None:
    chosen = defaults(Cluster((Node("a", 4, 1), Node("b", 4))), "class")
    assert (chosen.model_workers, chosen.model_cpus, chosen.model_gpus, chosen.readers) == ((1, 7), 1, 0, 7)


def test_a_fraction_of_a_gpu_puts_several_workers_on_each() -> None:
    cluster = Cluster((Node("a", 8, 2), Node("b", 8, 1)))
    assert defaults(cluster, num_gpus=0.25).model_workers == (12, 12)
    assert defaults(cluster, num_gpus=0.1).model_workers == (30, 30)
    assert defaults(cluster, num_gpus=0.4).model_workers == (6, 6)
    assert defaults(cluster, "class", num_gpus=2).model_workers == (1, 1)


@pytest.mark.parametrize("kind", ["model", "class"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_default_finds_room_on_its_cluster(shape: str, kind: Kind) -> None:
    chosen = defaults(SHAPES[shape], kind)
    demands = [
        Demand("read", num_cpus=chosen.read_cpus, is_pool=False),
        Demand("infer", chosen.model_workers[0], chosen.model_cpus, chosen.model_gpus),
        Demand("write", num_cpus=chosen.post_cpus, is_pool=False),
    ]
    assert unmet(demands, SHAPES[shape]) is None
    all_readers = Demand("read", chosen.readers, chosen.read_cpus)
    assert unmet([*demands[1:], all_readers], SHAPES[shape]) is None


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [1, 100, 10**4, 10**6, 10**9])
def test_a_partition_of_photos_travels_lightly_and_there_are_enough_of_them(shape: str, rows: int) -> None:
    chosen = defaults(SHAPES[shape])
    size = chosen.photo_partition_rows(rows)
    assert size * PHOTO_BYTES <= 40 * MIB or rows / size > 900_000
    assert rows / size <= 10**6
    slots = chosen.readers + chosen.model_workers[1]
    batch = 64 if chosen.model_gpus else 4
    assert size <= batch or rows / size >= 2 * slots
