"""The same jobs over Parquet and items, and looking at rows without an output folder."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from outputs import MODEL, SMALL, Mean, rejected, written

import headrace as hr

MakePhotos = Callable[..., Path]


def encoded_table(folder: Path, jpegs: list[bytes]) -> Path:
    """Two files of encoded photos with an id and a column to keep; one photo is null, one broken."""
    folder.mkdir()
    photos = [*jpegs, None, b"broken"]
    table = pa.table({"id": range(len(photos)), "photo": pa.array(photos, pa.binary()), "tag": list("abcdefghij")})
    pq.write_table(table.slice(0, 6), folder / "a.parquet", row_group_size=4)
    pq.write_table(table.slice(6), folder / "b.parquet")
    return folder


def raw_table(path: Path, count: int) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 20, 18, 3), dtype=np.uint8)
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
    pq.write_table(pa.table({"id": range(count), "image": column}), path, row_group_size=5)
    return path


def test_encoded_photos_in_parquet_keep_their_other_columns(engine: str, jpegs: list[bytes], tmp_path: Path) -> None:
    job = hr.read_parquet(encoded_table(tmp_path / "in", jpegs), image_column="photo", key_column="id")
    job.infer(MODEL, precision="fp32").write_parquet(
        tmp_path / "o", engine=engine, batch_size=4, partition_rows=4, max_rejected=1.0
    )
    rows = written(tmp_path / "o")
    assert [(r["id"], r["tag"]) for r in rows] == [(str(i), "abcdefgh"[i]) for i in range(8)]
    assert set(rows[0]) == {"id", "tag", "class_id", "label", "score"}
    assert [(r["key"], r["original"]) for r in rejected(tmp_path / "o")] == [("8", None), ("9", b"broken")]


def test_raw_pixels_in_parquet_are_resized_as_photos_are(engine: str, tmp_path: Path) -> None:
    job = hr.read_parquet(raw_table(tmp_path / "raw.parquet", 13)).infer(Mean, preprocess=SMALL)
    job.write_parquet(tmp_path / "o", engine=engine, batch_size=3)
    rows = written(tmp_path / "o")
    assert len(rows) == 13
    assert all(100 < r["mean"] < 155 for r in rows)
    assert rows[6]["path"].endswith("raw.parquet#6")


def plain(batch: dict[str, Any]) -> dict[str, Any]:
    return {"bytes": [-1 if p is None else len(p) for p in batch["photo"]]}


def test_stage_sees_parquet_photos_as_they_lie_there_unless_named_as_images(
    engine: str, jpegs: list[bytes], tmp_path: Path
) -> None:
    job = hr.read_parquet(encoded_table(tmp_path / "in", jpegs)).map_batches(plain)
    job.write_parquet(tmp_path / "o", engine=engine)
    assert [r["bytes"] for r in written(tmp_path / "o")] == [*(len(j) for j in jpegs), -1, 6]


def test_items_with_photos_go_through_a_model(engine: str, jpegs: list[bytes], tmp_path: Path) -> None:
    items = [{"sku": f"s{i}", "image": j} for i, j in enumerate(jpegs)]
    report = hr.from_items(items, key_column="sku").infer(MODEL).write_parquet(tmp_path / "o", engine=engine)
    assert [r["sku"] for r in written(tmp_path / "o")] == [i["sku"] for i in items]
    assert report.rows_out == len(items)


def test_rows_can_be_looked_at_without_an_output_folder(make_photos: MakePhotos, tmp_path: Path) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 12, {1: "fake"})).infer(MODEL)
    rows = job.take(3)
    assert [Path(r["path"]).name for r in rows] == ["000-good.jpg", "002-good.jpg", "003-good.jpg"]
    assert set(rows[0]) == {"path", "class_id", "label", "score"}
    assert len(job.take_batch(5)["label"]) == 5
    assert len(job.take(100)) == 11
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_batches_have_the_size_asked_for_and_the_last_is_shorter(make_photos: MakePhotos, tmp_path: Path) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 23, {7: "empty"})).infer(Mean, preprocess=SMALL)
    batches = list(job.iter_batches(batch_size=5, keep_images=False))
    assert [len(b["mean"]) for b in batches] == [5, 5, 5, 5, 2]
    keys = [k for b in batches for k in b["path"]]
    assert keys == sorted(keys)


def test_leaving_batches_early_stops_every_thread(make_photos: MakePhotos, tmp_path: Path) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 30)).infer(Mean, preprocess=SMALL)
    for _ in job.iter_batches(batch_size=1):
        break
    assert [t.name for t in threading.enumerate() if t.name.startswith("headrace-")] == []


def test_wrong_batch_size_is_refused_at_the_call() -> None:
    with pytest.raises(hr.BadOption, match="batch_size must be an integer >= 1, got 0"):
        hr.from_items([1]).iter_batches(batch_size=0)
    with pytest.raises(hr.BadOption, match="limit must be an integer >= 1, got 0"):
        hr.from_items([1]).take(0)


def test_rejects_alone_give_no_batch() -> None:
    assert hr.from_items([{"image": b""}]).infer(Mean, preprocess=SMALL).take() == []


def test_limit_takes_the_first_rows(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 9)).limit(4).infer(Mean, preprocess=SMALL)
    assert job.write_parquet(tmp_path / "o", engine=engine).rows_in == 4


def test_rows_without_stages_are_copied(engine: str, tmp_path: Path) -> None:
    hr.from_items([3, 4]).write_parquet(tmp_path / "o", engine=engine)
    assert written(tmp_path / "o") == [{"item_id": "0", "item": 3}, {"item_id": "1", "item": 4}]
