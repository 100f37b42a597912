"""`hr.ray.infer` over the columns that images come in: the same answers as a run of headrace's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import ray.data
from PIL import Image

import headrace as hr
from headrace.demo import MODEL
from headrace.ray import infer

pytestmark = [
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning"),  # Ray warns of its own defaults
]


@pytest.fixture(scope="module")
def photos(real_jpegs: list[Path]) -> list[Path]:
    """Some photos of several sizes."""
    return sorted(real_jpegs)[:11]


@pytest.fixture(scope="module")
def expected(photos: list[Path]) -> dict[str, dict[str, Any]]:
    """What the local engine says of them, by path."""
    rows = hr.read_images([str(p) for p in photos]).infer(MODEL, precision="fp32").take(100)
    return {row["path"]: row for row in rows}


def check(rows: list[dict[str, Any]], expected: dict[str, dict[str, Any]]) -> None:
    assert sorted(row["name"] for row in rows) == sorted(expected)
    for row in rows:
        right = expected[row["name"]]
        assert row["headrace_error"] is None
        assert (row["class_id"], row["label"]) == (right["class_id"], right["label"])
        assert row["score"] == pytest.approx(right["score"], abs=1e-5)


def pixels(photo: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(photo).convert("RGB"))


def test_images_get_the_local_engines_answers(photos: list[Path], expected: dict[str, dict[str, Any]]) -> None:
    ds = ray.data.from_items([{"name": str(p), "image": pixels(p)} for p in photos])
    check(infer(ds, MODEL, precision="fp32").take_all(), expected)


def test_bytes_in_pandas_blocks_get_them_too(photos: list[Path], expected: dict[str, dict[str, Any]]) -> None:
    frame = pd.DataFrame({"name": [str(p) for p in photos], "picture": [p.read_bytes() for p in photos]})
    out = infer(ray.data.from_pandas(frame), MODEL, precision="fp32")  # picture: the only column with bytes
    check(out.take_all(), expected)


def test_paths_get_them_too(photos: list[Path], expected: dict[str, dict[str, Any]]) -> None:
    names = [str(p) for p in photos]
    paths = [("file://" if i % 2 else "") + name for i, name in enumerate(names)]
    ds = ray.data.from_items([{"name": n, "path": p} for n, p in zip(names, paths, strict=True)], override_num_blocks=3)
    rows = infer(ds, MODEL, precision="fp32").take_all()
    check(rows, expected)
    assert sorted(row["path"] for row in rows) == sorted(paths)


def test_what_rays_reader_of_images_gives_gets_them_too(
    photos: list[Path], expected: dict[str, dict[str, Any]]
) -> None:
    ds = ray.data.read_images([str(p) for p in photos], include_paths=True, mode="RGB")
    rows = infer(ds, MODEL, precision="fp32").take_all()
    assert all(next(iter(row)) == "path" and "image" not in row for row in rows)
    check([row | {"name": row["path"]} for row in rows], expected)


def test_other_columns_keep_their_types_and_the_images_are_passed_on_when_asked_for(photos: list[Path]) -> None:
    table = pa.table(
        {
            "bytes": [p.read_bytes() for p in photos],
            "number": pa.array(range(len(photos)), pa.int16()),
            "when": pa.array([None, *range(len(photos) - 1)], pa.timestamp("us")),
            "words": pa.array([["a", None]] * len(photos), pa.list_(pa.string())),
        }
    )
    (ref,) = infer(ray.data.from_arrow(table), MODEL, top_k=2, keep_input=True).to_arrow_refs()
    out = ray.get(ref)
    model = ["class_id", "label", "score", "top_class_ids", "top_labels", "top_scores"]
    assert out.column_names == [*table.column_names, *model, "headrace_error"]
    assert out.select(table.column_names).equals(table)
    assert out.schema.field("top_scores").type == pa.list_(pa.float32(), 2)
