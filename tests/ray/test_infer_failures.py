"""Rows that fail in `hr.ray.infer` stay, with nulls and the reason; what is no row's fault stops the run."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray.data

from headrace.demo import MODEL
from headrace.engine.ray_data.carried import carry
from headrace.engine.ray_data.user_rows import UserRows
from headrace.engine.ray_data.user_work import PIXELS, InferWorker, Preparing, UserWork
from headrace.job.job import Infer, Job
from headrace.plan.recipe import make_recipe
from headrace.ray import infer
from headrace.sinks.tables import table_of
from headrace.sources.named import is_remote, read_named

pytestmark = [
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning"),  # Ray warns of its own defaults
]

MODELS = ("class_id", "label", "score", "embedding")


@pytest.fixture(scope="module")
def good(real_jpegs: list[Path]) -> bytes:
    return sorted(real_jpegs)[0].read_bytes()


def work(**changes: Any) -> UserWork:
    recipe = make_recipe(Job(source=UserRows(has_images=True), steps=(Infer(reference=MODEL),)))
    options = {"column": None, "keep_input": False, "batch_size": 4, "precision": "fp32", "threads": 2}
    places = {"read_file": read_named, "is_remote": is_remote, "arrow_of": table_of, "stall_timeout_s": 60.0}
    return UserWork(recipe=recipe, **(options | places | changes))


@pytest.fixture
def worker() -> InferWorker:
    """A worker in this process."""
    return InferWorker(carry(work()), prepared=False)


def test_bad_rows_of_every_kind_stay_where_they_were_with_the_reason(good: bytes, tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(good)
    (tmp_path / "empty.jpg").write_bytes(b"")
    kinds = {
        "good.jpg": None,
        "missing.jpg": "read: FileNotFoundError: ",
        "empty.jpg": "decode: NotAnImage: the file is empty",
        "": "read: IsADirectoryError: ",
    }
    table = pa.table({"path": [str(tmp_path / name) for name in kinds] + [None, "ftp://x/y.jpg"], "k": range(6)})
    rows = infer(ray.data.from_arrow(table), MODEL).take_all()
    assert [row["k"] for row in rows] == list(range(6))
    wanted = [*kinds.values(), "read: ValueError: there is no image", "read: BadInput: ftp://"]
    for row, begin in zip(rows, wanted, strict=True):
        assert (row["class_id"], row["label"], row["score"]).count(None) == (0 if begin is None else 3)
        assert row["headrace_error"] is None if begin is None else row["headrace_error"].startswith(begin)


def test_a_block_that_fails_whole_has_the_schema_of_the_others(good: bytes, worker: InferWorker) -> None:
    whole = worker(pa.table({"bytes": [good, b"bad"]}))
    bad = worker(pa.table({"bytes": [b"bad", b"worse"]}))
    none = worker(pa.table({"bytes": pa.array([], pa.binary())}))
    assert whole.schema.equals(bad.schema)
    assert whole.schema.equals(none.schema)
    assert bad.column("class_id").null_count == 2
    assert (whole.num_rows, bad.num_rows, none.num_rows) == (2, 2, 0)


def test_images_with_holes_of_other_types_and_shapes_fail_one_by_one(good: bytes, worker: InferWorker) -> None:
    del good
    images = np.empty(5, dtype=object)
    images[:] = [np.zeros((30, 40, 3), np.uint8), None, np.zeros((3, 3, 3), np.float32), "x", np.ones((9, 9), np.uint8)]
    ds = ray.data.from_items([{"image": image, "k": i} for i, image in enumerate(images)], override_num_blocks=1)
    errors = [row["headrace_error"] for row in infer(ds, MODEL).take_all()]
    assert [error is None for error in errors] == [True, False, False, False, True]
    assert "uint8" in errors[2]


def test_photos_prepared_in_tasks_get_the_same_answers(good: bytes, worker: InferWorker) -> None:
    table = pa.table({"bytes": [good, None, b"bad", good] * 20, "k": range(80)})
    pieces = list(Preparing(work())(table))
    assert sum(piece.num_rows for piece in pieces) == 80
    assert all(piece.column_names == ["k", PIXELS, "headrace_error"] for piece in pieces)
    behind = InferWorker(carry(work()), prepared=True)
    answers = pa.concat_tables([behind(piece) for piece in pieces])
    together = worker(table)
    assert answers.equals(together)
    assert together.column("score").null_count == 40


def test_rows_that_an_earlier_model_failed_on_are_passed_over(good: bytes, worker: InferWorker) -> None:
    table = pa.table({"bytes": [good, good], "headrace_error": pa.array([None, "decode: before"])})
    out = worker(table)
    assert out.column("headrace_error").to_pylist() == [None, "decode: before"]
    assert out.column("label").null_count == 1
    assert out.column_names.count("headrace_error") == 1


class NeverWorks:
    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("weights are missing")


def test_a_model_that_never_works_is_an_error_and_not_rows() -> None:
    with pytest.raises(Exception, match="weights are missing") as raised:
        infer(ray.data.range(200, override_num_blocks=1), NeverWorks).materialize()
    assert "NeverWorks: failed" in str(raised.value)


def test_columns_that_the_model_writes_too_are_refused(good: bytes, worker: InferWorker) -> None:
    with pytest.raises(Exception, match="columns that the model writes too: label"):
        worker(pa.table({"bytes": [good], "label": ["mine"]}))
