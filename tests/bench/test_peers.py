"""Every peer answers all its rows and reports its own speed in one JSON line."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.bench.corpus import make_jpegs, make_raw_parquet
from headrace.bench.networks import export_onnx, mobilenet_v2

ROWS = 24
ANSWER = {"class_id", "score"}
PEERS = {
    "ray_textbook": {"path"} | ANSWER,
    "ray_raw_parquet": {"id"} | ANSWER,
    "ray_seeds": {"predicted_class", "confidence", "batch_size"},
    "daft_peer": {"path"} | ANSWER,
    "dataloader": {"path"} | ANSWER,
}
Answered = Callable[[str], tuple[dict[str, float], pa.Table]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """Each peer's data, four rows more than it shall take, and its model."""
    folder = tmp_path_factory.mktemp("peers")
    photos = make_jpegs(folder / "photos", ROWS + 4)
    onnx = folder / "mobilenet_v2.onnx"
    export_onnx(mobilenet_v2(), onnx, metadata={})
    return {
        "ray_textbook": (photos, str(onnx)),
        "ray_raw_parquet": (make_raw_parquet(folder / "raw", ROWS + 4, rows_per_file=16), str(onnx)),
        "ray_seeds": (photos, "mobilenet_v2"),
        "daft_peer": (photos, str(onnx)),
        "dataloader": (photos, "mobilenet_v2"),
    }


@pytest.fixture(scope="module")
def answered(inputs: dict[str, tuple[Path, str]], tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """Runs a peer, once however often it is asked for, and returns its JSON line and its output."""

    @cache
    def run(name: str) -> tuple[dict[str, float], pa.Table]:
        data, model = inputs[name]
        out = tmp_path_factory.mktemp(name) / "out"
        line = _run(name, "--data", str(data), "--model", model, "--out", str(out), "--rows", str(ROWS))
        return line, pq.read_table(out)

    return run


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_answers_the_rows_asked_for(name: str, answered: Answered) -> None:
    line, table = answered(name)
    assert line["rows"] == table.num_rows == ROWS
    assert set(table.column_names) == PEERS[name]
    assert 0 < line["startup_s"] < line["wall_s"]
    assert line["cpu_s"] > 0
    assert line["rows_per_s"] == pytest.approx(ROWS / (line["wall_s"] - line["startup_s"]))
    assert (line["warm_rows_per_s"] is None) == (name == "dataloader")


def test_peers_with_the_exact_preprocessing_agree(answered: Answered) -> None:
    ray, torch = (_classes(answered(name)[1]) for name in ("ray_textbook", "dataloader"))
    assert ray == torch


def _classes(table: pa.Table) -> dict[str, int]:
    return dict(zip(table["path"].to_pylist(), table["class_id"].to_pylist(), strict=True))


def _run(name: str, *options: str) -> dict[str, float]:
    command = [sys.executable, "-m", f"headrace.bench.peers.{name}", "--precision", "fp32", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    line: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return line
