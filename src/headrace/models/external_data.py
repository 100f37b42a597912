"""The files that an ONNX model's tensors lie in, read off its bytes before any runtime opens it.

Not left to the runtimes: they differ in what they refuse, and OpenVINO 2026.4 takes _ORT_MEM_ADDR_ for an address in
this process. Not left to the onnx package: its import takes 0.12 s of CPU where this walk takes 3 ms for MobileNetV2
(100 nodes; 0.17 s for 10,000), and the start of one photo is 0.73 s in all.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.core.errors import BadModel

# Field numbers of the messages that lead to a tensor (onnx.proto, IR version 13).
_LEADS_TO: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _ENTRY_KEY, _ENTRY_VALUE = 8, 13, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_DEEPEST = 100  # messages inside each other; protobuf's own limit
_IN_MEMORY = "_ORT_MEM_ADDR_"


@dataclass(frozen=True)
class ExternalData:
    """Where a tensor says that its bytes are: the entries "location", "offset" and "length", as they stand there."""

    tensor: str
    entries: dict[str, str]


def onnx_files(path: Path) -> list[Path]:
    """An ONNX file, then the files that its tensors lie in, each once, sorted by location.

    Raises BadModel where one is no regular file inside the model's folder, or is shorter than a tensor says.
    """
    sizes: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise ValueError("it is empty")  # mmap refuses it in other words
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                for found in external_data(data):
                    _check(path, found, sizes)
    except (OSError, ValueError) as error:
        raise BadModel(str(path), f"is not a readable ONNX file ({error})", "check the file") from error
    return [path, *(path.parent / location for location in sorted(sizes))]


def external_data(model: bytes | mmap.mmap) -> Iterator[ExternalData]:
    """Every tensor with external data in a serialised ModelProto: initializers, attributes, subgraphs, functions.

    Those that a data_location of DEFAULT would make a reader pass over are among them. Raises ValueError.
    """
    open_messages = [("model", 0, len(model), 1)]
    while open_messages:
        kind, start, end, depth = open_messages.pop()
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} messages inside each other")
        if kind == "tensor":
            yield from _of_tensor(model, start, end)
            continue
        leads_to = _LEADS_TO[kind]
        for number, wire_type, first, last in _fields(model, start, end):
            if wire_type == _BYTES and number in leads_to:
                open_messages.append((leads_to[number], first, last, depth + 1))


def _of_tensor(model: bytes | mmap.mmap, start: int, end: int) -> Iterator[ExternalData]:
    name, entries = "", {}
    for number, wire_type, first, last in _fields(model, start, end):
        if wire_type == _BYTES and number == _TENSOR_NAME:
            name = _text(model, first, last)
        if wire_type == _BYTES and number == _TENSOR_EXTERNAL_DATA:
            entry = {n: _text(model, a, z) for n, kind, a, z in _fields(model, first, last) if kind == _BYTES}
            key = entry.get(_ENTRY_KEY, "")
            if key in entries:
                raise ValueError(f"tensor {name!r} gives its {key!r} twice")  # readers differ in which one counts
            entries[key] = entry.get(_ENTRY_VALUE, "")
    if entries:
        yield ExternalData(name, entries)


def _text(model: bytes | mmap.mmap, start: int, end: int) -> str:
    return os.fsdecode(model[start:end])


def _fields(data: bytes | mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Field number, wire type, and where the value begins and ends. Raises ValueError."""
    while start < end:
        key, start = _varint(data, start, end)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            last = _varint(data, start, end)[1]
        elif wire_type == _BYTES:
            length, start = _varint(data, start, end)
            last = start + length
        elif wire_type in _FIXED_BYTES:
            last = start + _FIXED_BYTES[wire_type]
        else:
            raise ValueError(f"wire type {wire_type} at byte {start}")
        if last > end or not 0 < number < 2**29:
            raise ValueError(f"field {number} at byte {start} is cut off")
        yield number, wire_type, start, last
        start = last


def _varint(data: bytes | mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """The number at `at`, seven bits a byte, lowest first, and where it ends. Raises ValueError."""
    value = 0
    for i in range(min(10, end - at)):
        byte = data[at + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    raise ValueError(f"a number without end at byte {at}")


def _check(path: Path, found: ExternalData, sizes: dict[str, int]) -> None:
    """Refuses a tensor that lies anywhere but in a file of the model's folder; `sizes`: of those looked at so far."""
    location = found.entries.get("location", "")
    reach = 0
    for name in ("offset", "length"):
        text = found.entries.get(name, "0")
        if not (text.isascii() and text.isdigit()):
            raise _refusal(path, found, f"has the {name} {text!r}", "export it again")
        reach += int(text)
    if location not in sizes:
        sizes[location] = _size(path, found, location)
    if reach > sizes[location]:
        what = f"has {sizes[location]} bytes; the tensor reaches to byte {reach}"
        raise _refusal(path, found, what, "fetch the whole file, or export it again")


def _size(path: Path, found: ExternalData, location: str) -> int:
    """The size in bytes of the file at `location`. Raises BadModel."""
    parts = location.split("/")
    if location.startswith("/") or ".." in parts or _IN_MEMORY in parts:
        raise _refusal(path, found, "is no place inside the model's folder", "take no model that asks for such files")
    file = path.parent / location
    try:
        inside, is_file = lies_beside(file, path), file.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links is a RuntimeError, a NUL a ValueError
        raise _refusal(path, found, f"cannot be looked up ({error})", "export it again") from error
    if not inside:
        raise _refusal(path, found, "is a link out of the model's folder", "put the file itself beside the model")
    if not is_file:
        raise _refusal(path, found, "is not there", "put the file beside the model")
    return file.stat().st_size


def lies_beside(file: Path, model: Path) -> bool:
    """Whether `file`, with its links followed, is in the model's folder or below it. Raises OSError, RuntimeError."""
    return file.resolve().is_relative_to(model.parent.resolve())


def _refusal(path: Path, found: ExternalData, what: str, fix: str) -> BadModel:
    location = found.entries.get("location", "")
    return BadModel(str(path), f"tensor {found.tensor!r} lies in {location!r}, which {what}", fix)
