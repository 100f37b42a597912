"""A pickled model is run by the command when that is asked for by name, and never else."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

import headrace as library
from headrace.core.errors import BadModel, BadOption

Headrace = Callable[..., Any]


class Touches:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("mark").absolute(),)


@pytest.mark.parametrize("command", ["run", "plan"])
def test_hostile_pickle_is_refused_unrun(headrace: Headrace, photos: Path, command: str) -> None:
    Path("evil.pt").write_bytes(pickle.dumps(Touches()))
    out = ["--out", "preds"] if command == "run" else []
    done = headrace(command, photos, "--model", "evil.pt", *out)
    assert (done.code, done.out) == (2, b"")
    assert b"evil.pt: holds more than weights, and opening it would run code of whoever made it" in done.err
    assert b"--allow-pickle" in done.err
    assert done.err.count(b"\n") == 1
    assert not Path("mark").exists()
    assert headrace(command, photos, "--model", "evil.pt", "--allow-pickle", *out).code == 2
    assert Path("mark").exists()


def test_pickled_module_runs_when_allowed(headrace: Headrace, photos: Path) -> None:
    torch.save(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()), "mean.pt")
    line = ["--model", "mean.pt", "--task", "embed", "--allow-pickle"]
    assert headrace("plan", photos, *line).code == 0
    done = headrace("run", photos, *line, "--out", "preds")
    assert done.code == 0, done.err
    assert [len(row) for row in pq.read_table("preds")["embedding"].to_pylist()] == [3, 3]
    asked = library.read_images(photos)
    with pytest.raises(BadModel, match="holds more than weights"):
        asked.infer("mean.pt", task="embed").plan()
    assert asked.infer("mean.pt", task="embed", allow_pickle=True).plan().rows == 2


def test_class_takes_no_leave_to_unpickle(photos: Path) -> None:
    with pytest.raises(BadOption, match="--allow-pickle must be used with a model file or torch module"):
        library.read_images(photos).infer(len, allow_pickle=True).plan()
