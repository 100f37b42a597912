"""A stage that raises or returns nonsense stops the run with an error that says which rows and why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from outputs import MODEL, SMALL, Mean, leftovers, numbers_of, parts, written

import headrace as hr

MakePhotos = Callable[..., Path]


def small_rows(count: int = 20) -> hr.Dataset:
    return hr.from_items([{"n": i} for i in range(count)])


def broken_at_six(batch: dict[str, Any]) -> dict[str, Any]:
    if batch["n"][0] == 6:
        return {"m": batch["n"]}
    return {"n": batch["n"]}


def test_stage_that_breaks_its_promise_stops_the_run_and_names_partition_and_rows(engine: str, tmp_path: Path) -> None:
    with pytest.raises(hr.StageFailed) as caught:
        small_rows().map_batches(broken_at_six).write_parquet(
            tmp_path / "out", engine=engine, batch_size=2, partition_rows=4
        )
    error = caught.value
    place = (error.stage, error.partition, error.first_row, error.rows, error.first_key)
    assert place == ("broken_at_six", 1, 2, 2, "6")
    assert isinstance(error.__cause__, ValueError)
    assert "partition 1, rows 2-3 (from 6): WrongAnswer: broken_at_six returned the columns ['m']" in str(error)
    assert 1 not in numbers_of(tmp_path / "out")
    assert all(pq.read_metadata(p).num_rows == 4 for p in parts(tmp_path / "out"))
    assert leftovers(tmp_path / "out") == []


def too_few(batch: dict[str, Any]) -> dict[str, Any]:
    return {"n": batch["n"][1:]}


def uneven(batch: dict[str, Any]) -> dict[str, Any]:
    return {"n": batch["n"], "m": [1]}


def rows_as_list(batch: dict[str, Any]) -> Any:
    return [{"n": n} for n in batch["n"]]


def one_value(batch: dict[str, Any]) -> dict[str, Any]:
    return {"n": 5}


def changing(batch: dict[str, Any]) -> dict[str, Any]:
    return {"a" if 0 in batch["n"] else "b": batch["n"]}


def leaving(batch: dict[str, Any]) -> dict[str, Any]:
    raise SystemExit(0)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (too_few, "was given 5 rows and returned 4 in 'n'; return one value for every row"),
        (uneven, "returned columns of different lengths"),
        (rows_as_list, "returned list; return a dict of arrays"),
        (one_value, "returned columns of different lengths"),
        (changing, r"returned the columns \['b'\], before \['a'\]; return the same from every batch"),
        (leaving, r"called sys.exit\(0\)"),
    ],
)
def test_wrong_answer_of_a_stage_is_a_clear_error(
    engine: str, stage: Callable[..., Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(hr.StageFailed, match=message):
        small_rows().map_batches(stage).write_parquet(tmp_path / "out", engine=engine, batch_size=5)
    assert parts(tmp_path / "out") == []


def test_columns_that_differ_from_partition_to_partition_are_a_clear_error(engine: str, tmp_path: Path) -> None:
    with pytest.raises(hr.StageFailed, match=r"returned the columns \['b'\], before \['a'\]; return the same"):
        small_rows().map_batches(changing).write_parquet(
            tmp_path / "out", engine=engine, batch_size=5, partition_rows=5
        )
    assert {name for row in written(tmp_path / "out") for name in row} <= {"item_id", "a"}


class Unpicklable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raising_oddly(batch: dict[str, Any]) -> dict[str, Any]:
    raise Unpicklable(1, 2)


def test_error_that_cannot_be_sent_from_process_to_process_is_told(engine: str, tmp_path: Path) -> None:
    with pytest.raises(hr.StageFailed, match=r"raising_oddly: failed on partition 0.*Unpicklable: 1 and 2"):
        small_rows().map_batches(raising_oddly).write_parquet(tmp_path / "out", engine=engine)


def test_columns_that_differ_within_a_batch_are_a_clear_error(engine: str, tmp_path: Path) -> None:
    with pytest.raises(hr.StageFailed, match="return the same from every batch"):
        small_rows().map_batches(changing, batch_size=2).write_parquet(tmp_path / "out", engine=engine, batch_size=8)


def without_photo(batch: dict[str, Any]) -> dict[str, Any]:
    return {"path": batch["path"], "height": [1] * len(batch["path"])}


def test_model_behind_a_stage_that_drops_the_photo_says_what_it_needs(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 3)).map_batches(without_photo).infer(MODEL)
    with pytest.raises(hr.StageFailed, match="the model needs the column 'image'; the stage before it returned height"):
        job.write_parquet(tmp_path / "out", engine=engine)


def two_types(batch: dict[str, Any]) -> dict[str, Any]:
    return {"x": np.array([{"a": 1}, "text"] * 10, dtype=object)}


def test_column_that_parquet_cannot_hold_names_the_partition(engine: str, tmp_path: Path) -> None:
    with pytest.raises(hr.StageFailed, match="write: failed on partition 0, rows 0-19"):
        small_rows().map_batches(two_types).write_parquet(tmp_path / "out", engine=engine)


class Unloadable:
    def __init__(self) -> None:
        raise FileNotFoundError("weights.bin")

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return batch


def test_class_that_cannot_be_built_is_told_before_anything_is_written(engine: str, tmp_path: Path) -> None:
    with pytest.raises(hr.StageNotBuilt, match=r"Unloadable: could not be built: FileNotFoundError: weights\.bin"):
        small_rows().map_batches(Unloadable).write_parquet(tmp_path / "out", engine=engine)
    assert not (tmp_path / "out").exists()


def test_on_error_fail_stops_at_the_first_reject(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 12, {9: "empty"})).infer(Mean, preprocess=SMALL)
    with pytest.raises(hr.RejectedRow, match=r"009-empty\.jpg: the file is empty; --on-error reject"):
        job.write_parquet(tmp_path / "out", engine=engine, on_error="fail", batch_size=2, partition_rows=4)
    assert 2 not in numbers_of(tmp_path / "out")
    report = job.write_parquet(tmp_path / "out", engine=engine, on_error="reject", partition_rows=4)
    assert (report.rows_out, report.rows_rejected) == (11, 1)


def test_too_many_rejects_stop_a_long_run_and_it_goes_on_when_allowed(engine: str, tmp_path: Path) -> None:
    photo = np.zeros((4, 4, 3), np.uint8)
    items = [{"image": b"" if i >= 1050 else photo} for i in range(1400)]
    job = hr.from_items(items).infer(Mean, preprocess=SMALL)
    with pytest.raises(hr.TooManyRejects) as caught:
        job.write_parquet(tmp_path / "out", engine=engine, max_rejected=0.1, partition_rows=100)
    assert 1000 <= caught.value.rows < 1400
    if engine == "local":  # on a cluster it is the driver that counts, and small partitions overtake what it hears of
        assert len(parts(tmp_path / "out")) < 14
    report = job.write_parquet(tmp_path / "out", engine=engine, max_rejected=1.0, partition_rows=100)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (1400, 1050, 350)


def test_too_many_rejects_of_a_short_run_are_told_at_its_end(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 6, {1: "fake", 2: "fake"})).infer(Mean, preprocess=SMALL)
    for _ in range(2):  # again on the finished output: nothing has become better
        with pytest.raises(hr.TooManyRejects) as caught:
            job.write_parquet(tmp_path / "out", engine=engine)
        assert (caught.value.exit_code, caught.value.rejected, caught.value.rows) == (3, 2, 6)
    assert len(written(tmp_path / "out")) == 4
    assert job.write_parquet(tmp_path / "out", engine=engine, max_rejected=0.5).rows_rejected == 2
