"""A model is sent as what it was made of, and opened where it arrives."""

import pickle
import shutil
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from headrace import demo
from headrace.models.openvino_model import OpenVinoModel
from headrace.models.reference import resolve


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/headrace/models"


def test_model_of_a_file_opens_elsewhere_from_the_same_bytes(tmp_path: Path, own_cache: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    shutil.copy(demo.MODEL, here / "model.onnx")
    model = resolve(here / "model.onnx")
    sent = pickle.dumps(model)
    shutil.rmtree(here)
    arrived = pickle.loads(sent)
    assert arrived.digest() == model.digest()
    assert arrived.name == "model.onnx"
    (folder,) = own_cache.iterdir()
    assert [p.name for p in folder.iterdir()] == ["model.onnx"]
    assert folder.stat().st_mode & 0o077 == 0
    pickle.loads(sent)
    assert len(list(own_cache.iterdir())) == 1, "the second process on a node finds the files of the first"
    tensor = np.zeros((1, *model.preprocess.size, 3), np.uint8)
    answers = [m.load("fp32", 1, 1).request()(tensor, 1) for m in (model, arrived)]
    assert all(np.array_equal(answers[0][name], answers[1][name]) for name in answers[0])


def test_torch_module_is_sent_as_the_module() -> None:
    torch = pytest.importorskip("torch")

    class Mean(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x.mean(dim=(2, 3))

    model = resolve(Mean())
    arrived = cloudpickle.loads(cloudpickle.dumps(model))
    assert (arrived.digest(), arrived.runtime) == (model.digest(), model.runtime)


def test_model_that_was_not_opened_by_its_reference_is_not_sent() -> None:
    model = OpenVinoModel.from_file(Path(demo.MODEL))
    with pytest.raises(TypeError, match="cannot be sent"):
        pickle.dumps(model)
