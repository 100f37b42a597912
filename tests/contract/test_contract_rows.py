"""Every input row becomes one output row or one reject, in order, and the accounts say so."""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outputs import FAULTS, MODEL, SMALL, Mean, footer, leftovers, only, parts, rejected, written

import headrace as hr

MakePhotos = Callable[..., Path]


def test_every_photo_gets_one_row_in_input_order(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "in", 21)
    report = (
        hr.read_images(photos)
        .infer(MODEL, precision="fp32")
        .write_parquet(tmp_path / "out", engine=engine, batch_size=4, partition_rows=8)
    )
    rows = written(tmp_path / "out")
    assert [r["path"] for r in rows] == sorted(str(p) for p in photos.iterdir())
    assert [pq.read_metadata(p).num_rows for p in parts(tmp_path / "out")] == [8, 8, 5]
    assert set(rows[0]) == {"path", "class_id", "label", "score"}
    assert (report.rows_in, report.rows_out, report.engine, report.precision) == (21, 21, engine, "fp32")


def test_read_by_arrow_the_folder_is_one_table_of_the_rows(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "in", 9, {2: "fake"})
    hr.read_images(photos).infer(Mean, preprocess=SMALL).write_parquet(
        tmp_path / "out", engine=engine, partition_rows=4, max_rejected=1.0
    )
    table = pq.read_table(tmp_path / "out")
    assert table.column("path").to_pylist() == [r["path"] for r in written(tmp_path / "out")]


def test_rows_do_not_depend_on_batches_partitions_or_workers(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 13, {5: "empty"})).infer(MODEL, precision="fp32", top_k=3)
    ways: list[dict[str, Any]] = [
        {"batch_size": 1, "partition_rows": 1},
        {"batch_size": 5, "partition_rows": 13, "workers": 1, "prepare_workers": 1},
        {"batch_size": 8, "partition_rows": 3, "workers": 2, "prepare_workers": 4, "io_concurrency": 4},
    ]
    results = []
    for number, way in enumerate(ways):
        job.write_parquet(tmp_path / str(number), engine=engine, max_rejected=1.0, **way)
        results.append(written(tmp_path / str(number)))
    assert results[0] == results[1] == results[2]


def test_rejects_tell_what_failed_where_and_keep_the_bytes(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    faults = dict(enumerate(FAULTS, start=1))
    photos = make_photos(tmp_path / "in", 6, faults)
    hr.read_images(photos).infer(Mean, preprocess=SMALL).write_parquet(
        tmp_path / "out", engine=engine, max_rejected=1.0
    )
    rejects = rejected(tmp_path / "out")
    files = sorted(p for p in photos.iterdir() if "good" not in p.name)
    assert [r["key"] for r in rejects] == [str(p) for p in files]
    assert [r["stage"] for r in rejects] == ["decode", "decode", "decode", "read"]
    assert [r["original"] for r in rejects] == [*(p.read_bytes() for p in files[:3]), None]
    assert all(r["message"] and r["error_type"] for r in rejects)
    assert (rejects[1]["message"], rejects[3]["error_type"]) == ("the file is empty", "PermissionError")


def test_partition_without_output_publishes_a_part_of_no_rows(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "in", 6, {2: "empty", 3: "fake"})
    hr.read_images(photos).infer(Mean, preprocess=SMALL).write_parquet(
        tmp_path / "out", engine=engine, partition_rows=2, batch_size=2, max_rejected=1.0
    )
    middle = parts(tmp_path / "out")[1]
    assert pq.read_metadata(middle).num_rows == 0
    assert pq.read_schema(middle).names == ["path", "mean"]
    assert footer(middle)["account"]["rows_rejected"] == 2


@pytest.mark.parametrize("model", [MODEL, Mean])
def test_run_in_which_every_row_is_rejected_still_accounts_for_them(
    engine: str, model: object, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "in", 3, {0: "empty", 1: "fake", 2: "truncated"})
    report = hr.read_images(photos).infer(model).write_parquet(tmp_path / "out", engine=engine, max_rejected=1.0)
    assert (report.rows_out, report.rows_rejected) == (0, 3)
    assert written(tmp_path / "out") == []


KINDS = st.lists(st.sampled_from(["good", "good", *FAULTS]), min_size=1, max_size=24)


@only("local", "test_accounts_balance_on_a_cluster takes three cases: a run there costs a second")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=KINDS, batch_size=st.integers(1, 9), partition_rows=st.integers(1, 12), fused=st.booleans())
def test_accounts_balance_for_every_part_and_the_run(
    engine: str, make_photos: MakePhotos, kinds: list[str], batch_size: int, partition_rows: int, *, fused: bool
) -> None:
    check_accounts(engine, make_photos, kinds, batch_size, partition_rows, fused=fused)


@only("ray", "the same as above")
@pytest.mark.parametrize(
    ("kinds", "batch_size", "partition_rows", "fused"),
    [
        (["fake", "empty", "unreadable", "good", "good"], 2, 3, False),
        (["good", "truncated"] * 9, 4, 5, True),
        (["empty"] * 7 + ["good"] * 14, 3, 7, False),
    ],
)
def test_accounts_balance_on_a_cluster(
    engine: str, make_photos: MakePhotos, kinds: list[str], batch_size: int, partition_rows: int, *, fused: bool
) -> None:
    check_accounts(engine, make_photos, kinds, batch_size, partition_rows, fused=fused)


def check_accounts(
    engine: str, make_photos: MakePhotos, kinds: list[str], batch_size: int, partition_rows: int, *, fused: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        bad = {i: k for i, k in enumerate(kinds) if k != "good"}
        photos = hr.read_images(make_photos(Path(folder) / "in", len(kinds), bad))
        job = photos.infer(Mean, preprocess=SMALL) if fused else photos.map_batches(sizes)
        report = job.write_parquet(
            out, engine=engine, batch_size=batch_size, partition_rows=partition_rows, max_rejected=1.0
        )
        total: Counter[str] = Counter()
        for part in parts(out):
            account = footer(part)["account"]
            total.update(account)
            assert account["rows_in"] == account["rows_out"] + account["rows_rejected"]
            assert pq.read_metadata(part).num_rows == account["rows_out"]
        keys = [r["path"] for r in written(out)]
        assert total["rows_in"] == len(kinds) == report.rows_in
        assert total["rows_rejected"] == len(bad) == report.rows_rejected
        assert keys == sorted(keys)
        found = sorted(str(p) for p in (Path(folder) / "in").iterdir())
        assert sorted(keys + [r["key"] for r in rejected(out)]) == found
        assert leftovers(out) == []


def sizes(batch: dict[str, Any]) -> dict[str, Any]:
    return {"height": [image.shape[0] for image in batch["image"]]}
