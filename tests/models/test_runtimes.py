"""One model gives the same rows on every runtime, whatever the batch, the request or the thread."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from headrace.core.contracts import Model
from headrace.core.errors import BadModel
from headrace.core.preprocess import Preprocess
from headrace.models.onnxruntime_model import OnnxRuntimeModel
from headrace.models.openvino_model import OpenVinoModel

Pixels = NDArray[np.uint8]
Logits = NDArray[np.float32]
RUNTIMES: dict[str, Any] = {"openvino": OpenVinoModel.from_file, "onnxruntime": OnnxRuntimeModel}


@pytest.fixture(scope="module", params=RUNTIMES)
def model(request: pytest.FixtureRequest, demo_model: Path) -> Model:
    found: Model = RUNTIMES[request.param](demo_model)
    return found


def run(model: Model, pixels: Pixels, capacity: int, *, precision: str = "fp32", streams: int = 1) -> Logits:
    """The logits of `pixels`, in batches of `capacity`; the last one is padded with noise."""
    call = model.load(precision, capacity, streams).request()
    found = []
    for first in range(0, len(pixels), capacity):
        rows = pixels[first : first + capacity]
        slot = np.random.default_rng(0).integers(0, 256, (capacity, *pixels.shape[1:]), np.uint8)
        slot[: len(rows)] = rows
        (logits,) = call(slot, len(rows)).values()
        assert len(logits) == len(rows)
        found.append(logits)
    return np.concatenate(found)


def test_model_says_what_it_is(model: Model, demo_model: Path) -> None:
    assert (model.name, model.device) == ("mobilenet_v2.onnx", "cpu")
    assert model.runtime in RUNTIMES
    assert model.runtime_version[0].isdigit()
    assert model.precisions[0] == "fp32"
    assert "int8" not in model.precisions
    assert (model.preprocess, model.preprocess_source) == (Preprocess(), "the model's metadata")
    assert model.digest() == hashlib.sha256(hashlib.sha256(demo_model.read_bytes()).digest()).hexdigest()


@pytest.mark.parametrize("capacity", [5, 12])
def test_rows_are_those_of_the_plain_way(model: Model, pixels: Pixels, expected: Logits, capacity: int) -> None:
    logits = run(model, pixels, capacity)
    assert logits.dtype == np.float32
    # Logits reach 25; 1e-4 is in the sum's last bits there.
    assert np.abs(logits - expected).max() <= 1e-4


def test_outputs_are_owned_by_the_caller(model: Model, pixels: Pixels) -> None:
    call = model.load("fp32", 2, 1).request()
    first = call(pixels[:2].copy(), 2)["logits"]
    kept = first.copy()
    call(pixels[2:4].copy(), 2)
    assert np.array_equal(first, kept)


def test_requests_of_many_threads_give_the_same_rows(model: Model, pixels: Pixels, expected: Logits) -> None:
    session = model.load("fp32", 2, 2)
    assert session.streams == 2

    def answered(numbers: list[int]) -> None:
        call = session.request()
        for number in numbers:
            (logits,) = call(pixels[number : number + 2].copy(), 2).values()
            assert np.abs(logits - expected[number : number + 2]).max() <= 1e-4

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(answered, [[0, 4, 8, 2], [2, 6, 10, 0], [8, 8, 0, 4], [10, 4, 2, 6]]):
            pass


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_graph_sees_normalised_pixels_in_its_layout(
    identity: Any, tmp_path: Path, pixels: Pixels, runtime: str, layout: str, color: str
) -> None:
    shape = ["n", 3, 224, 224] if layout == "NCHW" else ["n", 224, 224, 3]
    spec = Preprocess(color=color, layout=layout, mean=(1, 20, 130.5), std=(2, 3, 128), scale=0.5)
    model = RUNTIMES[runtime](identity(tmp_path / "m.onnx", shape), spec)
    seen = run(model, pixels[:3], 2)
    normal = (pixels[:3] * spec.scale - spec.mean) / spec.std  # the slot's channels are in the order of `color` already
    assert np.allclose(seen, normal.transpose(0, 3, 1, 2) if layout == "NCHW" else normal, atol=1e-4)


def test_bf16_keeps_what_the_photo_shows(demo_model: Path, pixels: Pixels, expected: Logits) -> None:
    model = OpenVinoModel.from_file(demo_model)
    if "bf16" not in model.precisions:
        pytest.skip("this CPU does not compute in bf16")
    logits = run(model, pixels, 4, precision="bf16")
    assert logits.dtype == np.float32
    assert 0 < np.abs(logits - expected).max() < 2
    assert np.mean(logits.argmax(axis=1) == expected.argmax(axis=1)) >= 0.8


def test_intermediate_representation_gives_the_same_rows(
    demo_model: Path, pixels: Pixels, expected: Logits, tmp_path: Path
) -> None:
    openvino.save_model(openvino.Core().read_model(demo_model), tmp_path / "net.xml", compress_to_fp16=False)
    model = OpenVinoModel.from_file(tmp_path / "net.xml")
    assert model.preprocess == Preprocess()
    assert np.abs(run(model, pixels, 4) - expected).max() <= 1e-4
    before = model.digest()
    (tmp_path / "net.bin").write_bytes((tmp_path / "net.bin").read_bytes()[:-4] + b"\0\0\0\1")
    assert OpenVinoModel.from_file(tmp_path / "net.xml").digest() != before


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # NNCF's imports
def test_int8_runs_and_keeps_most_answers(demo_model: Path, pixels: Pixels, expected: Logits) -> None:
    session = OpenVinoModel.from_file(demo_model).load("int8", 4, 1, pixels[:4])
    (logits,) = session.request()(pixels[:4].copy(), 3).values()
    assert logits.shape == (3, 1000)
    assert 0 < np.abs(logits - expected[:3]).max() < 10


def test_size_that_does_not_fit_is_refused_on_every_runtime(demo_model: Path) -> None:
    for build in RUNTIMES.values():
        with pytest.raises(BadModel, match=r"takes \(224, 224\) pixels, its preprocessing gives \(192, 192\)"):
            build(demo_model, Preprocess(crop=192))
