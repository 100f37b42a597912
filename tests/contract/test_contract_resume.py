"""A stopped run goes on from its committed partitions; a finished one is left as it is; another job is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from everywhere import Changes, Notes, note_reads
from outputs import MODEL, SMALL, Mean, leftovers, numbers_of, read_by, rejected, written

import headrace as hr
from headrace.core.faults import WrongAnswer
from headrace.sinks.press import PartPress

MakePhotos = Callable[..., Path]


class Fragile:
    """A model that fails on a photo until a file "mended" stands beside the input's folder."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        mended = len(batch["path"]) == 0 or (Path(batch["path"][0]).parent.parent / "mended").exists()
        if not mended and any("013" in key for key in batch["path"]):
            raise WrongAnswer("this photo is too much")
        return {"sum": batch["image"].reshape(len(batch["image"]), -1).sum(axis=1)}


def test_run_that_a_stage_stopped_goes_on_without_reading_committed_partitions(
    engine: str, make_photos: MakePhotos, tmp_path: Path, reads: Notes
) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 20, {3: "fake"})).infer(Fragile, preprocess=SMALL)
    options: dict[str, Any] = {"engine": engine, "batch_size": 2, "partition_rows": 4, "max_rejected": 1.0}
    with pytest.raises(hr.StageFailed):
        job.write_parquet(tmp_path / "out", **options)
    done = numbers_of(tmp_path / "out")
    assert 3 not in done
    assert leftovers(tmp_path / "out") == []
    (tmp_path / "mended").touch()
    reads.clear()
    report = job.write_parquet(tmp_path / "out", **options)
    left = [row for row in range(20) if row // 4 not in done]
    assert sorted(reads) == read_by(engine, left, 2)
    job.write_parquet(tmp_path / "undisturbed", **options)
    assert written(tmp_path / "out") == written(tmp_path / "undisturbed")
    assert rejected(tmp_path / "out") == rejected(tmp_path / "undisturbed")
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (20, 19, 1)


def test_run_that_the_disk_stopped_goes_on(
    engine: str, make_photos: MakePhotos, tmp_path: Path, changes: Changes, notes: Notes
) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 12)).infer(Mean, preprocess=SMALL)

    def full(publish: Callable[..., Any]) -> Callable[..., Any]:
        def failing(self: PartPress, partition: Any, *rest: Any) -> Any:
            if partition.number == 2:
                raise hr.WriteFailed("part-00000002.parquet", "No space left on device")
            return publish(self, partition, *rest)

        return failing

    changes.make(PartPress, "publish", full)
    with pytest.raises(hr.WriteFailed, match="No space left"):
        job.write_parquet(tmp_path / "out", engine=engine, partition_rows=3)
    changes.undo()
    done = numbers_of(tmp_path / "out")
    assert done == [0, 1] if engine == "local" else 2 not in done
    note_reads(changes, notes)
    job.write_parquet(tmp_path / "out", engine=engine)
    assert sorted(notes) == read_by(engine, [row for row in range(12) if row // 3 not in done], 3)
    assert len(written(tmp_path / "out")) == 12


def test_finished_output_is_left_as_it_is(engine: str, make_photos: MakePhotos, tmp_path: Path, reads: Notes) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 5)).infer(MODEL)
    first = job.write_parquet(tmp_path / "out", engine=engine)
    before = {p: p.stat().st_mtime_ns for p in sorted(tmp_path.rglob("out/**/*")) if p.is_file()}
    reads.clear()
    assert job.write_parquet(tmp_path / "out", engine=engine) == first
    assert {p: p.stat().st_mtime_ns for p in sorted(tmp_path.rglob("out/**/*")) if p.is_file()} == before
    assert list(reads) == []


def other(batch: dict[str, Any]) -> dict[str, Any]:
    return {"x": [1] * len(batch["path"])}


def test_another_job_is_refused_and_told_what_changed(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    photos = hr.read_images(make_photos(tmp_path / "in", 4))
    photos.infer(MODEL, precision="fp32").write_parquet(tmp_path / "out", engine=engine, partition_rows=2)
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(MODEL.read_bytes() + b"\xa0\x06\x01")  # field 100, which readers skip
    more = hr.read_images(make_photos(tmp_path / "more", 5))
    same = hr.Preprocess(resize_short=300)
    cases: list[tuple[hr.Dataset, dict[str, Any], str]] = [
        (more.infer(MODEL), {}, "input"),
        (photos.limit(3).infer(MODEL), {}, "input"),
        (photos.infer(MODEL, preprocess=same), {}, "preprocessing"),
        (photos.infer(copy), {}, "model"),
        (photos.infer(MODEL, top_k=5), {}, "task"),
        (photos.infer(MODEL, precision="bf16"), {}, "precision"),
        (photos.infer(MODEL), {"partition_rows": 3}, "partition_rows"),
        (photos.infer(MODEL), {"keep_images": True}, "keep_images"),
        (photos.map_batches(other).infer(MODEL), {}, "stages"),
    ]
    before = written(tmp_path / "out")
    for job, options, what in cases:
        with pytest.raises(hr.JobChanged) as caught:
            job.write_parquet(tmp_path / "out", engine=engine, **options)
        assert what in caught.value.changed, what
    assert written(tmp_path / "out") == before


def test_overwrite_starts_anew(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    photos = hr.read_images(make_photos(tmp_path / "in", 6))
    photos.map_batches(other).write_parquet(tmp_path / "out", engine=engine, partition_rows=1)
    photos.limit(2).infer(Mean, preprocess=SMALL).write_parquet(tmp_path / "out", engine=engine, overwrite=True)
    assert [set(r) for r in written(tmp_path / "out")] == [{"path", "mean"}] * 2


def test_overwrite_by_a_job_that_cannot_run_destroys_nothing(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = hr.read_images(make_photos(tmp_path / "in", 3))
    photos.map_batches(other).write_parquet(tmp_path / "out", engine=engine)
    before = written(tmp_path / "out")
    with pytest.raises(hr.BadModel):
        photos.infer("missing.onnx").write_parquet(tmp_path / "out", engine=engine, overwrite=True)
    with pytest.raises(hr.BadModel):
        photos.infer(MODEL, labels=("one",)).write_parquet(tmp_path / "out", engine=engine, overwrite=True)
    assert written(tmp_path / "out") == before


def test_parts_without_their_record_are_refused(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 3)).map_batches(other)
    job.write_parquet(tmp_path / "out", engine=engine)
    (tmp_path / "out/_headrace/job.json").unlink()
    with pytest.raises(hr.BadOutput, match="no record of their job"):
        job.write_parquet(tmp_path / "out", engine=engine)
    assert job.write_parquet(tmp_path / "out", engine=engine, overwrite=True).rows_out == 3
