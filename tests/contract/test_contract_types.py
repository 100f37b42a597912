"""A column has one type in all parts that hold values of it, also where the first rows tell none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from outputs import SMALL, Mean, footer, parts, written

import headrace as hr

MakePhotos = Callable[..., Path]
SIZES: dict[str, Any] = {"partition_rows": 4, "batch_size": 4}


def types_where_told(out: Path, name: str) -> set[str]:
    """The types of a column in the parts in which it has a value; lists have one when they hold anything."""
    columns = [pq.ParquetFile(part).read().column(name) for part in parts(out)]
    return {str(column.type) for column in columns if any(v not in (None, []) for v in column.to_pylist())}


def test_numbers_and_times_that_begin_with_nulls_stay_what_they_are(engine: str, tmp_path: Path) -> None:
    rows, nulls = 16, 6
    table = pa.table(
        {
            "n": pa.array([None if i < nulls else i for i in range(rows)], pa.int64()),
            "score": pa.array([None if i < nulls else i / 2 for i in range(rows)], pa.float64()),
            "at": pa.array([None if i < nulls else i for i in range(rows)], pa.timestamp("us")),
            "tags": pa.array([None if i < nulls else [i] for i in range(rows)], pa.list_(pa.int64())),
        }
    )
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in/rows.parquet")
    out = tmp_path / "o"
    hr.read_parquet(tmp_path / "in").write_parquet(out, engine=engine, **SIZES)
    assert [{name: row[name] for name in table.column_names} for row in written(out)] == table.to_pylist()
    for name in ("n", "score", "at"):
        assert types_where_told(out, name) == {str(table.schema.field(name).type)}
    assert len(types_where_told(out, "tags")) == 1
    named = pq.read_table(out, schema=pa.schema([table.schema.field(name) for name in ("n", "score", "at")]))
    assert named.to_pylist() == [{k: v for k, v in row.items() if k != "tags"} for row in table.to_pylist()]


def boxes(batch: dict[str, Any]) -> dict[str, Any]:
    found = np.empty(len(batch["n"]), dtype=object)
    found[:] = [[{"x": 0.5, "label": "cat"}] if n >= 6 else [] for n in batch["n"]]
    return {"n": batch["n"], "boxes": found}


def test_lists_that_begin_empty_get_the_type_of_what_they_hold_later(engine: str, tmp_path: Path) -> None:
    out = tmp_path / "o"
    hr.from_items([{"n": i} for i in range(16)]).map_batches(boxes).write_parquet(out, engine=engine, **SIZES)
    assert [row["boxes"] for row in written(out)] == [[]] * 6 + [[{"x": 0.5, "label": "cat"}]] * 10
    assert len(types_where_told(out, "boxes")) == 1


def test_parts_have_one_schema_though_all_of_the_first_batch_is_rejected(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos, out = make_photos(tmp_path / "in", 24, dict.fromkeys(range(4), "fake")), tmp_path / "o"
    report = (
        hr.read_images(photos)
        .infer(Mean, preprocess=SMALL)
        .write_parquet(out, engine=engine, max_rejected=1.0, **SIZES)
    )
    assert (report.rows_out, report.rows_rejected) == (20, 4)
    with_rows = [part for part in parts(out) if footer(part)["account"]["rows_out"]]
    schemas = [pq.read_schema(part).remove_metadata() for part in with_rows]
    assert schemas == [pa.schema({"path": pa.string(), "mean": pa.float32()})] * 5


def halves_later(batch: dict[str, Any]) -> dict[str, Any]:
    return {"n": batch["n"] if batch["n"][0] < 4 else batch["n"] + 0.5}


def doubles_later(batch: dict[str, Any]) -> dict[str, Any]:
    return {"n": batch["n"] if batch["n"][0] < 4 else batch["n"] * 2.0}


def test_numbers_that_fit_take_the_first_parts_type(engine: str, tmp_path: Path) -> None:
    out = tmp_path / "o"
    hr.from_items([{"n": i} for i in range(8)]).map_batches(doubles_later).write_parquet(out, engine=engine, **SIZES)
    assert [row["n"] for row in written(out)] == [0, 1, 2, 3, 8, 10, 12, 14]
    assert types_where_told(out, "n") == {"int64"}


def test_numbers_that_do_not_fit_the_first_parts_type_stop_the_run(engine: str, tmp_path: Path) -> None:
    job = hr.from_items([{"n": i} for i in range(8)]).map_batches(halves_later)
    with pytest.raises(hr.StageFailed, match="column 'n': double here, int64 in the parts before"):
        job.write_parquet(tmp_path / "o", engine=engine, **SIZES)
    assert [row["n"] for row in written(tmp_path / "o")] in ([], [0, 1, 2, 3])
