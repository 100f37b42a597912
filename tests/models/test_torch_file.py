"""Files that torch saved run nothing of their own unless that is asked for by name."""

import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headrace.bench.networks import mobilenet_v2
from headrace.core.errors import BadModel
from headrace.models.reference import resolve

PICKLED = "holds more than weights, and opening it would run code of whoever made it; name a class that builds"


class Touches:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def refusal(path: Path, *, allow_pickle: bool = False) -> str:
    with pytest.raises(BadModel) as caught:
        resolve(path, allow_pickle=allow_pickle)
    return str(caught.value)


def saved_as_pickle(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def saved_as_zip(value: object, path: Path) -> None:
    torch.save(value, path)


def saved_as_before_1_6(value: object, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


WAYS = [saved_as_zip, saved_as_before_1_6, saved_as_pickle]


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("save", WAYS)
def test_pickle_runs_only_when_that_is_asked_for(
    tmp_path: Path, save: Callable[[object, Path], None], suffix: str
) -> None:
    path, mark = tmp_path / f"evil{suffix}", tmp_path / "mark"
    for value in (Touches(mark), {"weights": torch.zeros(2), "extra": [Touches(mark)]}):
        save(value, path)
        assert f"{path}: {PICKLED}" in refusal(path)
        assert not mark.exists()
    refusal(path, allow_pickle=True)
    assert mark.exists()


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib"])
def test_other_pickles_are_refused_unopened(tmp_path: Path, suffix: str) -> None:
    path, mark = tmp_path / f"forest{suffix}", tmp_path / "mark"
    saved_as_pickle(Touches(mark), path)
    for allow_pickle in (False, True):
        text = f"{path}: is a pickle, and opening it would run code of whoever made it; open it in a class of yours"
        assert text in refusal(path, allow_pickle=allow_pickle)
    assert not mark.exists()


@pytest.mark.parametrize("save", [saved_as_zip, saved_as_before_1_6])
def test_pickled_module_runs_where_that_is_allowed(
    tmp_path: Path, save: Callable[[object, Path], None], pixels: NDArray[np.uint8], expected: NDArray[np.float32]
) -> None:
    save(mobilenet_v2(), tmp_path / "net.pt")
    assert PICKLED in refusal(tmp_path / "net.pt")
    found: Any = resolve(tmp_path / "net.pt", allow_pickle=True)
    (logits,) = found.load("fp32", 4, 1).request()(pixels[:4].copy(), 3).values()
    assert np.abs(logits - expected[:3]).max() <= 1e-4


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torchscript_runs_where_that_is_allowed(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    torch.jit.script(module).save(tmp_path / "net.pt")
    text = refusal(tmp_path / "net.pt")
    assert "is a TorchScript archive, which brings code and is deprecated by torch; name a class" in text
    found: Any = resolve(tmp_path / "net.pt", allow_pickle=True)
    (means,) = found.load("fp32", 4, 1).request()(pixels[:4].copy(), 3).values()
    assert np.allclose(means, (pixels[:3].mean((1, 2)) / 255 - found.preprocess.mean) / found.preprocess.std, atol=1e-3)


@pytest.mark.parametrize("allow_pickle", [False, True])
@pytest.mark.parametrize("save", [saved_as_zip, saved_as_before_1_6])
def test_weights_alone_are_refused_with_what_to_do(
    tmp_path: Path, save: Callable[[object, Path], None], allow_pickle: bool
) -> None:
    weights = torch.nn.Linear(3, 2).state_dict()
    for value in (weights, {"epoch": 3, "model": weights}):
        save(value, tmp_path / "net.pth")
        assert refusal(tmp_path / "net.pth", allow_pickle=allow_pickle) == (
            f"{tmp_path}/net.pth: holds weights only, and not the module that they are of; name a class that builds "
            "the module and loads its weights with weights_only=True, as file.py:Name"
        )


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 and no more", b"\x80\x02", struct.pack("<Q", 2**60)])
@pytest.mark.parametrize("allow_pickle", [False, True])
def test_file_that_torch_cannot_open_is_refused(tmp_path: Path, content: bytes, allow_pickle: bool) -> None:
    (tmp_path / "net.pt").write_bytes(content)
    text = refusal(tmp_path / "net.pt", allow_pickle=allow_pickle)
    assert "cannot be opened by torch (" in text or PICKLED in text


def test_archive_that_unpacks_to_more_than_its_size_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\0" * 50_000_000)
    assert (tmp_path / "bomb.pt").stat().st_size < 60_000
    for allow_pickle in (False, True):
        assert "unpacks to more than its own size" in refusal(tmp_path / "bomb.pt", allow_pickle=allow_pickle)


def test_tensor_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    """The pickle of a saved tensor with its number of values raised from 3 to 2^50."""
    torch.save(torch.zeros(3), tmp_path / "small.pt")
    with zipfile.ZipFile(tmp_path / "small.pt") as small, zipfile.ZipFile(tmp_path / "large.pt", "w") as large:
        for name in small.namelist():
            body = small.read(name)
            if name.endswith("data.pkl"):
                assert body.count(b"K\x03") == 2  # the storage's number of values and the tensor's shape
                body = body.replace(b"K\x03", b"\x8a\x07" + (2**50).to_bytes(7, "little"))
            large.writestr(name, body)
    assert "cannot be opened by torch (" in refusal(tmp_path / "large.pt")
