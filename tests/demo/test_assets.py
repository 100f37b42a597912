"""The demo's packaged model, labels and photos are what scripts/make_demo.py makes, and free to ship."""

import json
import runpy
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from headrace.bench.networks import mobilenet_v2

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "src/headrace/demo/assets"
PHOTOS = sorted((ASSETS / "photos").iterdir())
MEAN, DEVIATION = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)


@pytest.fixture(scope="module")
def packaged() -> onnx.ModelProto:
    return onnx.load_model(ASSETS / "mobilenet_v2.onnx")


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp("demo") / "mobilenet_v2.onnx"
    runpy.run_path(str(ROOT / "scripts/make_demo.py"))["build_model"](path)
    return onnx.load_model(path)


@pytest.fixture(scope="module")
def logits() -> npt.NDArray[np.float32]:
    """Return the packaged model's answers for the demo photos, float32 [photos, 1000]."""
    session = onnxruntime.InferenceSession(ASSETS / "mobilenet_v2.onnx", providers=["CPUExecutionProvider"])
    answers: npt.NDArray[np.float32] = session.run(["logits"], {"image": batch()})[0]
    return answers


def batch() -> npt.NDArray[np.float32]:
    """Return the demo photos, preprocessed as torchvision does: float32 [photos, 3, 224, 224]."""
    return np.stack([preprocessed(path) for path in PHOTOS])


def preprocessed(path: Path) -> npt.NDArray[np.float32]:
    with Image.open(path) as opened:
        photo = opened.convert("RGB")
    scale = 256 / min(photo.size)
    width, height = int(photo.width * scale), int(photo.height * scale)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    crop = photo.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + 224, top + 224))
    scaled = (np.asarray(crop, np.float32) / 255 - MEAN) / DEVIATION
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def label_names() -> list[str]:
    return (ASSETS / "labels.txt").read_text(encoding="utf-8").splitlines()


def test_model_is_the_export_of_the_published_weights(packaged: onnx.ModelProto, remade: onnx.ModelProto) -> None:
    assert list(packaged.graph.initializer) == list(remade.graph.initializer)
    assert list(packaged.graph.node) == list(remade.graph.node)
    assert metadata(packaged) == metadata(remade)


def test_model_answers_as_the_torch_module_does(logits: npt.NDArray[np.float32]) -> None:
    with torch.inference_mode():
        expected = mobilenet_v2()(torch.from_numpy(batch())).numpy()
    # fp32 sums in another order: 1.7e-5 apart where the largest logit is 21, so the bound is relative to that one.
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()


def test_model_is_small_enough_to_ship() -> None:
    assert (ASSETS / "mobilenet_v2.onnx").stat().st_size <= 15_000_000


def test_labels_are_those_in_the_model(packaged: onnx.ModelProto) -> None:
    assert len(label_names()) == 1000
    assert label_names() == json.loads(metadata(packaged)["headrace.labels"])


@pytest.mark.parametrize(("photo", "label"), [("chelsea.png", "Egyptian Mau"), ("coffee.png", "espresso")])
def test_photos_get_the_label_a_person_would_give(photo: str, label: str, logits: npt.NDArray[np.float32]) -> None:
    row = [path.name for path in PHOTOS].index(photo)
    assert label_names()[int(logits[row].argmax())] == label


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.name)
def test_notice_names_every_photo(photo: Path) -> None:
    assert f"| {photo.name} |" in (ASSETS / "NOTICE.md").read_text(encoding="utf-8")
