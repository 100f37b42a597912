"""What the rules say of Ray is so on the Ray that is installed: their scripts are run, their tables compared."""

import dataclasses
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.lint.rule import Category, Rule
from headrace.lint.rules import all_rules, remote_options

pytestmark = pytest.mark.slow
BREAKS = [r for r in all_rules().values() if r.category is Category.BREAKS]
CHILD = Path(__file__).with_name("ray_child.py")
LIMIT_S = 240  # 80 s on two cores at a load of 8; of the 300 that pytest gives a test
_COUNTED = """
import logging
import os
from pathlib import Path

import ray

calls = Path("calls").absolute()

def count(batch):
    with calls.open("a") as file:
        file.write(".")
    return {"id": batch["id"]}

def runs(*asked):
    ds = ray.data.range(4, override_num_blocks=1).map_batches(count)
    calls.write_text("")
    for ask in asked:
        ask(ds)
    return len(calls.read_text())

def logged(logger, ask):
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger(logger).addHandler(handler)
    ask()
    logging.getLogger(logger).removeHandler(handler)
    return " ".join(said)
"""
FACTS = {
    "HR010: concurrency= is said to be deprecated": """
said = logged("ray.data._internal.util", lambda: ray.data.range(2).map_batches(count, concurrency=1))
assert "``concurrency`` is deprecated in Ray 2.51" in said
""",
    "HR019: get_internal_block_refs() is said to be deprecated": """
said = logged("ray.data.dataset", lambda: ray.data.range(2).get_internal_block_refs())
assert "Use `Dataset.iter_internal_ref_bundles()` instead" in said
""",
    "HR012: concurrency= beside compute= is ignored": """
class Worker:
    def __call__(self, batch):
        return {"worker": [os.getpid()]}

one = ray.data.ActorPoolStrategy(size=1)
ds = ray.data.range(4, override_num_blocks=4).map_batches(Worker, compute=one, concurrency=2)
assert len(ds.unique("worker")) == 1
""",
    "HR021, HR063, HR064: what a function may not give back, and one value that a DataFrame takes": """
import pandas as pd

def raised(name, give, **options):
    try:
        getattr(ray.data.range(2), name)(give, **options).materialize()
    except (TypeError, ValueError) as error:
        return str(error)
    return ""

def one_value(batch):
    batch["y"] = 1
    return batch

def of_generator(batch):
    yield batch["id"], batch["id"]

no_row = "Standalone Python objects are not allowed"
for give in (lambda row: pd.DataFrame([row]), lambda row: pd.Series([1])):
    assert no_row in raised("map", give)
for give in (lambda row: row, lambda row: {**row}, lambda row: pd.DataFrame([row]), lambda row: [pd.DataFrame([row])]):
    assert no_row in raised("flat_map", give)
no_batches = (lambda batch: batch.update(y=1), lambda batch: len(batch), lambda batch: zip(batch), lambda batch: {1})
for give in (*no_batches, of_generator):
    assert "returned a value of type" in raised("map_batches", give)
dropped = lambda frame: frame.drop(columns="id", inplace=True)
assert "<class 'NoneType'>" in raised("map_batches", dropped, batch_format="pandas")
for value in (1, "text", None, (1, 2), {}, {1}, map(str, [1, 2]), range(2)):
    assert "expects all `dict` values" in raised("map_batches", lambda batch: {"y": value})
assert "expects all `dict` values" in raised("map_batches", one_value)
assert raised("map_batches", one_value, batch_format="pandas") == ""
""",
    "HR024, HR048: a worker with a GPU takes a CPU as well, and one without is told nothing of GPUs": """
def assigned(batch):
    given = ray.get_runtime_context().get_assigned_resources()
    return {"cpus": [given.get("CPU")], "hidden": ["CUDA_VISIBLE_DEVICES" in os.environ]}

asking = ray.data.range(1).map_batches(assigned, batch_size=1, num_gpus=1).take_all()
silent = ray.data.range(1).map_batches(assigned, batch_size=1).take_all()
assert (asking[0]["cpus"], silent[0]["hidden"]) == (1, "CUDA_VISIBLE_DEVICES" in os.environ)
""",
    "HR030: what runs a pipeline again, and what Ray knows by then": """
write = lambda ds: ds.write_parquet("out/")
for ask in (write, lambda ds: ds.take(2), lambda ds: ds.count(), lambda ds: ds.materialize(), lambda ds: ds.sum("id")):
    assert runs(ask, ask) == runs(write, ask) == runs(ask, write) == 2
assert runs(lambda ds: ds.count(), lambda ds: ds.take_all()) == 2
assert runs(lambda ds: ds.materialize(), lambda ds: ds.take_all()) == 2
through = (lambda ds: list(ds.iter_batches()), lambda ds: ds.take_all(), lambda ds: ds.to_pandas())
keeping = (lambda ds: ds.size_bytes(), lambda ds: ds.to_arrow_refs())
for ask in (*through, *keeping):
    assert runs(ask, lambda ds: ds.count(), lambda ds: ds.size_bytes()) == 1
for ask in keeping:
    assert runs(ask, *through, *keeping) == 1
    assert runs(ask, write) == 2
""",
    "HR032: building a pipeline runs nothing": "assert runs() == 0",
    "HR044, HR045: without batch_size= a block is the batch; limit(10) leaves no batch of more": """
size = lambda batch: {"rows": [len(batch["id"])]}
assert ray.data.range(50_000, override_num_blocks=2).map_batches(size).unique("rows") == [25_000]
assert ray.data.range(1000).limit(10).map_batches(size, batch_size=64).unique("rows") == [10]
""",
    "HR046: each run starts workers of its own": """
class Loads:
    def __init__(self):
        self.loaded = os.urandom(8).hex()

    def __call__(self, batch):
        return {"loaded": [self.loaded]}

ds = ray.data.range(4).map_batches(Loads, compute=ray.data.ActorPoolStrategy(size=1))
assert ds.unique("loaded") != ds.unique("loaded")
""",
    "HR050: pandas gets each image as an object": """
import numpy as np
from PIL import Image

Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("a.png")
kind = lambda frame: {"kind": [str(frame["image"].dtype)]}
assert ray.data.read_images("a.png").map_batches(kind, batch_format="pandas").unique("kind") == ["object"]
""",
    "HR051: a task lends its CPU to what it waits for": """
@ray.remote
def same(x):
    return x

fetch = lambda batch: {"id": [ray.get(same.remote(int(i))) for i in batch["id"]]}
assert ray.data.range(4, override_num_blocks=4).map_batches(fetch).count() == 4
""",
}  # fmt: skip


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What scripts raise and warn of on one Ray: the bad and the good code of rules, and FACTS."""
    pytest.importorskip("ray")
    rules = [*BREAKS, all_rules()["HR049"]]
    codes = {f"{r.id} {kind}": getattr(r, kind) for r in rules for kind in ("bad", "good")}
    codes |= {name: _COUNTED + code for name, code in FACTS.items()}
    folder = tmp_path_factory.mktemp("ray")
    with (folder / "stderr").open("w+") as said, subprocess.Popen(
        [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True,
        cwd=tmp_path_factory.mktemp("scripts"),
    ) as child:  # fmt: skip
        try:
            told, _ = child.communicate(json.dumps(codes), timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            child.terminate()
            told = ""
        last = (folder / "stderr").read_text()[-4000:]
    assert child.returncode == 0, f"the child that runs Ray ended with {child.returncode} and said:\n{last}"
    found: dict[str, dict[str, Any]] = json.loads(told)
    return found


@pytest.mark.parametrize("rule", BREAKS, ids=lambda r: r.id)
def test_what_breaks_on_ray_breaks_and_its_good_code_runs(rule: Rule, on_ray: dict[str, dict[str, Any]]) -> None:
    assert rule.error in on_ray[f"{rule.id} bad"]["error"]
    assert on_ray[f"{rule.id} good"] == {"error": "", "warnings": []}


def test_unnamed_option_runs_with_a_warning(on_ray: dict[str, dict[str, Any]]) -> None:
    bad = on_ray["HR049 bad"]
    assert bad["error"] == ""
    assert "will be removed in Ray 2.64" in " ".join(bad["warnings"])
    assert on_ray["HR049 good"] == {"error": "", "warnings": []}


@pytest.mark.parametrize("fact", FACTS)
def test_fact_behind_a_rule_holds(fact: str, on_ray: dict[str, dict[str, Any]]) -> None:
    assert on_ray[fact]["error"] == ""


@pytest.mark.parametrize("name", ["map", "map_batches", "flat_map", "filter"])
def test_keywords_of_a_map_operation_are_those_that_the_rules_know(name: str) -> None:
    data = pytest.importorskip("ray.data")
    known = remote_options._OWN | remote_options._ALSO.get(name, frozenset())
    assert {"self", *known, "ray_remote_args"} == set(inspect.signature(getattr(data.Dataset, name)).parameters)


def test_options_of_tasks_actors_and_contexts_are_those_that_the_rules_know() -> None:
    data = pytest.importorskip("ray.data")
    options = pytest.importorskip("ray._common.ray_option_utils")
    task, actor = ({n for n in o if n[0] != "_"} for o in (options.task_options, options.actor_options))
    both, own = remote_options._COMMON_OPTIONS, remote_options._OWN
    assert task - actor == remote_options._TASK_OPTIONS | remote_options._NO_ACTOR_OPTIONS
    assert actor - task == remote_options._ACTOR_OPTIONS
    assert both <= task & actor <= both | own
    assert {f.name for f in dataclasses.fields(data.DataContext)} | _properties(data.DataContext) >= (
        remote_options._OF_CONTEXT
    )
    known = set(inspect.signature(data.ExecutionOptions).parameters) | _properties(data.ExecutionOptions)
    assert known >= remote_options._OF_EXECUTION_OPTIONS


def test_every_write_takes_its_tasks_options_in_a_dict_alone() -> None:
    data = pytest.importorskip("ray.data")
    for name in (n for n in dir(data.Dataset) if n.startswith("write_")):
        parameters = inspect.signature(getattr(data.Dataset, name)).parameters
        assert "ray_remote_args" in parameters
        assert not remote_options._FOR_TASKS & parameters.keys()
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        assert takes_any == (name in remote_options._TO_FILE)


def test_reads_give_no_path_unless_asked_and_looks_give_20_rows() -> None:
    data = pytest.importorskip("ray.data")
    from headrace.lint.rules import libraries, timing

    for name in libraries._WITH_PATHS:
        assert inspect.signature(getattr(data, name)).parameters["include_paths"].default is False
    for name in timing._LOOKS:
        rows = list(inspect.signature(getattr(data.Dataset, name)).parameters.values())[1]
        assert rows.default == timing._DEFAULT_ROWS


def _properties(cls: type) -> set[str]:
    return {name for name, value in vars(cls).items() if isinstance(value, property)}
