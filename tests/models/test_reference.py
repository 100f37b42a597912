"""Whatever a user gives as a model is found, or its fault is named."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from headrace.bench.networks import mobilenet_v2
from headrace.core.errors import BadModel
from headrace.core.preprocess import Preprocess
from headrace.models.onnxruntime_model import OnnxRuntimeModel
from headrace.models.openvino_model import OpenVinoModel
from headrace.models.reference import resolve
from headrace.models.torch_model import TorchModel

Pixels = NDArray[np.uint8]
SCRIPT = """
import torch
def clean(batch): return batch
class Tiny(torch.nn.Module):
    def __init__(self, sides=2):
        super().__init__()
        self.pool = torch.nn.AdaptiveAvgPool2d(sides)
    def forward(self, x): return self.pool(x).flatten(1)
class Asks(torch.nn.Module):
    def __init__(self, sides): super().__init__()
number = 42
"""


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Scripts that a test imports are forgotten, and so are their folders."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("user_"):
            del sys.modules[name]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "user_script.py"
    path.write_text(SCRIPT)
    return path


def refusal(reference: object) -> str:
    with pytest.raises(BadModel) as caught:
        resolve(reference)
    return str(caught.value)


def test_onnx_file_goes_to_openvino_on_the_cpu(demo_model: Path) -> None:
    for reference in (demo_model, str(demo_model)):
        found = resolve(reference, Preprocess(resize_short=300))
        assert isinstance(found, OpenVinoModel)
        assert found.preprocess.resize_short == 300


def test_functions_and_classes_are_given_back(script: Path) -> None:
    def clean(batch: Any) -> Any:
        return batch

    assert resolve(clean) is clean
    assert resolve(f"{script}:clean").__name__ == "clean"  # type: ignore[union-attr]
    assert resolve("headrace.core.batch:Batch") is __import__("headrace.core.batch").core.batch.Batch


def test_torch_class_of_a_script_is_built(script: Path) -> None:
    found = resolve(f"{script}:Tiny")
    assert isinstance(found, OpenVinoModel)
    assert found.name == "Tiny"
    assert "cannot be built without arguments" in refusal(f"{script}:Asks")


def test_torch_module_gives_the_same_rows_converted_or_not(pixels: Pixels, expected: NDArray[np.float32]) -> None:
    module = mobilenet_v2().train()
    module.features[0].eval()
    modes = [m.training for m in module.modules()]
    converted, plain = resolve(module), TorchModel(module)
    assert isinstance(converted, OpenVinoModel)
    assert converted.digest() == plain.digest()
    assert converted.preprocess == plain.preprocess
    assert converted.preprocess_source.startswith("ImageNet's")
    rows = [m.load("fp32", 4, 1).request()(pixels[:4].copy(), 3) for m in (converted, plain)]
    assert [list(r) for r in rows] == [["output"], ["output"]]
    assert all(np.abs(r["output"] - expected[:3]).max() <= 1e-4 for r in rows)
    assert [m.training for m in module.modules()] == modes
    half = plain.load("bf16", 4, 1).request()(pixels[:4].copy(), 3)["output"]
    assert half.dtype == np.float32
    assert 0 < np.abs(half - expected[:3]).max() < 2


class Branching(torch.nn.Module):
    """Gives a dict, and decides on its input, which tracing cannot follow."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        mean = x.mean((1, 2, 3), keepdim=True)
        return {"mean": mean, "sign": (mean > 0).flatten(1)}


def test_torch_outputs_keep_their_names_and_whole_numbers_their_type(pixels: Pixels) -> None:
    rows = TorchModel(Branching()).load("fp32", 4, 1).request()(pixels[:4].copy(), 2)
    assert {name: (v.shape, v.dtype.kind) for name, v in rows.items()} == {
        "mean": ((2, 1, 1, 1), "f"),
        "sign": ((2, 1), "b"),
    }


def test_faults_of_files_are_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "m.onnx") == (
        f"{tmp_path}/m.onnx: does not exist; check the path, or name a class as package.module:Name"
    )
    odd = tmp_path / "model.h5"
    odd.touch()
    assert refusal(odd).startswith(f"{odd}: has the unknown suffix '.h5'; use .onnx or OpenVINO's .xml; for other")
    assert refusal(42) == "42: is no model; give a file, a torch module, a class with __call__, or module:Name"


def test_file_that_is_no_onnx_is_refused_by_both_runtimes(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    for content in (b"", b"not a graph", b"\x3a\x05\x0a\xff"):
        path.write_bytes(content)
        for opened in (resolve, OnnxRuntimeModel):
            with pytest.raises(BadModel, match=r"m.onnx: is not a readable ONNX file"):
                opened(path)


@pytest.mark.parametrize(
    ("shape", "inputs", "text"),
    [
        (["n", 10], 1, "input 'x0' has rank 2, photos need rank 4"),
        (["n", 1, 28, 28], 1, "input 'x0' is ['?', 1, 28, 28], with 3 channels nowhere"),
        (["n", 3, 8, 8], 2, "has 2 inputs, photos need one"),
    ],
)
def test_graph_that_takes_no_photos_is_refused(
    identity: Any, tmp_path: Path, shape: list[int | str], inputs: int, text: str
) -> None:
    path = identity(tmp_path / "m.onnx", shape, inputs=inputs)
    assert text in refusal(path)
    with pytest.raises(BadModel) as caught:
        OnnxRuntimeModel(path)
    assert text in str(caught.value)


def test_graph_of_another_type_is_refused_with_its_file(identity: Any, tmp_path: Path) -> None:
    path = identity(tmp_path / "m.onnx", ["n", 3, 8, 8], TensorProto.INT32)
    with pytest.raises(BadModel, match=r"m.onnx: input 'x0' is not float32; export the model in float32"):
        OnnxRuntimeModel(path).load("fp32", 2, 1)


def test_faults_of_names_are_named(script: Path, tmp_path: Path) -> None:
    assert refusal("no_such_package.models:Net").startswith(
        "no_such_package.models:Net: cannot be imported (No module named 'no_such_package'); check the name"
    )
    assert refusal("headrace.core.batch:Net").startswith("headrace.core.batch:Net: headrace.core.batch has no 'Net'; ")
    assert (
        refusal(f"{tmp_path}/user_no.py:Net")
        == f"{tmp_path}/user_no.py:Net: {tmp_path}/user_no.py does not exist; check the path"
    )
    assert (
        refusal(f"{script}:number")
        == "42: is no model; give a file, a torch module, a class with __call__, or module:Name"
    )
    broken = tmp_path / "user_broken.py"
    broken.write_text("1 / 0")
    assert "raises on import (ZeroDivisionError: division by zero); mend the module" in refusal(f"{broken}:Net")


def test_link_to_a_script_is_the_script(script: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere/user_link.py"
    link.symlink_to(script)
    assert resolve(f"{link}:clean").__module__ == "user_script"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["user_a.b.py", ".py", "..py"])
def test_script_whose_name_python_takes_for_a_package_is_refused_unrun(tmp_path: Path, name: str) -> None:
    (tmp_path / "user_a.py").write_text("raise SystemExit('run')")
    (tmp_path / name).write_text("class Net: ...")
    assert refusal(f"{tmp_path}/{name}:Net") == (
        f"{tmp_path}/{name}: has a dot in its name, which Python takes for a package; rename the file"
    )


def test_script_that_is_hidden_runs_neither_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "first").mkdir()
    for folder in (tmp_path / "first", tmp_path):
        (folder / "user_twice.py").write_text("raise SystemExit('run')")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path), *sys.path])
    assert "is hidden by another module named 'user_twice'" in refusal(f"{tmp_path}/user_twice.py:Net")


@pytest.mark.parametrize("name", ["json.py", "sys.py"])
def test_script_that_another_module_hides_is_refused_not_mistaken(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("class Net: ...")
    assert refusal(f"{tmp_path}/{name}:Net") == (
        f"{tmp_path}/{name}: is hidden by another module named {name[:-3]!r}; rename the file"
    )
