"""map_batches does what Ray Data's does: functions, classes, formats, sizes, arguments, and photos before a model."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from everywhere import Notes
from outputs import MODEL, SMALL, Mean, parts, written

import headrace as hr

MakePhotos = Callable[..., Path]


def numbers(count: int = 30) -> hr.Dataset:
    return hr.from_items([{"n": i} for i in range(count)])


def run(job: hr.Dataset, out: Path, engine: str, **options: Any) -> list[dict[str, Any]]:
    job.write_parquet(out, engine=engine, max_rejected=1.0, **options)
    return written(out)


def scaled(batch: dict[str, Any], factor: int, *, offset: int = 0) -> dict[str, Any]:
    return {"n": batch["n"] * factor + offset}


def test_function_gets_its_arguments_and_the_key_stays(engine: str, tmp_path: Path) -> None:
    rows = run(numbers(5).map_batches(scaled, fn_args=(3,), fn_kwargs={"offset": 1}), tmp_path / "o", engine)
    assert rows == [{"item_id": str(i), "n": 3 * i + 1} for i in range(5)]


class Counted:
    """Notes that it is built."""

    def __init__(self, start: int, *, step: int, notes: Notes) -> None:
        notes.add("built")
        self.start, self.step = start, step

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"n": self.start + self.step * batch["n"]}


@pytest.mark.parametrize("workers", [1, 3])
def test_class_is_built_once_a_worker(engine: str, workers: int, tmp_path: Path, notes: Notes) -> None:
    arguments = {"step": 2, "notes": notes}
    job = numbers().map_batches(
        Counted, concurrency=workers, fn_constructor_args=(100,), fn_constructor_kwargs=arguments
    )
    rows = run(job, tmp_path / "o", engine, batch_size=2, partition_rows=10)
    if engine == "local":
        assert len(notes) == workers
    else:  # once more for the first batch; and a worker that comes too late to get a partition may not be built
        assert 2 <= len(notes) <= 1 + workers
    assert [r["n"] for r in rows] == [100 + 2 * i for i in range(30)]


def test_batch_size_of_a_stage_splits_the_runs(engine: str, tmp_path: Path, notes: Notes) -> None:
    def note(batch: dict[str, Any]) -> dict[str, Any]:
        notes.add(len(batch["n"]))
        return {"half": batch["n"] / 2}

    rows = run(numbers(11).map_batches(note, batch_size=3), tmp_path / "o", engine, batch_size=8)
    first_batch_again = ["3", "3", "2"] if engine == "ray" else []
    assert sorted(notes) == sorted(["2", "3", "3", "3", *first_batch_again])
    assert [r["half"] for r in rows] == [i / 2 for i in range(11)]


def in_pandas(frame: Any) -> Any:
    assert type(frame).__name__ == "DataFrame"
    return frame.assign(odd=frame["n"] % 2 == 1)


def in_arrow(table: Any) -> Any:
    import pyarrow.compute as pc

    return table.append_column("square", pc.multiply(table.column("n"), table.column("n")))


def test_batches_come_as_data_frames_or_tables_when_asked(engine: str, tmp_path: Path) -> None:
    job = numbers(7).map_batches(in_pandas, batch_format="pandas").map_batches(in_arrow, batch_format="pyarrow")
    rows = run(job, tmp_path / "o", engine)
    assert rows == [{"item_id": str(i), "n": i, "odd": i % 2 == 1, "square": i * i} for i in range(7)]


def test_stages_of_one_name_are_told_apart(engine: str, tmp_path: Path) -> None:
    job = numbers(4).map_batches(scaled, fn_args=(2,)).map_batches(scaled, fn_args=(5,))
    report = job.write_parquet(tmp_path / "o", engine=engine)
    assert [s.name for s in report.stages] == ["read", "prepare", "scaled", "scaled-2", "write"]
    assert [r["n"] for r in written(tmp_path / "o")] == [0, 10, 20, 30]


def test_bound_arguments_are_part_of_the_job(engine: str, tmp_path: Path) -> None:
    run(numbers(3).map_batches(functools.partial(scaled, factor=2)), tmp_path / "o", engine)
    with pytest.raises(hr.JobChanged, match="stages"):
        run(numbers(3).map_batches(functools.partial(scaled, factor=3)), tmp_path / "o", engine)


class Plain:
    """An object whose repr holds its address."""


def with_object(batch: dict[str, Any], _thing: object) -> dict[str, Any]:
    return {"n": batch["n"]}


def test_address_of_an_argument_is_no_part_of_the_job(engine: str, tmp_path: Path) -> None:
    keep = [Plain(), Plain()]
    for thing in keep:
        run(numbers(3).map_batches(with_object, fn_args=(thing,)), tmp_path / "o", engine)
    assert len(written(tmp_path / "o")) == 3


def shouting(batch: dict[str, Any]) -> dict[str, Any]:
    return {"label": [label.upper() for label in batch["label"]]}


def mirrored(batch: dict[str, Any]) -> dict[str, Any]:
    images = np.empty(len(batch["image"]), dtype=object)
    for i, image in enumerate(batch["image"]):
        images[i] = image[:, ::-1]
    return {"image": images, "width": [i.shape[1] for i in images]}


def test_functions_stand_before_and_after_a_model(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    photos = hr.read_images(make_photos(tmp_path / "in", 10, {4: "fake"}))
    rows = run(photos.map_batches(mirrored).infer(MODEL).map_batches(shouting), tmp_path / "o", engine, batch_size=4)
    assert len(rows) == 9
    assert [set(r) for r in rows] == [{"path", "label"}] * 9
    assert all(r["label"].isupper() for r in rows)


class Window:
    """Notes what it is given, and gives it on."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        image = batch["image"]
        assert (image.dtype, image.shape[1:]) == (np.dtype(np.uint8), (12, 20, 3))
        return {"image": image, "before": image.reshape(len(image), -1).sum(axis=1)}


def again(batch: dict[str, Any]) -> dict[str, Any]:
    return {"before": batch["before"], "after": batch["image"].reshape(len(batch["image"]), -1).sum(axis=1)}


def test_class_with_preprocessing_gets_pixels_of_one_size_and_may_give_them_on(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = hr.read_images(make_photos(tmp_path / "in", 24))
    window = hr.Preprocess(resize_short=None, crop=(12, 20))
    rows = run(photos.infer(Window, preprocess=window).map_batches(again), tmp_path / "o", engine, batch_size=2)
    assert [r["after"] for r in rows] == [r["before"] for r in rows]


def test_kept_images_are_written(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    photos = hr.read_images(make_photos(tmp_path / "in", 3))
    run(photos.map_batches(mirrored), tmp_path / "o", engine, keep_images=True, batch_size=2)
    run(photos.map_batches(mirrored), tmp_path / "p", engine)
    assert [len(r["image"][0]) for r in written(tmp_path / "o")] == [r["width"] for r in written(tmp_path / "o")]
    assert "image" not in written(tmp_path / "p")[0]


class Loading:
    """A class with a method that models have too."""

    def load(self) -> int:
        return 7

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"n": [self.load()] * len(batch["path"])}


def test_class_is_taken_as_a_model_whatever_its_methods_are_called(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = hr.read_images(make_photos(tmp_path / "in", 2))
    assert [r["n"] for r in run(photos.infer(Loading), tmp_path / "o", engine)] == [7, 7]


def test_class_without_call_is_refused() -> None:
    with pytest.raises(hr.BadOption, match="class with __call__"):
        numbers().map_batches(Plain)


def test_columns_a_model_would_write_over_are_the_models(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    photos = hr.read_images(make_photos(tmp_path / "in", 2)).infer(Mean, preprocess=SMALL)
    assert set(run(photos, tmp_path / "o", engine)[0]) == {"path", "mean"}
    assert len(parts(tmp_path / "o")) == 1
