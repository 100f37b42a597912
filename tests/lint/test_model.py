"""The model follows names, datasets, functions and actors through a module."""

import ast

import pytest
from lint_tables import found_in, understood

from headrace.lint.knowledge import runs_model
from headrace.lint.model.module import reached
from headrace.lint.model.records import Kind
from headrace.lint.model.values import Constant, Symbol, inputs

READS = {
    "import ray": "import ray\nds = ray.data.read_images('in')",
    "import ray.data": "import ray.data\nds = ray.data.read_images('in')",
    "import as": "import ray.data as rd\nds = rd.read_images('in')",
    "from": "from ray.data import read_images\nds = read_images('in')",
    "from as": "from ray.data import read_images as ri\nds = ri('in')",
    "from ray": "from ray import data\nds = data.read_images('in')",
    "star": "from ray.data import *\nds = read_images('in')",
    "assigned": "import ray\ndata = ray.data\nread = data.read_images\nds = read('in')",
    "local import": "def f():\n    import ray\n    return ray.data.read_images('in')\nds = f()",
    "tuple": "import ray\na, ds = 1, ray.data.read_images('in')",
    "walrus": "import ray\nif (ds := ray.data.read_images('in')): pass",
    "conditional": "import ray\nds = ray.data.read_images('in') if big else ray.data.read_images('small')",
    "in a dict": "import ray\nall = {'a': ray.data.read_images('in')}\nds = all['a']",
    "a default": "import ray\ndef f(d=ray.data.read_images('in')):\n    return d\nds = f()",
    "an attribute": (
        "import ray\nclass A:\n    def __init__(self):\n        self.d = ray.data.read_images('in')\nds = A().d"
    ),
    "a property": (
        "import ray\nclass A:\n    @property\n    def d(self):\n        return ray.data.read_images('in')\nds = A().d"
    ),
    "inherited": (
        "import ray\nclass B:\n    def d(self):\n        return ray.data.read_images('in')\n"
        "class A(B):\n    def e(self):\n        return super().d()\nds = A().e()"
    ),
    "a partial": "import functools, ray\nf = functools.partial(ray.data.read_images, mode='RGB')\nds = f('in')",
}
UNKNOWN_ORIGIN = {
    "an annotated parameter": "import ray\ndef f(ds: ray.data.Dataset):\n    ds.map(g).show()",
    "a quoted annotation": "from ray.data import Dataset\ndef f(ds: 'Dataset | None'):\n    ds.map(g).show()",
    "an optional one": (
        "from typing import Optional\nfrom ray.data import Dataset\ndef f(ds: Optional[Dataset]):\n    ds.map(g).show()"
    ),
    "an annotated result": "import ray\ndef f() -> ray.data.Dataset:\n    return other()\nf().map(g).show()",
    "an annotated variable": "import ray\nds: ray.data.Dataset = other()\nds.map(g).show()",
    "a page that begins in the middle": "import ray\nds.map(g).show()\nds.limit(3).map_batches(h)",
    "an unknown function's": "import ray\nfrom mine import load\nds = load()\nds.map(g).show()\nds.map_batches(h)",
}
OTHERS = {
    "pandas": "import pandas as pd\nds = pd.read_parquet('in')\nds.map(g).take(3)",
    "Spark": "from pyspark.sql import SparkSession\nds = SparkSession.builder.getOrCreate().sql('x')\nds.map(g).show()",
    "tf.data": "import tensorflow as tf\nds = tf.data.Dataset.range(3)\nds.map(g).take(3)",
    "torch": "from torch.utils.data import Dataset\ndef f(ds: Dataset):\n    ds.map(g).take(3)",
    "Hugging Face": "from datasets import load_dataset\nload_dataset('x').map(g, batched=True).filter(h)",
    "Daft": "import daft\ndaft.read_parquet('in').limit(3).show()",
    "polars": "import polars as pl\nlf = pl.scan_csv('x')\nlf.map_batches(f).limit(3)",
    "headrace": "import headrace as hr\nds = hr.read_images('in')\nds.map_batches(f).write_parquet('out')",
    "a pool": "from multiprocessing import Pool\nPool(3).map(f, [1])",
    "a shadowed name": "import ray\nray = thing()\nray.data.read_images('in').map(f)",
}


def names(text: str) -> list[list[str]]:
    return [[o.name for o in chain] for chain in understood(text).pipelines]


@pytest.mark.parametrize("text", READS.values(), ids=READS.keys())
def test_dataset_is_known_however_it_is_reached(text: str) -> None:
    assert ["read_images", "map", "take"] in names(f"{text}\nds = ds.map(f)\nds.take(5)")


@pytest.mark.parametrize("text", UNKNOWN_ORIGIN.values(), ids=UNKNOWN_ORIGIN.keys())
def test_dataset_of_unknown_origin_is_known_by_its_use(text: str) -> None:
    assert ["source", "map", "show"] in names(text)


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS.keys())
def test_other_libraries_objects_are_not_followed(text: str) -> None:
    assert understood(f"import ray\n{text}").operations == []


def test_reassigned_chained_and_branched_datasets_keep_their_steps() -> None:
    module = understood(
        "import ray\nds = ray.data.range(3)\nds = ds.limit(2)\nother = ds.map(f)\n"
        "if small:\n    ds = ds.repartition(1)\nds.write_json('out')\nother.union(ds).show()\n"
    )
    chains = [[o.name for o in chain] for chain in module.pipelines]
    assert ["range", "limit", "repartition", "write_json"] in chains
    assert ["range", "limit", "write_json"] in chains
    union = next(o for o in module.operations if o.name == "union")
    assert [o.name for o in union.others] == ["repartition", "limit"]
    assert [o.kind for o in module.runs] == [Kind.RUN] * 3


def test_keywords_are_resolved_through_constants_and_spread_dicts() -> None:
    module = understood(
        "import ray\nBATCH = 4 * 16\nKW = {'num_gpus': 1}\nKW['num_cpus'] = 2\n"
        "ray.data.range(3).map_batches(f, batch_size=BATCH, **KW, **dict(memory=5))\n"
        "ray.data.range(3).map_batches(f, **unknown)\n"
    )
    first, second = (o.call for o in module.maps)
    assert first is not None
    assert second is not None
    assert {k: first.constant(k) for k in first.keywords} == {
        "batch_size": 64,
        "num_gpus": 1,
        "num_cpus": 2,
        "memory": 5,
    }
    assert (first.is_open, second.is_open) == (False, True)


@pytest.mark.parametrize(
    ("given", "name", "holds"),
    [
        ("Predict", "Predict", True),
        ("Alias", "Predict", True),
        ("Predict()", "Predict", True),
        ("functools.partial(Predict, 3)", "Predict", True),
        ("clean", "clean", True),
        ("make()", "inner", True),
        ("lambda batch: clean(batch)", "lambda", True),
        ("Predict().other", "other", True),
        ("Imported", "mine.Imported", False),
    ],
)
def test_udf_is_found_by_what_it_names(given: str, name: str, holds: object) -> None:
    module = understood(
        "import functools, ray\nfrom mine import Imported\n"
        "class Predict:\n    def __call__(self, batch):\n        return batch\n"
        "    def other(self, b):\n        return b\n"
        "Alias = Predict\ndef clean(batch):\n    return batch\n"
        "def make():\n    def inner(batch):\n        return batch\n    return inner\n"
        f"ray.data.range(3).map_batches({given})\n"
    )
    udf = next(module.maps).udf
    assert udf is not None
    assert (udf.name, udf.function is not None) == (name, holds)


def test_keyword_that_a_loop_varies_has_all_its_values() -> None:
    module = understood("import ray\nfor n in [4, 8]:\n    ray.data.range(3).map_batches(f, batch_size=n).take_all()\n")
    call = next(module.maps).call
    assert call is not None
    assert call.constants("batch_size") == (4, 8)
    assert [len(o.context.loops) for o in module.operations] == [1, 1, 1]


def test_calls_are_reached_through_helpers_with_their_guards_and_loops() -> None:
    module = understood(
        "import torch\ndef inner():\n    return torch.load('m')\n"
        "def outer(batch):\n    for row in batch['x']:\n        inner()\n    with torch.no_grad():\n        row.sum()\n"
    )
    outer = next(f for f in module.functions if f.name == "outer")
    found = {r.call.name: r for r in reached(outer)}
    assert [c.target.name for c in found["torch.load"].via if c.target] == ["inner"]
    assert len(found["torch.load"].via[0].loops) == 1
    assert found['batch["x"][*].sum'].call.context.withs[0] == Symbol("torch.no_grad()")
    assert outer.batch_parameter == "batch"


@pytest.mark.parametrize(
    ("built", "called", "runs"),
    [
        ("torch.load('m').to('cuda').eval()", "self.model(x)", True),
        ("pipeline('text-classification')", "self.model(x)", True),
        ("ort.InferenceSession('m')", "self.model.run(None, x)", True),
        ("Net()", "self.model(x)", True),
        ("Net().to('cuda')", "self.model(x)", True),
        ("Net().to('cuda')", "self.model.to('cpu')", False),
        ("AutoTokenizer.from_pretrained('m')", "self.model(x)", False),
        ("dict", "self.model(x)", False),
    ],
)
def test_forward_pass_is_told_from_other_calls(built: str, called: str, runs: object) -> None:
    module = understood(
        "import torch\nimport onnxruntime as ort\nfrom transformers import AutoTokenizer, pipeline\n"
        "class Net(torch.nn.Module):\n    def forward(self, x):\n        return x\n"
        f"class P:\n    def __init__(self):\n        self.model = {built}\n"
        f"    def __call__(self, x):\n        return {called}\n"
    )
    call = next(f for f in module.functions if f.name == "__call__").calls[-1]
    assert runs_model(call) is runs


def test_actors_are_followed_from_class_to_method() -> None:
    module = understood(
        "import ray\n@ray.remote(num_gpus=1)\nclass Model:\n    def predict(self, x):\n        return {'y': x}\n"
        "pool = [Model.options(num_cpus=2).remote() for _ in range(4)]\n"
        "def f(batch):\n    return ray.get(pool[len(batch) % 4].predict.remote(batch['x']))\n"
    )
    (actor,) = module.actors
    assert actor.options is not None
    assert actor.options.constant("num_gpus") == 1
    assert len(actor.created) == 1
    assert [(c.method, c.handle.actor) for c in module.actor_calls] == [("predict", actor)]
    index = next(n for n in ast.walk(module.tree) if isinstance(n, ast.BinOp))
    assert Constant(4) in list(inputs(module.value(index)))
    assert any(isinstance(v, Symbol) and v.path == "len()" for v in inputs(module.value(index)))


@pytest.mark.parametrize(
    "line",
    ["list(map(self.m, batch['x']))", "frame['x'].apply(lambda x: self.m(x))", "pool.map(self.one, batch['x'])"],
)
def test_map_and_apply_are_loops_that_call_what_they_are_given(line: str) -> None:
    module = understood(
        "import ray, torch\nfrom multiprocessing import Pool\npool, frame = Pool(2), read()\nclass A:\n"
        "    def __init__(self):\n        self.m = torch.jit.load('m')\n    def one(self, x):\n"
        "        return self.m(x)\n"
        f"    def __call__(self, batch):\n        return {line}\n"
        "ray.data.read_parquet('in').map_batches(A)"
    )
    function = next(module.maps).function
    assert function is not None
    passes = [one for one in reached(function) if runs_model(one.call)]
    assert [len(loop) for one in passes if (loop := [x for c in (*one.via, one.call) for x in c.loops])] == [1]


def test_columns_that_a_function_puts_into_its_batch_are_known_where_it_gives_the_batch_back() -> None:
    text = "import ray\ndef f(batch):\n    batch['y'] = 1\n    return {}\nray.data.range(3).map_batches(f)"
    kept, dropped = understood(text.format("batch")), understood(text.format("{'z': 2}"))
    assert [[s.key for s in next(m.maps).function.stored_columns] for m in (kept, dropped)] == [["y"], []]  # type: ignore[union-attr]


def test_helpers_are_known_by_what_the_function_of_a_map_operation_gives_them() -> None:
    module = understood(
        "import ray\ndef path_of(b):\n    return b['path']\ndef f(batch):\n    return {'p': path_of(batch)}\n"
        "ray.data.range(3).map_batches(f)"
    )
    assert [r.value.path for r in module.functions[0].returns if isinstance(r.value, Symbol)] == ['batch["path"]']


def test_functions_that_call_each_other_and_loops_over_themselves_end() -> None:
    assert (
        names(
            "import ray\ndef a(ds):\n    return b(ds.limit(1))\n"
            "def b(ds):\n    return a(ds.limit(2))\na(ray.data.range(3))"
        )
        != []
    )
    assert found_in("import ray\nx = []\nx.append(x)\nx.extend(x)\nprint(x)\nclass A(A): pass\nA().b.c()") == []


def test_a_module_is_walked_in_time_that_grows_with_its_length() -> None:
    text = "import ray\ndef f(batch):\n    return batch\n" + "ds = ray.data.range(3)\nds.map_batches(f).show()\n" * 50
    calls = [len(understood(text * n).calls) for n in (1, 2, 4)]
    assert calls == [calls[0], 2 * calls[0], 4 * calls[0]]


FANNED = (
    "".join(f"def f{n}(b):\n" + f"    f{n + 1}(b)\n" * 8 + "    return b\n" for n in range(8))
    + "def f8(b):\n    return b\n"
)
GROWING = {
    "calls that fan out": FANNED + "ray.data.range(3).map_batches(f0)\n",
    "sums of sums": "x = f()\n" + "x = x + x\n" * 40 + "y = f()\n" + "y = y + y\n" * 40 + "z = x if t else y\n",
    "lists of lists": "x = [f()]\n" + "x = x + x\n" * 40 + "json.dump(x, f)\n",
    "dicts of dicts": "d = {'a': f()}\n" + "d = {'a': d, 'b': d}\n" * 40 + "json.dump(d, f)\n",
    "what holds itself": "a = []\na.append(a)\nd = {}\nd['d'] = d\njson.dump(a, f)\njson.dump(d, f)\na += a\n",
}


@pytest.mark.parametrize("code", GROWING.values(), ids=GROWING)
def test_what_doubles_with_every_line_comes_to_an_end(code: str) -> None:
    assert found_in("import json, ray\n" + code) == []
