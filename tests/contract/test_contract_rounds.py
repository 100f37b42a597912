"""Files that come to a finished job, and rejects that are run again, go into further parts; the old ones stay."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from everywhere import Notes
from outputs import SMALL, Mean, footer, parts, read_by, rejected, written

import headrace as hr
from headrace.api.verifying import verify

MakePhotos = Callable[..., Path]
OPTIONS: dict[str, Any] = {"batch_size": 2, "partition_rows": 4, "max_rejected": 1.0}


def stats(out: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in parts(out)}


def names(out: Path) -> list[str]:
    return [Path(r["path"]).name[:3] for r in written(out)]


def test_added_files_are_refused_until_they_are_asked_for_and_then_run_alone(
    engine: str, make_photos: MakePhotos, tmp_path: Path, reads: Notes
) -> None:
    photos = make_photos(tmp_path / "in", 10)
    job = hr.read_images(photos).infer(Mean, preprocess=SMALL)
    out = tmp_path / "out"
    job.write_parquet(out, engine=engine, **OPTIONS)
    before = stats(out)
    for number in (3, 30, 31):
        shutil.copy(photos / "001-good.jpg", photos / f"{number:03d}-new.jpg")
    with pytest.raises(hr.JobChanged, match=r"input changed: 3 files \(.*003-new\.jpg.*\) added; --resume-new runs"):
        job.write_parquet(out, engine=engine, **OPTIONS)
    reads.clear()
    report = job.write_parquet(out, engine=engine, resume_new=True, **OPTIONS)
    assert sorted(reads) == read_by(engine, [3, 30, 31], 2)
    assert {name: s for name, s in stats(out).items() if name in before} == before
    assert [p.name for p in parts(out)] == [f"part-0000000{i}.parquet" for i in range(4)]
    assert names(out) == [f"{i:03d}" for i in range(10)] + ["003", "030", "031"]
    assert (report.rows_in, report.rows_out) == (13, 13)
    reads.clear()
    assert job.write_parquet(out, engine=engine, **OPTIONS).rows_out == 13
    assert job.write_parquet(out, engine=engine, resume_new=True, **OPTIONS).rows_out == 13
    assert list(reads) == []
    shutil.copy(photos / "001-good.jpg", photos / "000-newer.jpg")
    assert job.write_parquet(out, engine=engine, resume_new=True, **OPTIONS).rows_out == 14
    assert verify(out).whole


def test_added_files_do_not_shift_what_is_unfinished(
    engine: str, make_photos: MakePhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "in", 12)
    job = hr.read_images(photos).infer(Mean, preprocess=SMALL)
    out = tmp_path / "out"
    job.write_parquet(out, engine=engine, **OPTIONS)
    parts(out)[1].unlink()
    shutil.copy(photos / "001-good.jpg", photos / "000-new.jpg")
    report = job.write_parquet(out, engine=engine, resume_new=True, **OPTIONS)
    assert names(out) == [f"{i:03d}" for i in range(12)] + ["000"]
    assert (report.rows_in, report.rows_out) == (13, 13)
    assert verify(out).whole


@pytest.mark.parametrize("change", ["removed", "resized"])
def test_files_that_went_or_changed_are_no_addition(
    engine: str, change: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "in", 6)
    job = hr.read_images(photos).infer(Mean, preprocess=SMALL)
    job.write_parquet(tmp_path / "out", engine=engine, **OPTIONS)
    if change == "removed":
        (photos / "002-good.jpg").unlink()
    else:
        (photos / "002-good.jpg").write_bytes(b"other")
    shutil.copy(photos / "001-good.jpg", photos / "020-new.jpg")
    with pytest.raises(hr.JobChanged, match=rf"input changed: 1 file \(.*002-good\.jpg\) {change}"):
        job.write_parquet(tmp_path / "out", engine=engine, resume_new=True, **OPTIONS)


def test_new_rows_cannot_be_told_in_memory_or_behind_a_limit(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    hr.from_items([1, 2]).write_parquet(tmp_path / "items", engine=engine)
    with pytest.raises(hr.JobChanged, match="input"):
        hr.from_items([1, 2, 3]).write_parquet(tmp_path / "items", engine=engine, resume_new=True)
    with pytest.raises(hr.BadOption, match="--resume-new must be used without --limit"):
        hr.read_images(make_photos(tmp_path / "in", 6)).limit(3).write_parquet(tmp_path / "o", resume_new=True)


def test_mended_rejects_are_run_again_alone_into_further_parts(
    engine: str, make_photos: MakePhotos, tmp_path: Path, reads: Notes
) -> None:
    faults = {1: "fake", 6: "truncated", 7: "empty", 11: "fake"}
    photos = make_photos(tmp_path / "in", 14, faults)
    job = hr.read_images(photos).infer(Mean, preprocess=SMALL)
    out = tmp_path / "out"
    job.write_parquet(out, engine=engine, **OPTIONS)
    before = stats(out)
    for row in (1, 7, 11):
        shutil.copy(photos / "000-good.jpg", photos / f"{row:03d}-{faults[row]}.jpg")
    reads.clear()
    report = job.write_parquet(out, engine=engine, retry=True, **OPTIONS)
    assert set(reads) == {"001", "006", "007", "011"}
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (14, 13, 1)
    assert {name: s for name, s in stats(out).items() if name in before} == before
    good = [f"{i:03d}" for i in range(14) if i not in faults]
    assert names(out) == [*good, "001", "007", "011"]
    assert footer(parts(out)[-1])["account"]["rows_in"] == 4
    assert job.write_parquet(out, engine=engine, **OPTIONS) == report
    assert verify(out).whole
    shutil.copy(photos / "000-good.jpg", photos / "006-truncated.jpg")
    report = job.write_parquet(out, engine=engine, retry=True, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (14, 14, 0)
    assert names(out)[-1] == "006"
    assert [r["key"][-13:] for r in rejected(out)].count("truncated.jpg") == 2
    again = job.write_parquet(out, engine=engine, retry=True, **OPTIONS)
    assert again == report
    assert verify(out).whole


class Buggy:
    """A stage with a fault, until the file "mended" is there."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if 5 in batch["n"] and not Path(batch["mended"][0]).exists():
            raise KeyError("five")
        return {"n": batch["n"]}


def stricter(batch: dict[str, Any]) -> dict[str, Any]:
    return {"n": batch["n"] + 100}


def test_rejects_are_run_again_by_changed_stages_only_when_that_is_accepted(engine: str, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    rows = hr.from_items([{"n": i, "mended": str(mended)} for i in range(20)])
    out = tmp_path / "out"
    assert rows.map_batches(Buggy).write_parquet(out, engine=engine, **OPTIONS).rows_rejected == 1
    changed = rows.map_batches(stricter)
    with pytest.raises(hr.JobChanged, match="stages changed"):
        changed.write_parquet(out, engine=engine, retry=True, **OPTIONS)
    report = changed.write_parquet(out, engine=engine, retry=True, accept_changes=True, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (20, 20, 0)
    assert written(out)[-1]["n"] == 105
    mended.touch()
    assert rows.map_batches(Buggy).write_parquet(out, engine=engine, **OPTIONS).rows_out == 20


def test_retry_that_was_stopped_goes_on_and_takes_no_row_twice(engine: str, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    bad = [{"n": 5 if i % 4 == 0 else 100 + i, "mended": str(mended)} for i in range(40)]
    job = hr.from_items(bad).map_batches(Buggy)
    out = tmp_path / "out"
    assert job.write_parquet(out, engine=engine, **OPTIONS).rows_rejected == 10
    mended.touch()
    job.write_parquet(out, engine=engine, retry=True, **OPTIONS)
    assert len(parts(out)) == 13
    parts(out)[11].unlink()
    report = job.write_parquet(out, engine=engine, retry=True, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (40, 40, 0)
    assert sorted(int(r["item_id"]) for r in written(out)) == list(range(40))
    assert verify(out).whole


def test_mended_items_in_memory_are_run_again(engine: str, tmp_path: Path) -> None:
    never = str(tmp_path / "mended")
    items = [{"n": n, "mended": never} for n in (5, *range(100, 120))]
    hr.from_items(items).map_batches(Buggy).write_parquet(tmp_path / "o", engine=engine, **OPTIONS)
    items[0] = {"n": 6, "mended": never}
    with pytest.raises(hr.JobChanged, match="input changed: the items in memory are others"):
        hr.from_items(items).map_batches(Buggy).write_parquet(tmp_path / "o", engine=engine, **OPTIONS)
    with pytest.raises(hr.JobChanged, match="it has 20 rows where the job has 21"):
        hr.from_items(items[1:]).map_batches(Buggy).write_parquet(tmp_path / "o", engine=engine, retry=True, **OPTIONS)
    job = hr.from_items(items).map_batches(Buggy)
    report = job.write_parquet(tmp_path / "o", engine=engine, retry=True, **OPTIONS)
    assert (report.rows_out, report.rows_rejected, written(tmp_path / "o")[-1]["n"]) == (21, 0, 6)


def test_nothing_to_retry_is_said(engine: str, tmp_path: Path) -> None:
    job = hr.from_items([1, 2, 3])
    with pytest.raises(hr.BadOutput, match="holds no job to retry"):
        job.write_parquet(tmp_path / "o", engine=engine, retry=True)
    report = job.write_parquet(tmp_path / "o", engine=engine)
    assert job.write_parquet(tmp_path / "o", engine=engine, retry=True) == report


def save(path: Path, numbers: list[int], row_group: int = 4) -> None:
    """Numbers in row groups; those below 0 are what `refusing_negatives` refuses."""
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"n": numbers}), path, row_group_size=row_group)


def refusing_negatives(batch: dict[str, Any]) -> dict[str, Any]:
    if (batch["n"] < 0).any():
        raise ValueError("negative")
    return {"n": batch["n"]}


def record(out: Path) -> dict[str, bytes]:
    folder = out / "_headrace"
    return {p.name: p.read_bytes() for p in [folder / "job.json", *(folder / "rounds").iterdir()]}


BROKEN = [0, 1, -2, 3, 4, 5, 6, -7, 8, 9]


@pytest.mark.parametrize(
    "mended",
    [[100, 101, *range(10)], [*range(6)], [*range(1, 2)], [*range(12)]],
    ids=["rows in front", "fewer rows", "one row", "rows behind"],
)
def test_retry_refuses_a_file_that_has_got_other_rows(engine: str, tmp_path: Path, mended: list[int]) -> None:
    out, path = tmp_path / "out", tmp_path / "in/a.parquet"
    save(path, BROKEN)
    job = hr.read_parquet(path.parent).map_batches(refusing_negatives)
    assert job.write_parquet(out, engine=engine, **OPTIONS).rows_rejected == 2
    before = record(out), written(out)
    save(path, mended)
    for options in ({}, {"accept_changes": True}):
        with pytest.raises(hr.JobChanged, match=r"input changed: 1 file \(.*a\.parquet\) with other rows"):
            job.write_parquet(out, engine=engine, retry=True, **options, **OPTIONS)
    assert (record(out), written(out)) == before
    save(path, [abs(n) for n in BROKEN])
    report = job.write_parquet(out, engine=engine, retry=True, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (10, 10, 0)
    assert sorted(r["n"] for r in written(out)) == [*range(10)]
    assert verify(out).whole


def test_retry_refuses_as_many_rows_in_other_row_groups(engine: str, tmp_path: Path) -> None:
    out, path = tmp_path / "out", tmp_path / "in/a.parquet"
    save(path, BROKEN)
    job = hr.read_parquet(path.parent).map_batches(refusing_negatives)
    job.write_parquet(out, engine=engine, **OPTIONS)
    save(path, [abs(n) for n in BROKEN], row_group=5)
    with pytest.raises(hr.JobChanged, match="with other rows"):
        job.write_parquet(out, engine=engine, retry=True, **OPTIONS)


def test_retry_behind_another_limit_is_refused(engine: str, tmp_path: Path) -> None:
    out, path = tmp_path / "out", tmp_path / "in/a.parquet"
    save(path, BROKEN)
    rows = hr.read_parquet(path.parent)
    rows.limit(3).map_batches(refusing_negatives).write_parquet(out, engine=engine, **OPTIONS)
    before = record(out)
    with pytest.raises(hr.JobChanged, match="input changed: it has 2 rows where the job has 3"):
        rows.limit(2).map_batches(refusing_negatives).write_parquet(
            out, engine=engine, retry=True, accept_changes=True, **OPTIONS
        )
    assert record(out) == before


def test_parquet_with_a_row_a_file_is_whole(engine: str, tmp_path: Path) -> None:
    save(tmp_path / "in/a.parquet", BROKEN)
    save(tmp_path / "in/b.parquet", [1])
    for number, rows in enumerate(
        (hr.read_parquet(tmp_path / "in").limit(1), hr.read_parquet(tmp_path / "in/b.parquet"))
    ):
        rows.map_batches(refusing_negatives).write_parquet(tmp_path / f"out{number}", engine=engine, **OPTIONS)
        assert verify(tmp_path / f"out{number}").problems == ()
