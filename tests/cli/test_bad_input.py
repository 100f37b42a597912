"""Bad input is one line on stderr: what, where, what to do; nothing is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace import demo

MODEL = str(demo.MODEL)
Headrace = Callable[..., Any]


def save_onnx(path: str, shape: list[int]) -> None:
    from onnx import TensorProto, helper, save

    tensor = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [tensor[0]], [tensor[1]])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


@pytest.fixture(autouse=True)
def files(photos: Path) -> None:
    """All kinds of bad input, in the working folder."""
    Path("empty").mkdir()
    Path("texts").mkdir()
    Path("texts/a.txt").write_text("no photo")
    Path("taken").write_text("a file")
    Path("labels.txt").write_text("cat\ndog\n")
    Path("none.txt").write_text("")
    Path("text.onnx").write_text("not a model")
    save_onnx("rank2.onnx", [1, 8])
    save_onnx("grey.onnx", [1, 1, 8, 8])
    Path("broken.toml").write_text("= 3")
    Path("odd.toml").write_text("crop = -1")
    Path("broken.parquet").write_text("PAR1")
    Path("raises.py").write_text("1 / 0")
    np.save("array.npy", np.zeros(3))


CASES: list[tuple[list[str], str]] = [
    (["missing", "--model", MODEL], "missing: does not exist; check the path"),
    (["empty", "--model", MODEL], "empty: has no files with .jpg"),
    (["texts", "--model", MODEL], "texts: has no files with .jpg"),
    (["photos/*.gif", "--model", MODEL], "photos/*.gif: matches no file"),
    (["ftp://host/x", "--model", MODEL], "ftp://host/x: unknown scheme 'ftp'"),
    (["broken.parquet", "--model", MODEL], "is not a readable Parquet file"),
    (["photos", "--model", "none.onnx"], "none.onnx: does not exist"),
    (["photos", "--model", "resnet50"], "resnet50: does not exist; check the path, or name a class"),
    (["photos", "--model", "array.npy"], "array.npy: has the unknown suffix '.npy'"),
    (["photos", "--model", "no_such_module:Name"], "no_such_module:Name: cannot be imported"),
    (["photos", "--model", "raises.py:Name"], "raises.py:Name: raises on import (ZeroDivisionError"),
    (["photos", "--model", "text.onnx"], "text.onnx: is not a readable ONNX file"),
    (["photos", "--model", "rank2.onnx"], "input 'x' has rank 2, photos need rank 4"),
    (["photos", "--model", "grey.onnx"], "with 3 channels nowhere"),
    (["photos", "--model", MODEL, "--labels", "labels.txt"], "--labels: has 2 labels, the model 1000 classes"),
    (["photos", "--model", MODEL, "--labels", "none.txt"], "--labels must be a file with one label a line"),
    (["photos", "--model", MODEL, "--labels", "nowhere"], "--labels must be a readable text file"),
    (["photos", "--model", MODEL, "--top-k", "2000"], "--top-k must be at most the model's 1000 classes, got 2000"),
    (["photos", "--model", MODEL, "--preprocess", "broken.toml"], "broken.toml must be valid TOML"),
    (["photos", "--model", MODEL, "--preprocess", "odd.toml"], "crop must be an integer >= 1, got -1"),
    (["photos", "--model", MODEL, "--preprocess", "nowhere"], "--preprocess must be a readable TOML file"),
    (["photos", "--model", MODEL, "--plan", "nowhere"], "--plan must be a readable plan"),
    (["photos", "--model", MODEL, "--batch-size", "-4"], "--batch-size must be \"auto\" or an integer >= 1, got '-4'"),
    (["photos", "--model", MODEL, "--workers", "0"], "--workers must be"),
    (["photos", "--model", MODEL, "--limit", "0"], "must be an integer >= 1, got 0"),
    (["photos", "--model", MODEL, "--precision", "fp8"], "--precision must be one of auto, fp32"),
    (["photos", "--model", MODEL, "--engine", "spark"], "--engine must be one of local, ray, got 'spark'"),
    (["photos", "--model", MODEL, "--task", "guess"], "--task must be one of classify, embed, raw, got 'guess'"),
    (["photos", "--model", MODEL, "--on-error", "skip"], "--on-error must be one of reject, fail"),
    (["photos", "--model", MODEL, "--max-rejected", "7"], "--max-rejected must be a ratio in 0..1, got 7"),
    (["photos", "--model", MODEL, "--min-agreement", "nan"], "--min-agreement must be a ratio in 0..1"),
    (["photos", "--model", MODEL, "--top-k", "many"], "Invalid value for '--top-k'"),
    (["photos", "--model", MODEL, "--fast"], "No such option: --fast"),
    (["photos"], "Missing option '--model'"),
]


@pytest.mark.parametrize(("arguments", "message"), CASES, ids=[" ".join(a).replace(MODEL, "M") for a, _ in CASES])
def test_bad_input_is_one_line_and_writes_nothing(headrace: Headrace, arguments: list[str], message: str) -> None:
    done = headrace("run", *arguments, "--out", "preds")
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("headrace: ")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not Path("preds").exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("taken", "cannot be written (Not a directory); name a folder"),
        ("taken/below", "cannot be written (Not a directory)"),
        ("/proc/preds", "/proc/preds: cannot be written"),
        ("gs://bucket/preds", "gs://bucket/preds: cannot be written to; name a local folder or s3://bucket/folder"),
    ],
)
def test_output_that_cannot_be_written_is_one_line(headrace: Headrace, out: str, message: str) -> None:
    done = headrace("run", "photos", "--model", MODEL, "--out", out)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not Path("s3:").exists()


def test_another_job_in_the_folder_is_one_line(headrace: Headrace) -> None:
    assert headrace("run", "photos", "--model", MODEL, "--out", "preds").code == 0
    done = headrace("run", "photos", "--model", MODEL, "--out", "preds", "--top-k", "3")
    assert done.code == 2
    assert "preds: holds another job (task changed)" in done.err
    assert done.err.count("\n") == 1


def test_plan_that_cannot_be_saved_is_one_line(headrace: Headrace) -> None:
    done = headrace("plan", "photos", "--model", MODEL, "--save", "taken/plan.toml")
    assert done.code == 2
    assert done.err.startswith("headrace: taken/plan.toml: cannot be written (Not a directory)")


def test_help_is_for_the_asking(headrace: Headrace) -> None:
    assert headrace("--help").code == 0
    assert "--max-rejected" in headrace("run", "--help").out
    assert headrace().err.count("headrace: ") == 0
