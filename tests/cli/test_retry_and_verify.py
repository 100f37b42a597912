"""`headrace retry` runs rejects again from what the folder remembers; `headrace verify` says what is wrong with it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from headrace import demo

Headrace = Callable[..., Any]

PHOTOS = sorted(Path(demo.PHOTOS).iterdir())


@pytest.fixture
def ran(headrace: Headrace) -> Path:
    """A run over four photos, one of them broken, in parts of one row."""
    Path("in").mkdir()
    for photo in PHOTOS:
        shutil.copy(photo, "in")
    (Path("in") / "broken.jpg").write_bytes(b"no photo")
    options = ["--model", demo.MODEL, "--precision", "fp32", "--partition-rows", 1, "--batch-size", 1]
    done = headrace("run", "in", *options, "--out", "out", "--max-rejected", 0.5)
    assert (done.code, "1 rejected" in done.out) == (0, True)
    return Path("out")


def test_mended_photo_is_run_from_any_folder(
    headrace: Headrace, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PHOTOS[0], "in/broken.jpg")
    monkeypatch.chdir("/")
    done = headrace("retry", tmp_path / "out")
    assert done.code == 0
    assert "1 rows in" in done.out
    assert "5 in all" in done.out
    rows = [r for p in sorted((tmp_path / "out").glob("part-*")) for r in pq.read_table(p).to_pylist()]
    assert Path(rows[-1]["path"]).name == "broken.jpg"
    again = headrace("retry", tmp_path / "out")
    assert (again.code, "no rejects to try again" in again.out) == (0, True)
    assert headrace("verify", tmp_path / "out").code == 0


def test_folders_that_cannot_be_retried_say_why(headrace: Headrace, ran: Path) -> None:
    assert "holds no job to retry" in headrace("retry", "nowhere").err
    record = Path("out/_headrace/job.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"command": None}))
    done = headrace("retry", "out")
    assert (done.code, "it was run from Python" in done.err) == (2, True)


def test_whole_output_is_said_to_be(headrace: Headrace, ran: Path) -> None:
    done = headrace("verify", "out")
    assert (done.code, done.err) == (0, "")
    assert "5 parts, 5 rows in, 4 out, 1 rejected: whole" in done.out
    found = json.loads(headrace("verify", "out", "--json").out)
    assert (found["whole"], found["problems"], found["parts"]) == (True, [], 5)


def damage_bytes(out: Path) -> None:
    part = out / "part-00000001.parquet"
    data = bytearray(part.read_bytes())
    data[30] ^= 1
    part.write_bytes(data)


def remove_part(out: Path) -> None:
    (out / "part-00000002.parquet").unlink()


def copy_part(out: Path) -> None:
    shutil.copy(out / "part-00000001.parquet", out / "part-00000003.parquet")


def foreign_part(out: Path) -> None:
    pq.write_table(pq.read_table(PHOTO_TABLE), out / "part-00000009.parquet")


def drop_rejects(out: Path) -> None:
    for rejects in (out / "_headrace/rejects").iterdir():
        rejects.unlink()


def cut_part(out: Path) -> None:
    part = out / "part-00000000.parquet"
    part.write_bytes(part.read_bytes()[:-20])


def false_report(out: Path) -> None:
    report = out / "_headrace/report.json"
    report.write_text(json.dumps(json.loads(report.read_text()) | {"rows_out": 5}))


def other_listing(out: Path) -> None:
    files = out / "_headrace/rounds/0000.parquet"
    table = pq.read_table(files)
    renamed = [k.replace("chelsea", "renamed") for k in table["key"].to_pylist()]
    pq.write_table(table.set_column(0, "key", [renamed]), files)


PHOTO_TABLE = "plain.parquet"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damage_bytes, "part-00000001.parquet: "),
        (remove_part, "part-00000002.parquet: was committed, and is gone"),
        (copy_part, "part-00000003.parquet: it covers"),
        (foreign_part, "part-00000009.parquet: cannot be read"),
        (drop_rejects, "its rejects cannot be read"),
        (cut_part, "part-00000000.parquet: cannot be read"),
        (false_report, "report.json counts"),
        (other_listing, "its keys are not those of the input"),
    ],
)
def test_each_harm_is_found_and_named(headrace: Headrace, ran: Path, harm: Callable[[Path], Any], said: str) -> None:
    import pyarrow as pa

    pq.write_table(pa.table({"x": [1]}), PHOTO_TABLE)
    harm(ran)
    done = headrace("verify", "out")
    assert done.code == 1
    assert said in done.out
    assert "wrong: " in done.out


def test_unfinished_output_is_said_to_be(headrace: Headrace, ran: Path) -> None:
    shutil.rmtree("out/_headrace/commits")
    Path("out/part-00000002.parquet").unlink()
    done = headrace("verify", "out")
    assert (done.code, "unfinished: 1 partitions" in done.out) == (1, True)
