"""A job is cut into legs: what belongs together stays together, what keeps something has a pool."""

from typing import Any

import pytest

import headrace as hr
from headrace import demo
from headrace.core.contracts import Inference
from headrace.plan.allotting import allotted, demands, leg_choices, reader_slots
from headrace.plan.cluster import Cluster, Node
from headrace.plan.feasible import unmet
from headrace.plan.legs import legs
from headrace.plan.recipe import Recipe, make_recipe


def f(batch: dict[str, Any]) -> dict[str, Any]:
    return batch


class A:
    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return batch


class B(A):
    pass


def items(*steps: Any, **options: Any) -> Recipe:
    rows = hr.from_items([{"x": 1}])
    for step in steps:
        rows = rows.map_batches(step, **options)
    return make_recipe(rows.job)


def cut(recipe: Recipe) -> list[tuple[str, ...]]:
    return [leg.stages for leg in legs(recipe)]


def test_functions_are_done_where_rows_are_read_and_written_at_once() -> None:
    assert cut(items(f, f)) == [("read", "prepare", "f", "f-2", "write")]


def test_every_class_has_a_pool_and_functions_stand_in_front_between_and_behind() -> None:
    assert cut(items(f, A, f, B, f)) == [("read", "prepare", "f"), ("A",), ("f-2",), ("B",), ("f-3", "write")]
    assert [leg.pooled for leg in legs(items(f, A, f, B, f))] == [False, True, False, True, False]


def test_function_that_asks_for_something_is_a_leg_of_its_own() -> None:
    assert cut(items(f, num_cpus=2)) == [("read", "prepare"), ("f",), ("write",)]


def test_photos_are_fitted_in_front_of_the_model_not_in_its_worker(tmp_path: Any, real_jpegs: Any) -> None:
    read = hr.read_images(real_jpegs[0])
    assert cut(make_recipe(read.infer(demo.MODEL).job)) == [("read", "prepare"), ("infer", "write")]
    behind = make_recipe(read.map_batches(f).infer(demo.MODEL).job)
    assert cut(behind) == [("read", "prepare", "f", "fit"), ("infer", "write")]
    between = make_recipe(read.map_batches(A).infer(demo.MODEL).map_batches(f).job)
    assert cut(between) == [("read", "prepare"), ("A",), ("fit",), ("infer",), ("f", "write")]
    assert isinstance(between.steps[1], Inference)


def allot(recipe: Recipe, *nodes: Node, model_workers: int | None = None) -> dict[str, Any]:
    cluster = Cluster(nodes)
    chosen = allotted(legs(recipe), recipe, cluster, model_workers=model_workers)
    assert unmet(demands(chosen), cluster) is None
    return {leg.name: leg.needs for leg in chosen}


@pytest.mark.parametrize("cpus", [1, 2, 3, 4, 64])
def test_any_number_of_classes_finds_room_on_a_cluster_of_any_size(cpus: int) -> None:
    given = allot(items(A, B, A, B, A), Node("a", cpus))
    assert all(0 <= (needs.num_cpus or 0.0) <= 1 for needs in given.values())


@pytest.mark.parametrize(("workers", "has_room"), [(4, True), (5, False), (50, False), ((1, 50), True)])
def test_workers_that_a_user_asks_for_are_not_squeezed_to_nothing(workers: Any, has_room: bool) -> None:
    recipe, cluster = items(A, concurrency=workers), Cluster((Node("a", 2),))
    chosen = allotted(legs(recipe), recipe, cluster)
    assert (unmet(demands(chosen), cluster) is None) == has_room


def test_what_the_user_asks_for_is_left_as_it_is() -> None:
    needs = allot(items(A, num_cpus=2, concurrency=(1, 3), resources={"d": 1}), Node("a", 8, resources={"d": 4}))[
        "A+write"
    ]
    assert (needs.num_cpus, needs.workers, needs.resources) == (2, (1, 3), {"d": 1})


def test_model_gets_the_gpus_there_are_and_a_class_none_unasked(real_jpegs: Any) -> None:
    recipe = make_recipe(hr.read_images(real_jpegs[0]).infer(demo.MODEL).map_batches(A).job)
    given = allot(recipe, Node("a", 8, gpus=2), Node("b", 8, gpus=1))
    assert (given["infer"].num_gpus, given["infer"].workers, given["infer"].num_cpus) == (1, (3, 3), 0)
    assert given["A+write"].num_gpus is None


def test_workers_of_the_command_line_are_the_models(real_jpegs: Any) -> None:
    recipe = make_recipe(hr.read_images(real_jpegs[0]).infer(demo.MODEL).map_batches(A).job)
    assert allot(recipe, Node("a", 8), model_workers=2)["infer"].workers == (2, 2)


def test_plan_says_what_each_leg_takes() -> None:
    cluster = Cluster((Node("a", 4),))
    recipe = items(f, A, concurrency=(1, 2))
    shown = {name: str(c.value) for name, c in leg_choices(allotted(legs(recipe), recipe, cluster), cluster).items()}
    assert shown == {
        "read": "cpus:1",
        "f": "workers:1-2 cpus:1",
        "A+write": "workers:1-2 cpus:1",
    }


@pytest.mark.parametrize(("cpus", "workers", "slots"), [(8, 2, 6), (8, 12, 1), (2.5, 1, 1), (0.5, 1, 1)])
def test_readers_get_the_cpus_that_pools_leave_and_one_at_least(cpus: float, workers: int, slots: int) -> None:
    recipe, cluster = items(A, concurrency=workers, num_cpus=1), Cluster((Node("a", cpus),))
    assert reader_slots(allotted(legs(recipe), recipe, cluster), cluster) == slots
