"""Classes and functions in `hr.ray.infer`, by Ray Data's convention; torch modules."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray.data

from headrace.core.preprocess import Preprocess
from headrace.engine.ray_data.carried import carry
from headrace.engine.ray_data.user_rows import UserRows
from headrace.engine.ray_data.user_work import InferWorker, KeyLess, UserWork
from headrace.job.job import Infer, Job
from headrace.plan.recipe import Recipe, make_recipe
from headrace.ray import choices, infer
from headrace.sinks.tables import table_of
from headrace.sources.named import is_remote, read_named

pytestmark = [
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning"),  # Ray warns of its own defaults
]

Batch = dict[str, np.ndarray[Any, Any]]


class Doubling:
    """Fails on 7 and on 70, whatever comes with them."""

    def __call__(self, batch: Batch) -> Batch:
        assert len(batch["id"]) <= 10
        assert list(batch) == ["id", "name", "pixels"]
        if np.isin(batch["id"], (7, 70)).any():
            raise ValueError("seven!")
        pairs = np.stack([batch["id"], batch["id"]], axis=1).astype(np.float32)
        return {**batch, "double": 2 * batch["id"], "pair": pairs, "text": batch["name"] + "!"}


def rows(first: int, last: int) -> pa.Table:
    ids = np.arange(first, last)
    pixels = np.zeros((len(ids), 2, 2, 3), np.uint8) + ids[:, None, None, None].astype(np.uint8)
    names = [f"n{i}" for i in ids]
    return ray.data.block.BlockAccessor.batch_to_arrow_block({"id": ids, "name": np.array(names), "pixels": pixels})


def worker_of(**asked: Any) -> InferWorker:
    """A worker in this process."""
    recipe = make_recipe(Job(source=UserRows(has_images=True), steps=(Infer(**asked),)))
    if recipe.inference is None:
        recipe = Recipe(recipe.listing, tuple(map(KeyLess, recipe.steps)), None, None)  # type: ignore[arg-type]
    work = UserWork(
        recipe=recipe,
        column=None,
        keep_input=False,
        read_file=read_named,
        is_remote=is_remote,
        arrow_of=table_of,
        batch_size=10,
        stall_timeout_s=60.0,
        precision="fp32",
    )
    return InferWorker(carry(work), prepared=False)


def test_a_class_keeps_the_rows_it_fails_on_with_nulls_in_the_columns_it_adds() -> None:
    table = rows(0, 100)
    out = infer(ray.data.from_arrow(table), Doubling, batch_size=10, concurrency=(1, 2)).materialize()
    (ref,) = out.to_arrow_refs()
    found = ray.get(ref)
    assert [i for i, e in enumerate(found.column("headrace_error").to_pylist()) if e] == [7, 70]
    assert found.column("headrace_error")[7].as_py() == "Doubling: ValueError: seven!"
    assert found.select(["id", "name", "pixels"]).equals(table)
    expected = [None if i in (7, 70) else 2 * i for i in range(100)]
    assert found.column("double").to_pylist() == expected
    assert found.column("pair").to_pylist() == [None if d is None else [d / 2, d / 2] for d in expected]
    assert found.column("text").to_pylist()[6:9] == ["n6!", None, "n8!"]
    assert out.take_batch(100)["pixels"].shape == (100, 2, 2, 3)  # Ray's own readers can take it


def test_blocks_that_a_class_fails_on_whole_have_the_schema_of_those_before() -> None:
    worker = worker_of(reference=Doubling)
    assert worker(rows(0, 20)).schema.equals(worker(rows(7, 8)).schema)
    assert worker(rows(0, 20)).schema.equals(worker(rows(3, 3)).schema)


def test_blocks_of_many_threads_keep_their_own_rows() -> None:
    worker = worker_of(reference=Doubling)
    sizes = [1, 3, 40, 7, 25] * 8
    starts = np.cumsum([100, *sizes])
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda i: worker(rows(int(starts[i]), int(starts[i + 1]))), range(len(sizes))))
    for start, size, table in zip(starts, sizes, done, strict=False):
        assert table.column("double").to_pylist() == [2 * i for i in range(start, start + size)]


def test_a_class_in_a_file_that_workers_cannot_import_travels_by_value(tmp_path: Path) -> None:
    script = tmp_path / "far_away_stage.py"
    script.write_text(
        "import helper_of_far\n"
        "class Adding:\n"
        "    def __init__(self):\n"
        "        self.more = helper_of_far.MORE\n"
        "    def __call__(self, batch):\n"
        "        return {'more': batch['id'] + self.more}\n"
    )
    (tmp_path / "helper_of_far.py").write_text("MORE = 5\n")
    out = infer(ray.data.range(30, override_num_blocks=3), f"{script}:Adding")
    script.unlink()
    assert choices(out)["workers"].value == "1"
    assert sorted(row["more"] for row in out.take_all()) == list(range(5, 35))


def test_what_a_function_returns_of_the_wrong_length_stops_the_run() -> None:
    worker = worker_of(reference=lambda batch: {"id": batch["id"][:1]})
    with pytest.raises(Exception, match="given 10 rows and returned 1"):
        worker(rows(0, 10))


def test_a_torch_module_gets_photos_and_gives_what_it_gives(real_jpegs: list[Path]) -> None:
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.AvgPool2d(32), torch.nn.Flatten())
    worker = worker_of(reference=net, task="embed", preprocess=Preprocess(crop=32, resize_short=32))
    out = worker(pa.table({"bytes": [real_jpegs[0].read_bytes(), b"bad"]}))
    assert out.schema.field("embedding").type == pa.list_(pa.float32(), 3)
    assert out.column("embedding").null_count == 1
