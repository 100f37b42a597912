"""The demo's MobileNetV2, photos ready for it, and the plain way to its answers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

import headrace
from headrace.core.preprocess import IMAGENET_MEAN, IMAGENET_STD


@pytest.fixture(scope="session")
def demo_model() -> Path:
    return Path(headrace.__path__[0]) / "demo/assets/mobilenet_v2.onnx"


@pytest.fixture(scope="session")
def pixels(real_jpegs: list[Path]) -> NDArray[np.uint8]:
    """12 real photos, uint8 [12, 224, 224, 3]."""
    made = []
    for path in real_jpegs[:12]:
        with Image.open(path) as opened:
            made.append(np.asarray(opened.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)))
    return np.stack(made)


@pytest.fixture(scope="session")
def expected(demo_model: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The photos' logits by ONNX Runtime alone, [12, 1000]."""
    session = onnxruntime.InferenceSession(demo_model, providers=["CPUExecutionProvider"])
    normal = (pixels / 255 - IMAGENET_MEAN) / IMAGENET_STD
    logits: NDArray[np.float32] = session.run(None, {"image": normal.transpose(0, 3, 1, 2).astype(np.float32)})[0]
    return logits


def _identity(path: Path, shape: list[int | str], kind: int = TensorProto.FLOAT, inputs: int = 1) -> Path:
    places = [helper.make_tensor_value_info(f"x{i}", kind, shape) for i in range(inputs)]
    node = helper.make_node("Identity", [places[-1].name], ["y"])
    graph = helper.make_graph([node], "g", places, [helper.make_tensor_value_info("y", kind, shape)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(scope="session")
def identity() -> Callable[..., Path]:
    """Writes an ONNX file that gives back its (last) input."""
    return _identity
