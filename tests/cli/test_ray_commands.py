"""`--engine ray` on the command line: the same job, the same folder, and clear refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace import demo

pytest.importorskip("ray")

MODEL = str(demo.MODEL)


@pytest.fixture
def photos(tmp_path: Path, real_jpegs: list[Path]) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, photo in enumerate(real_jpegs[:6]):
        (folder / f"{number}.jpg").write_bytes(photo.read_bytes())
    (folder / "6.jpg").write_bytes(b"no photo")
    return folder


def headrace(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-m", "headrace", *map(str, arguments)]
    environment = kept | {"XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)


@pytest.mark.timeout(240)
def test_job_that_was_begun_on_ray_is_finished_for_the_local_engine(photos: Path, tmp_path: Path) -> None:
    job = ("run", photos, "--model", MODEL, "--precision", "fp32", "--max-rejected", "0.5", "--json", "--out")
    on_ray = headrace(*job, "preds", "--engine", "ray", folder=tmp_path)
    assert on_ray.returncode == 0, on_ray.stderr
    report = json.loads(on_ray.stdout)
    assert (report["engine"], report["rows_in"], report["rows_out"], report["rows_rejected"]) == ("ray", 7, 6, 1)
    assert [stage["name"] for stage in report["stages"]] == ["read", "prepare", "infer", "write"]
    assert report["cluster"]["object_store"]["verdict"] == "the object store had room"
    assert "Read" in report["cluster"]["ray_data"]
    again = headrace(*job, "preds", folder=tmp_path)
    assert json.loads(again.stdout)["engine"] == "ray", "nothing is left to do"
    local = headrace(*job, "local", folder=tmp_path)
    assert local.returncode == 0, local.stderr
    assert rows(tmp_path / "preds") == rows(tmp_path / "local")


def rows(out: Path) -> list[dict[str, object]]:
    import pyarrow.parquet as pq

    return [row for part in sorted(out.glob("part-*")) for row in pq.read_table(part).to_pylist()]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "ray", "--address", "127.0.0.1:1"), "127.0.0.1:1: nothing listens there"),
        (("--engine", "ray", "--address", "nonsense"), "nonsense: is not an address of Ray"),
        (("--engine", "ray", "--num-gpus", "1"), "infer asks for"),
        (
            ("--engine", "ray", "--workers", "4:2"),
            "concurrency must be an integer >= 1, or (at least, at most) so many",
        ),
        (("--engine", "ray", "--workers", "2:x"), "--workers must be auto, N or MIN:MAX, got '2:x'"),
        (("--engine", "ray", "--resource", "disk"), "--resource and --label must be NAME=VALUE, got 'disk'"),
        (("--num-gpus", "1"), "--num-gpus must be used with --engine ray, got 1.0"),
        (("--workers", "1:2"), "--workers must be used with --engine ray, got '1:2'"),
        (("--address", "auto"), "--address must be used with --engine ray, got 'auto'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_had_is_one_line_and_writes_nothing(
    options: tuple[str, ...], message: str, photos: Path, tmp_path: Path
) -> None:
    done = headrace("run", photos, "--model", MODEL, "--out", "preds", *options, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("headrace: ")
    assert message in done.stderr
    assert not (tmp_path / "preds/part-00000000.parquet").exists()
