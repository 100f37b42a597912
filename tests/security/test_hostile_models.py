"""A model file that was made to harm is refused in words, within bounds, and takes nothing down with it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper

from headrace import demo

FLOAT = TensorProto.FLOAT
ADD = helper.make_node("Add", ["x", "w"], ["y"])
SAME = helper.make_node("Identity", ["x"], ["y"])


def network(
    *nodes: onnx.NodeProto, weights: TensorProto | None = None, shape: tuple[Any, ...] = ("n", 3, 8, 8), **metadata: str
) -> onnx.ModelProto:
    """A model from x to y."""
    places = [helper.make_tensor_value_info("x", FLOAT, shape)], [helper.make_tensor_value_info("y", FLOAT, None)]
    graph = helper.make_graph(nodes, "g", *places, [] if weights is None else [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, {f"headrace.{key}": value for key, value in metadata.items()})
    return made


def without(part: str) -> onnx.ModelProto:
    made = network(SAME)
    made.graph.ClearField(part)
    return made


def tensor(*dims: int, raw: bytes = b"\0" * 12, kind: int = FLOAT) -> TensorProto:
    return TensorProto(name="w", dims=dims, data_type=kind, raw_data=raw)


def computed(op: str, *inputs: Any, before: str = "", **attributes: Any) -> onnx.ModelProto:
    """A node of `op` over constants, and over x where `before` says so."""
    constants = [
        helper.make_node("Constant", [], [f"c{i}"], value=onnx.numpy_helper.from_array(np.array(v)))
        for i, v in enumerate(inputs)
    ]
    names = [*([before] if before else []), *(f"c{i}" for i in range(len(inputs)))]
    if before:
        return network(*constants, helper.make_node(op, names, ["y"], **attributes))
    return network(*constants, helper.make_node(op, names, ["w"], **attributes), ADD)


def inside(levels: int, *tags: bytes, body: bytes = b"") -> bytes:
    """Messages inside each other."""
    for _ in range(levels):
        for tag in tags:
            length, left = b"", len(body)
            while left > 127:
                length, left = length + bytes([left & 127 | 128]), left >> 7
            body = tag + length + bytes([left]) + body
    return body


HUGE = 2**60
ONNX: dict[str, Callable[[], onnx.ModelProto | bytes]] = {
    "dims-huge": lambda: network(ADD, weights=tensor(HUGE)),
    "dims-that-overflow": lambda: network(ADD, weights=tensor(2**32, 2**32)),
    "dims-negative": lambda: network(ADD, weights=tensor(-5)),
    "dims-beyond-the-data": lambda: network(ADD, weights=tensor(1, 3, 8, 8)),
    "dims-without-data": lambda: network(ADD, weights=tensor(2**40, raw=b"")),
    "strings-without-end": lambda: network(ADD, weights=tensor(2**50, raw=b"", kind=TensorProto.STRING)),
    "type-that-is-none": lambda: network(ADD, weights=tensor(3, kind=99)),
    "photos-huge": lambda: network(SAME, shape=("n", 3, HUGE, HUGE)),
    "labels-nested": lambda: network(SAME, labels="[" * 100_000),
    "labels-that-are-none": lambda: network(SAME, labels="42"),
    "preprocess-nested": lambda: network(SAME, preprocess="crop = " + "[" * 100_000),
    "preprocess-huge": lambda: network(SAME, shape=("n", 3, "h", "w"), preprocess="stretch = true\ncrop = 1000000000"),
    "constant-huge": lambda: computed("ConstantOfShape", [1, 3, 2**20, 2**20]),
    "constant-largest": lambda: computed("ConstantOfShape", [2**62]),
    "range-huge": lambda: computed("Range", 0.0, 1e18, 1.0),
    "reshape-to-two-unknowns": lambda: computed("Reshape", [-1, -1], before="x"),
    "stride-of-0": lambda: network(helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1, 1], strides=[0, 0])),
    "kernel-of-0": lambda: network(helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[0, 0])),
    "operator-of-a-library": lambda: network(helper.make_node("Run", ["x"], ["y"], domain="/tmp/evil.so")),
    "round-in-a-circle": lambda: network(
        helper.make_node("Add", ["x", "z"], ["y"]), helper.make_node("Identity", ["y"], ["z"])
    ),
    "input-that-is-none": lambda: network(helper.make_node("Identity", ["z"], ["y"])),
    "name-that-is-not-text": lambda: network(SAME).SerializeToString().replace(b"\x0a\x01x", b"\x0a\x01\xff"),
    "no-input": lambda: without("input"),
    "no-output": lambda: without("output"),
    "no-graph": lambda: onnx.ModelProto(ir_version=8),
    "graphs-nested": lambda: b"\x08\x08" + inside(1, b"\x3a", body=inside(20_000, b"\x32", b"\x2a", b"\x0a")),
    "types-nested": lambda: b"\x08\x08" + inside(1, b"\x12", b"\x5a", b"\x3a", body=inside(20_000, b"\x0a", b"\x22")),
    "groups-nested": lambda: b"\x3b" * 1_000_000,
    "length-beyond-the-end": lambda: b"\x3a\xff\xff\xff\xff\x0f",
    "number-without-end": lambda: b"\x08" + b"\xff" * 1_000_000,
    "half-a-file": lambda: demo.MODEL.read_bytes()[:1_000_000],
    "zeros": lambda: b"\0" * 1_000_000,
    "nothing": lambda: b"",
}


def written(folder: Path) -> list[Path]:
    """All the ONNX files."""
    paths = []
    for name, make in ONNX.items():
        made = make()
        paths.append(folder / f"{name}.onnx")
        paths[-1].write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return paths


OPEN = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
from headrace.core.errors import BadModel, BadOption
from headrace.models import reference
hidden = sys.argv[1]
reference.installed = lambda module, found=reference.installed: module != hidden and found(module)
for path in map(Path, sys.argv[2:]):
    print(path.stem, flush=True)
    try:
        model = reference.resolve(path)
        model.header.labels
        model.load("fp32", 1, 1)
    except (BadModel, BadOption) as error:
        print("refused", ascii(str(error)), flush=True)
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])  # kB; getrusage counts the parent's
"""


def opened(hidden: str, paths: list[Path]) -> list[str]:
    """What became of the files in one process with 8 GiB of address space, without the runtime `hidden`."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, hidden, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"died on {done.stdout.splitlines()[-1]}: {done.stderr}"
    *lines, last = done.stdout.splitlines()
    assert int(last) < 400_000
    return lines


@pytest.mark.parametrize("hidden", ["onnxruntime", "openvino"])
def test_onnx_files_are_refused_within_bounds(tmp_path: Path, hidden: str) -> None:
    lines = opened(hidden, written(tmp_path))
    assert lines[::2] == list(ONNX)
    for name, said in zip(lines[::2], lines[1::2], strict=True):
        assert said.startswith("refused"), name
        assert f"{name}.onnx" in said or "crop must be" in said


ENTITIES = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
BOMB = f'<!DOCTYPE net [<!ENTITY a0 "lol"><!ENTITY file SYSTEM "file:///etc/passwd">{ENTITIES}]>'
IR: dict[str, Callable[[str], str]] = {
    "half": lambda text: text[: len(text) // 2],
    "nested": lambda text: '<net name="a" version="11">' + "<a>" * 200_000,
    "no-layers": lambda text: '<net name="a" version="11"></net>',
    "size-huge": lambda text: text.replace('size="12"', f'size="{2**63}"'),
    "offset-huge": lambda text: text.replace('offset="0"', f'offset="{2**63}"'),
    "shape-huge": lambda text: text.replace('shape="1, 3, 1, 1"', f'shape="{2**40},3,1,1"'),
    "operator-of-a-library": lambda text: text.replace('type="Add"', 'type="/tmp/evil.so"'),
    "not-xml": lambda text: " " + text,
}


@pytest.fixture
def network_ir(tmp_path: Path) -> str:
    """The XML of x + w, whose weights are beside it."""
    weights = onnx.numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "w")
    onnx.save(network(ADD, weights=weights), tmp_path / "net.onnx")
    openvino.save_model(openvino.Core().read_model(tmp_path / "net.onnx"), tmp_path / "net.xml", compress_to_fp16=False)
    return (tmp_path / "net.xml").read_text()


def test_openvino_files_are_refused_within_bounds(tmp_path: Path, network_ir: str) -> None:
    paths = [tmp_path / f"{name}.xml" for name in IR]
    for path, change in zip(paths, IR.values(), strict=True):
        path.write_text(change(network_ir))
        path.with_suffix(".bin").write_bytes((tmp_path / "net.bin").read_bytes())
        assert path.read_text() != network_ir
    lines = opened("onnxruntime", paths)
    assert lines[::2] == list(IR)
    assert {said.split()[0] for said in lines[1::2]} == {"refused"}


def test_entities_of_xml_are_not_expanded(tmp_path: Path, network_ir: str) -> None:
    begin, net = network_ir.split("<net ", 1)
    _, name, rest = net.split('"', 2)
    for entity in ("a11", "file"):
        path = tmp_path / f"{entity}.xml"
        path.write_text(f'{begin}{BOMB}<net name="&{entity};"{rest}')
        path.with_suffix(".bin").write_bytes((tmp_path / "net.bin").read_bytes())
        assert openvino.Core().read_model(path).friendly_name == f"&{entity};" != name
        assert opened("onnxruntime", [path]) == [entity]


def test_xml_that_is_an_onnx_file_does_not_pass_for_one_that_is_checked(tmp_path: Path) -> None:
    """OpenVINO goes by what it finds in a file, and would follow this one's external data."""
    weights = TensorProto(name="w", dims=[1, 3, 1, 1], data_type=FLOAT, data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="../secret.bin")
    (tmp_path / "net.xml").write_bytes(network(ADD, weights=weights).SerializeToString())
    _, said = opened("onnxruntime", [tmp_path / "net.xml"])
    assert "net.xml: is no XML" in said


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_weights_of_an_xml_are_a_file_of_its_folder(tmp_path: Path, network_ir: str, kind: str) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/net.xml").write_text(network_ir)
    weights = tmp_path / "inner/net.bin"
    if kind == "link":
        weights.symlink_to(tmp_path / "net.bin")
    elif kind == "folder":
        weights.mkdir()
    else:
        os.mkfifo(weights)
    _, said = opened("onnxruntime", [tmp_path / "inner/net.xml"])
    assert "net.bin: is no file inside the model's folder; put the file itself beside the .xml" in said
