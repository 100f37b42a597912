"""A row group that cannot be read costs its own rows, which are rejects; all other rows are delivered."""

import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outputs import MODEL, rejected, written

import headrace as hr
from headrace.api.verifying import verify
from headrace.core.batch import Rows
from headrace.core.errors import ReadFailed
from headrace.sources.parquet import ParquetFiles, ParquetListing

Fault = Callable[[Path], None]
GROUP = 4
OPTIONS: dict[str, Any] = {"batch_size": 6, "partition_rows": 12, "max_rejected": 1.0}


def save(path: Path, numbers: range, **columns: Any) -> Path:
    """A file of row groups of 4 rows: an id, a number, and `columns`."""
    table = pa.table({"sku": [f"s{n}" for n in numbers], "n": numbers} | columns)
    pq.write_table(table, path, row_group_size=GROUP)
    return path


def damage(path: Path, row_group: int) -> None:
    """Overwrites the pages of a row group, so that they cannot be read; the file keeps its size."""
    group = pq.read_metadata(path).row_group(row_group)
    with path.open("r+b") as file:
        for column in (group.column(i) for i in range(group.num_columns)):
            file.seek(column.dictionary_page_offset or column.data_page_offset)
            file.write(b"\xff" * min(40, column.total_compressed_size))


def doubled(batch: dict[str, Any]) -> dict[str, Any]:
    return {"n": batch["n"], "twice": batch["n"] * 2}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files with the numbers 0-19 and 20-29."""
    (tmp_path / "in").mkdir()
    return [save(tmp_path / "in/a.parquet", range(20)), save(tmp_path / "in/b.parquet", range(20, 30))]


def loaded(listing: ParquetListing, size: int) -> list[Rows]:
    return [r.load() for r in listing.reads(0, listing.rows, size)]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def no_file(path: Path) -> None:
    path.unlink()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def another_kind(path: Path) -> None:
    path.write_bytes(b"no Parquet at all")


@pytest.mark.parametrize("fault", [cut, no_file, a_pipe, another_kind])
def test_file_that_goes_or_breaks_since_it_was_listed_costs_its_own_rows(files: list[Path], fault: Fault) -> None:
    listing = ParquetFiles(files).list()
    fault(files[0])
    rows = loaded(listing, 5)
    assert [n for r in rows if r.keys for n in r.columns["n"].tolist()] == [*range(20, 30)]
    assert [one.key for r in rows for one in r.lost] == [f"{files[0]}#{n}" for n in range(20)]
    assert all(r.count == 5 for r in rows)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    bad=st.sets(st.tuples(st.integers(0, 1), st.integers(0, 4))),
    size=st.integers(1, 31),
    start=st.integers(0, 29),
    key_column=st.sampled_from([None, "sku"]),
)
def test_read_gives_every_row_of_the_groups_that_are_whole_and_names_the_others(
    files: list[Path], bad: set[tuple[int, int]], size: int, start: int, key_column: str | None
) -> None:
    for path, numbers in zip(files, (range(20), range(20, 30)), strict=True):
        save(path, numbers)
    listing = ParquetFiles(files, key_column=key_column).list()
    lost = set()
    for file, group in bad:
        if file == 0 or group < 3:
            damage(files[file], group)
            lost |= {*range(file * 20 + group * GROUP, min(file * 20 + (group + 1) * GROUP, 30))}
    keys = [f"{files[n >= 20]}#{n - 20 * (n >= 20)}" for n in range(30)]
    for first, read in zip(range(start, 30, size), listing.reads(start, 30, size), strict=True):
        rows = read.load()
        asked = range(first, min(first + size, 30))
        good = [n for n in asked if n not in lost]
        assert rows.count == len(asked)
        assert rows.keys == ([keys[n] for n in good] if key_column is None else [f"s{n}" for n in good])
        assert not good or rows.columns["n"].tolist() == good
        assert (first + rows.places()).tolist() == good
        assert [(first + one.place, one.key) for one in rows.lost] == [(n, keys[n]) for n in asked if n in lost]


BAD = ([2], [0], [4], [1, 3], [0, 1, 2, 3, 4])


@pytest.mark.parametrize("key_column", [None, "sku"])
@pytest.mark.parametrize("bad", BAD, ids=str)
@pytest.mark.parametrize("batch_size", [1, 3, 4, 6])
def test_rows_of_a_damaged_group_are_rejects_and_the_others_go_through_the_stages(
    files: list[Path], tmp_path: Path, bad: list[int], batch_size: int, key_column: str | None
) -> None:
    for group in bad:
        damage(files[0], group)
    out = tmp_path / "o"
    options = OPTIONS | {"batch_size": batch_size}
    job = hr.read_parquet(files, key_column=key_column).map_batches(doubled)
    report = job.write_parquet(out, **options)
    lost = [n for group in bad for n in range(group * GROUP, group * GROUP + GROUP)]
    good = [n for n in range(30) if n not in lost]
    assert [(r["n"], r["twice"]) for r in written(out)] == [(n, 2 * n) for n in good]
    if key_column is not None:
        assert [r["sku"] for r in written(out)] == [f"s{n}" for n in good]
    found = rejected(out)
    assert [(r["row"], r["key"], r["stage"], r["original"]) for r in found] == [
        (n, f"{files[0]}#{n}", "read", None) for n in lost
    ]
    assert all(
        re.match(rf"row group {r['row'] // GROUP} cannot be read \(.+\)", r["message"], re.DOTALL) for r in found
    )
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (30, len(good), len(lost))
    assert verify(out).whole


def test_damaged_groups_of_two_files_are_told_apart(files: list[Path], tmp_path: Path) -> None:
    damage(files[0], 4)
    damage(files[1], 0)
    out = tmp_path / "o"
    report = hr.read_parquet(files).map_batches(doubled).write_parquet(out, **OPTIONS)
    assert [r["n"] for r in written(out)] == [*range(16), *range(24, 30)]
    assert [(r["row"], r["key"]) for r in rejected(out)] == [
        *((n, f"{files[0]}#{n}") for n in range(16, 20)),
        *((n, f"{files[1]}#{n - 20}") for n in range(20, 24)),
    ]
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (30, 22, 8)


@pytest.mark.parametrize("same_size", [True, False])
@pytest.mark.parametrize("bad", BAD, ids=str)
def test_mended_groups_are_delivered_when_they_are_retried(
    files: list[Path], tmp_path: Path, bad: list[int], same_size: bool
) -> None:
    size, out = files[0].stat().st_size, tmp_path / "o"
    for group in bad:
        damage(files[0], group)
    if not same_size:
        with files[0].open("r+b") as file:  # room in front of the footer, which is found from the file's end
            file.seek(0, os.SEEK_END)
            footer = footer_of(files[0])
            file.seek(-len(footer), os.SEEK_END)
            file.write(bytes(64) + footer)
    job = hr.read_parquet(files).map_batches(doubled)
    lost = job.write_parquet(out, **OPTIONS).rows_rejected
    assert lost == GROUP * len(bad)
    assert job.write_parquet(out, retry=True, **OPTIONS).rows_rejected == lost
    save(files[0], range(20))
    assert files[0].stat().st_size == size
    report = job.write_parquet(out, retry=True, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (30, 30, 0)
    assert sorted((r["path"], r["n"], r["twice"]) for r in written(out)) == sorted(
        (f"{files[n >= 20]}#{n - 20 * (n >= 20)}", n, 2 * n) for n in range(30)
    )
    assert verify(out).whole


def footer_of(path: Path) -> bytes:
    """A file's footer, with its length and the mark behind it."""
    data = path.read_bytes()
    return data[-8 - struct.unpack("<I", data[-8:-4])[0] :]


@pytest.fixture
def photos(tmp_path: Path, real_jpegs: list[Path]) -> Path:
    """A file of 12 photos, the sixth of which is none."""
    images = [real_jpegs[n % 3].read_bytes() for n in range(12)]
    images[5] = b"no photo"
    return save(tmp_path / "photos.parquet", range(12), image=pa.array(images, pa.binary()))


@pytest.mark.parametrize("key_column", [None, "sku"])
@pytest.mark.parametrize("bad", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [3, 5, 12])
def test_photos_of_a_damaged_group_are_rejects_and_the_model_sees_the_others(
    photos: Path, tmp_path: Path, bad: int, batch_size: int, key_column: str | None
) -> None:
    options = OPTIONS | {"batch_size": batch_size}
    job = hr.read_parquet(photos, image_column="image", key_column=key_column).infer(MODEL, precision="fp32")
    job.write_parquet(tmp_path / "whole", **options)
    scores = {r["n"]: pytest.approx(r["score"], abs=1e-4) for r in written(tmp_path / "whole")}
    data = photos.read_bytes()
    damage(photos, bad)
    out = tmp_path / "o"
    report = job.write_parquet(out, **options)
    lost = [*range(bad * GROUP, bad * GROUP + GROUP)]
    good = [n for n in range(12) if n not in lost and n != 5]
    assert [(r["n"], r["score"]) for r in written(out)] == [(n, scores[n]) for n in good]
    stages = {5: "decode"} | dict.fromkeys(lost, "read")
    assert [(r["row"], r["stage"]) for r in rejected(out)] == sorted(stages.items())
    assert (report.rows_in, report.rows_out) == (12, len(good))
    photos.write_bytes(data)
    report = job.write_parquet(out, retry=True, **options)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (12, 11, 1)
    assert {r["n"]: r["score"] for r in written(out)} == scores
    assert verify(out).whole


def test_pixels_that_a_stage_sees_come_from_the_groups_that_are_whole(photos: Path, tmp_path: Path) -> None:
    damage(photos, 0)

    def shapes(batch: dict[str, Any]) -> dict[str, Any]:
        return {"n": batch["n"], "height": [p.shape[0] for p in batch["image"]]}

    job = hr.read_parquet(photos, image_column="image").map_batches(shapes)
    job.write_parquet(tmp_path / "o", **OPTIONS)
    assert [r["n"] for r in written(tmp_path / "o")] == [4, *range(6, 12)]
    assert all(r["height"] > 0 for r in written(tmp_path / "o"))


def test_rows_in_memory_are_those_of_the_groups_that_are_whole(files: list[Path]) -> None:
    damage(files[0], 0)
    job = hr.read_parquet(files).map_batches(doubled)
    assert [r["n"] for r in job.take(5)] == [*range(4, 9)]
    assert [n for b in job.iter_batches(batch_size=7) for n in b["n"].tolist()] == [*range(4, 30)]


def test_reject_of_a_damaged_group_stops_the_run_where_that_was_asked(files: list[Path], tmp_path: Path) -> None:
    damage(files[0], 2)
    with pytest.raises(hr.RejectedRow, match=r"a\.parquet#8.+row group 2 cannot be read"):
        hr.read_parquet(files).map_batches(doubled).write_parquet(tmp_path / "o", on_error="fail", **OPTIONS)


def test_text_that_is_not_utf8_costs_only_its_own_row(tmp_path: Path) -> None:
    path, out = tmp_path / "a.parquet", tmp_path / "o"
    table = pa.table({"n": range(8), "word": [f"word{n}" for n in range(8)]})
    pq.write_table(table, path, row_group_size=GROUP, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(struct.pack("<I", 5) + b"word6", struct.pack("<I", 5) + b"\xff\xfe\xfd\xfc6"))
    job = hr.read_parquet(path).map_batches(lambda batch: {"word": batch["word"]})
    report = job.write_parquet(out, **OPTIONS)
    assert [r["word"] for r in written(out)] == [f"word{n}" for n in range(8) if n != 6]
    (reject,) = rejected(out)
    assert (reject["row"], reject["key"], reject["stage"]) == (6, f"{path}#6", "read")
    assert reject["message"].startswith("a value of the row cannot be read ('utf-8' codec")
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (8, 7, 1)
    path.write_bytes(whole)
    assert job.write_parquet(out, retry=True, **OPTIONS).rows_out == 8
    assert verify(out).whole


def test_store_that_does_not_answer_costs_no_row_and_the_run_goes_on_later(
    web: Any, files: list[Path], tmp_path: Path
) -> None:
    web.files = {"/": b'<a href="a.parquet">a</a> <a href="b.parquet">b</a>'}
    web.files |= {f"/{path.name}": path.read_bytes() for path in files}
    out, job = tmp_path / "o", hr.read_parquet(f"{web.url}/").map_batches(doubled)
    ParquetFiles(f"{web.url}/").list()
    web.fail("/b.parquet", [None] * web.count("/b.parquet") + [500] * 1000)
    with pytest.raises(
        ReadFailed, match=r"b.parquet, row group \d: cannot be read \(HTTP 500 .+; wait until it answers"
    ):
        job.write_parquet(out, **OPTIONS)
    web.fail("/b.parquet", [])
    report = job.write_parquet(out, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (30, 30, 0)
    assert [r["n"] for r in written(out)] == [*range(30)]
