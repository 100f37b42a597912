"""What `hr.ray.infer` chooses and refuses before anything runs."""

import logging
from pathlib import Path
from typing import Any

import pytest
import ray.data

from headrace.core.errors import BadCluster, BadInput, BadModel, BadOption
from headrace.core.needs import Needs
from headrace.demo import MODEL
from headrace.engine.ray_data.prompt import Prompt
from headrace.engine.ray_data.user_choices import CORES, choose
from headrace.engine.ray_data.user_rows import UserRows
from headrace.job.job import Infer, Job
from headrace.plan.cluster import Cluster, Node
from headrace.plan.recipe import Recipe, make_recipe
from headrace.ray import choices, infer

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning")  # Ray warns of its own defaults


class Stage:
    def __call__(self, batch: Any) -> Any:
        return batch


@pytest.fixture
def ds(local_ray: object) -> Any:
    del local_ray
    return ray.data.from_items([{"path": "a.jpg", "number": 1}])


def recipe_of(reference: object) -> Recipe:
    return make_recipe(Job(source=UserRows(has_images=True), steps=(Infer(reference=reference),)))


def chosen(nodes: list[Node], reference: object = MODEL, asked: Needs | None = None) -> dict[str, Any]:
    found = choose(recipe_of(reference), asked or Needs(), "auto", None, Cluster(tuple(nodes)))
    return {name: choice.value for name, choice in found.choices().items()}


def test_a_laptop_gets_one_worker_that_decodes_beside_the_model() -> None:
    found = chosen([Node("a", 8)])
    assert (found["layout"], found["workers"], found["threads"], found["num_cpus"]) == ("together", "1", CORES, 4)
    assert (found["batch_size"], found["num_gpus"], found["block_rows"]) == (4, 0, "as they come")
    assert chosen([Node("a", 2)])["num_cpus"] == 0.5
    assert chosen([Node("a", 1)])["num_cpus"] == 0


def test_a_mixed_cluster_decodes_apart_from_its_gpus() -> None:
    found = chosen([Node("cpus", 32), Node("gpus", 16, 4), Node("gpu", 2, 1)])
    assert (found["layout"], found["workers"], found["num_gpus"], found["num_cpus"]) == ("apart", "5", 1, 0)
    assert (found["batch_size"], found["block_rows"]) == ("auto", 445)
    assert chosen([Node("gpus", 16, 4)], asked=Needs(num_gpus=0.5))["workers"] == "8"
    assert chosen([Node("gpus", 16, 4)], asked=Needs(num_gpus=0))["layout"] == "together"
    labelled = [Node("a", 8, labels={"kind": "plain"}), Node("b", 8, 4)]
    assert chosen(labelled, asked=Needs(labels={"kind": "plain"}))["num_gpus"] == 0


def test_what_is_given_stays_and_the_rest_follows() -> None:
    found = chosen([Node("a", 16), Node("b", 12)], asked=Needs(num_cpus=3.5, workers=(2, 6)))
    assert (found["workers"], found["num_cpus"], found["threads"]) == ("2-6", 3.5, 4)
    found = chosen([Node("a", 16)], asked=Needs(workers=(4, 4)))
    assert (found["workers"], found["threads"], found["num_cpus"]) == ("4", 4, 2)
    found = chosen([Node("a", 16), Node("b", 12)])
    assert (found["workers"], found["threads"], found["num_cpus"]) == ("2", CORES, 6)
    found = chosen([Node("a", 16)], reference=Stage)
    assert (found["workers"], found["threads"], found["num_cpus"], found["batch_size"]) == ("1-15", 1, 1, 64)


def test_a_class_gets_batches_of_the_size_that_was_asked_for() -> None:
    big = choose(recipe_of(Stage), Needs(), 2048, None, Cluster((Node("a", 4),)))
    assert big.block_rows.value == 2048
    assert chosen([Node("a", 4, 1)], reference=Stage, asked=Needs(num_gpus=1))["block_rows"] == 64


def test_choices_are_logged_and_can_be_asked_for(ds: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="headrace")
    out = infer(ds, MODEL, batch_size=8, precision="fp32")
    found = choices(out)
    assert found["batch_size"].given
    assert found["batch_size"].value == 8
    assert found["workers"].reason
    assert "hr.ray.infer: batch_size = 8 (given)" in caplog.messages
    with pytest.raises(BadInput, match=r"not what hr\.ray\.infer returned"):
        choices(ds)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, 'batch_size must be "auto" or an integer >= 1, got 0'),
        ({"concurrency": (3, 1)}, "concurrency must be"),
        ({"concurrency": "many"}, 'concurrency must be "auto" or a number'),
        ({"num_cpus": -1}, "num_cpus must be a number >= 0"),
        ({"num_gpus": 1.5}, "num_gpus must be"),
        ({"resources": {"GPU": 1}}, "resources must be without 'GPU'"),
        ({"top_k": 0}, "--top-k must be"),
        ({"precision": "fp8"}, "--precision must be one of"),
        ({"stall_timeout": 0}, "stall_timeout must be"),
    ],
)
def test_wrong_options_are_refused_at_once(ds: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOption) as raised:
        infer(ds, MODEL, **options)
    assert message in str(raised.value)


def test_options_of_photos_are_refused_with_a_class(ds: Any) -> None:
    for options in ({"column": "path"}, {"keep_input": True}, {"labels": ("a",)}, {"precision": "bf16"}):
        with pytest.raises(BadOption, match="a class"):
            infer(ds, Stage, **options)


def test_what_cannot_be_run_is_refused_at_once(ds: Any, tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="does not exist"):
        infer(ds, tmp_path / "none.onnx")
    with pytest.raises(BadInput, match=r"must be a ray\.data\.Dataset, not builtins\.list"):
        infer([1], MODEL)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no column 'photo', but path, number"):
        infer(ds, MODEL, column="photo")
    with pytest.raises(BadInput, match="no column that is clearly the images, but id"):
        infer(ray.data.range(3), MODEL)
    with pytest.raises(BadCluster, match="no node has any GPU"):
        infer(ds, MODEL, num_gpus=1)
    with pytest.raises(BadCluster, match="CPU"):
        infer(ds, MODEL, num_cpus=64)


def test_nothing_before_it_needs_room_when_the_dataset_is_materialized_already(ds: Any) -> None:
    with pytest.raises(BadCluster, match="no room is left"):
        infer(ray.data.range(2), Stage, concurrency=2, num_cpus=1)
    done = infer(ds.materialize(), Stage, concurrency=2, num_cpus=1)
    assert done.count() == 1


def test_the_context_of_ray_data_and_that_of_the_dataset_stay_as_they_were(ds: Any) -> None:
    before, own = repr(ray.data.DataContext.get_current()), repr(ds.context)
    result = infer(ds, MODEL, precision="fp32")
    assert (repr(ray.data.DataContext.get_current()), repr(ds.context)) == (before, own)
    assert result.context.custom_execution_callback_classes == [Prompt]
