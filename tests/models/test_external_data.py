"""Where an ONNX model's tensors lie is known before a runtime opens it, and is inside the model's folder."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import event, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from headrace.core.errors import BadModel
from headrace.models.external_data import ExternalData, external_data, onnx_files
from headrace.models.header import digest_files
from headrace.models.onnxruntime_model import OnnxRuntimeModel
from headrace.models.openvino_model import OpenVinoModel
from headrace.models.reference import resolve

BIAS = np.array([1, 2, 3], np.float32).tobytes()
RUNTIMES: dict[str, Any] = {"openvino": OpenVinoModel.from_file, "onnxruntime": OnnxRuntimeModel}


def outside(name: str, entries: dict[str, str], dims: tuple[int, ...] = (1, 3, 1, 1)) -> TensorProto:
    """A float tensor whose bytes are elsewhere."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def saved(path: Path, tensor: TensorProto, *, as_constant: bool = False) -> Path:
    """x + tensor, the tensor an initializer or a Constant node's value."""
    place = helper.make_tensor_value_info
    nodes = [helper.make_node("Add", ["x", tensor.name], ["y"])]
    if as_constant:
        nodes.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
    x, y = (place(name, TensorProto.FLOAT, ["n", 3, 8, 8]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], [] if as_constant else [tensor])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model whose tensor 'w' has these entries, beside weights.bin and below a folder with secret.bin."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in (folder / "weights.bin", tmp_path / "secret.bin"):
        file.write_bytes(BIAS)

    def write(location: str = "weights.bin", *, as_constant: bool = False, **entries: str) -> Path:
        return saved(folder / "m.onnx", outside("w", {"location": location, **entries}), as_constant=as_constant)

    return write


def refusal(path: Path) -> str:
    with pytest.raises(BadModel) as caught:
        resolve(path)
    return str(caught.value)


def assert_adds_the_bias(found: Any) -> None:
    (rows,) = found.load("fp32", 1, 1).request()(np.zeros((1, 8, 8, 3), np.uint8), 1).values()
    means = np.array(found.preprocess.mean) / found.preprocess.std
    assert np.allclose(rows[0, :, 0, 0], [1, 2, 3] - means, atol=1e-5)


@pytest.mark.parametrize("as_constant", [False, True])
@pytest.mark.parametrize("location", ["../secret.bin", "sub/../../secret.bin", "/etc/hostname", "link.bin", "up/s.bin"])
def test_location_outside_the_folder_is_refused_by_name(
    model: Callable[..., Path], tmp_path: Path, location: str, as_constant: bool
) -> None:
    path = model(location, as_constant=as_constant)
    (path.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
    (path.parent / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "s.bin").write_bytes(BIAS)
    for opened in (resolve, *RUNTIMES.values()):
        with pytest.raises(BadModel, match=f"tensor 'w' lies in '{location}', which is .* the model's folder"):
            opened(path)


def test_address_in_memory_is_refused_though_a_file_has_its_name(model: Callable[..., Path]) -> None:
    secret = np.array([7, 8, 9], np.float32)
    path = model("*/_ORT_MEM_ADDR_/*", offset=str(secret.ctypes.data), length="12")
    (path.parent / "*/_ORT_MEM_ADDR_").mkdir(parents=True)
    (path.parent / "*/_ORT_MEM_ADDR_/*").write_bytes(BIAS)
    assert "tensor 'w' lies in '*/_ORT_MEM_ADDR_/*', which is no place inside the model's folder" in refusal(path)


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"location": "none.bin"}, "'none.bin', which is not there; put the file beside the model"),
        ({"location": ""}, "'', which is not there"),
        ({"location": "round.bin"}, "'round.bin', which cannot be looked up ("),
        ({"location": "w\0.bin"}, "which cannot be looked up ("),
        ({"offset": "4", "length": "12"}, "which has 12 bytes; the tensor reaches to byte 16"),
        ({"offset": str(2**62)}, f"which has 12 bytes; the tensor reaches to byte {2**62}"),
        ({"length": "13"}, "which has 12 bytes; the tensor reaches to byte 13"),
        ({"offset": "-4"}, "which has the offset '-4'"),
        ({"length": "1e1"}, "which has the length '1e1'"),
    ],
)
def test_data_that_is_not_there_is_refused(model: Callable[..., Path], entries: dict[str, str], text: str) -> None:
    path = model(**entries)
    (path.parent / "round.bin").symlink_to("round.bin")
    assert text in refusal(path)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("as_constant", [False, True])
@pytest.mark.parametrize("location", ["weights.bin", "./weights.bin", "sub/any name", "inner.bin"])
def test_data_inside_the_folder_is_used_and_joins_the_digest(
    model: Callable[..., Path], runtime: str, as_constant: bool, location: str
) -> None:
    path = model(location, as_constant=as_constant)
    (path.parent / "sub").mkdir()
    (path.parent / "sub/any name").write_bytes(BIAS)
    (path.parent / "inner.bin").symlink_to("weights.bin")
    (path.parent / "m.onnx.data").write_bytes(b"of no tensor")
    assert onnx_files(path) == [path, path.parent / location]
    found = RUNTIMES[runtime](path)
    before = found.digest()
    assert before == digest_files([path, path.parent / location])
    assert_adds_the_bias(found)
    (path.parent / "new").write_bytes(BIAS[::-1])
    (path.parent / "new").replace(path.parent / location)  # a runtime may have mapped the old one
    assert RUNTIMES[runtime](path).digest() != before


def test_file_of_the_working_folder_is_not_taken_for_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime, given a graph from memory, looks there for the values of sparse tensors."""
    place, path = helper.make_tensor_value_info, tmp_path / "model/m.onnx"
    path.parent.mkdir()
    (path.parent / "weights.bin").write_bytes(BIAS)
    (tmp_path / "weights.bin").write_bytes(np.array([70, 80, 90], np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    values = outside("w", {"location": "weights.bin"}, (3,))
    sparse = helper.make_sparse_tensor(values, helper.make_tensor("", TensorProto.INT64, [3], [0, 1, 2]), [3])
    nodes = [
        helper.make_node(
            "Constant", [], ["shape"], value=helper.make_tensor("s", TensorProto.INT64, [4], [1, 3, 1, 1])
        ),
        helper.make_node("Reshape", ["w", "shape"], ["bias"]),
        helper.make_node("Add", ["x", "bias"], ["y"]),
    ]
    x, y = (place(name, TensorProto.FLOAT, ["n", 3, 8, 8]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], sparse_initializer=[sparse])
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    found = OnnxRuntimeModel(path)
    assert found.digest() == digest_files([path, path.parent / "weights.bin"])
    assert_adds_the_bias(found)


def _filled(message: Any, random: Random, depth: int) -> Any:
    """A message with any of its fields set, by protobuf's own reflection, so also those that the walk passes over."""
    for field in message.DESCRIPTOR.fields:
        if random.random() < 0.5:
            continue
        held = getattr(message, field.name)
        if field.message_type is not None:
            if depth:
                _filled(held.add() if hasattr(held, "add") else held, random, depth - 1)
            continue
        value: Any = random.getrandbits(20)
        if field.enum_type is not None:
            value = field.enum_type.values[-1].number
        elif field.type == field.TYPE_STRING:
            value = f"{value} ü"
        elif field.type == field.TYPE_BYTES:
            value = random.randbytes(random.choice([0, 3, 200]))
        if hasattr(held, "append"):
            held.append(value)
        else:
            setattr(message, field.name, value)
    return message


_MODELS = st.integers(0, 2**32).map(lambda seed: _filled(onnx.ModelProto(), Random(seed), 12))


def _every_tensor(message: Any) -> Iterator[TensorProto]:
    """By protobuf's own reflection, so that a field that the walk does not know would be seen."""
    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "__len__") else [value]:
                yield from _every_tensor(part)


@settings(max_examples=500)
@given(_MODELS)
def test_walk_finds_every_tensor_that_onnx_finds(made: onnx.ModelProto) -> None:
    expected = [
        ExternalData(t.name, {e.key: e.value for e in t.external_data}) for t in _every_tensor(made) if t.external_data
    ]
    event(f"{min(len(expected), 3)} tensors or more")
    found = list(external_data(made.SerializeToString()))
    assert sorted(found, key=repr) == sorted(expected, key=repr)


@settings(max_examples=500)
@given(_MODELS, st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_walk_finds_every_location_in_a_damaged_model_or_refuses_it(
    made: onnx.ModelProto, changes: list[tuple[float, int]]
) -> None:
    body = bytearray(made.SerializeToString() or b"?")
    for place, byte in changes:
        body[int(place * len(body))] = byte
    try:
        read = onnx.ModelProto.FromString(bytes(body))
    except DecodeError:
        return  # what no runtime can read needs no check
    wanted = {(os.fsdecode(e.key), os.fsdecode(e.value)) for t in _every_tensor(read) for e in t.external_data}
    try:
        found = {entry for f in external_data(bytes(body)) for entry in f.entries.items()}
    except ValueError:
        event("refused")
        return
    event(f"read, with external data: {bool(wanted)}")
    assert wanted <= found


@given(st.binary(max_size=200))
def test_walk_of_any_bytes_ends(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert all(found.entries for found in external_data(data))


def test_location_given_twice_is_refused(tmp_path: Path) -> None:
    tensor = outside("w", {"location": "weights.bin"})
    tensor.external_data.add(key="location", value="../secret.bin")
    (tmp_path / "weights.bin").write_bytes(BIAS)
    assert "(tensor 'w' gives its 'location' twice)" in refusal(saved(tmp_path / "m.onnx", tensor))


def test_messages_inside_each_other_end_at_protobufs_own_limit() -> None:
    def nested(times: int) -> bytes:
        body = outside("w", {"location": "x"}).SerializeToString()
        body = b"\x2a" + _length(body) + body  # a graph's initializer
        for _ in range(times):
            body = b"\x32" + _length(body) + body  # an attribute's graph
            body = b"\x2a" + _length(body) + body  # a node's attribute
            body = b"\x0a" + _length(body) + body  # a graph's node
        return b"\x3a" + _length(body) + body

    assert [f.entries for f in external_data(nested(32))] == [{"location": "x"}]
    assert onnx.ModelProto.FromString(nested(32)).graph.node
    with pytest.raises(ValueError, match="more than 100 messages inside each other"):
        list(external_data(nested(40)))


def _length(body: bytes) -> bytes:
    """A length as protobuf writes it."""
    value, written = len(body), b""
    while value > 127:
        written, value = written + bytes([value & 127 | 128]), value >> 7
    return written + bytes([value])
