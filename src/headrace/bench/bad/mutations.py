"""Damaged photos: real ones, small, in many forms of JPEG and PNG, with bytes changed, cut, moved and mixed."""

from __future__ import annotations

import functools
import random
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from headrace.bench.bad.files import jpeg_with, orientation, saved, u32
from headrace.bench.corpus import package_folder

_PHOTOS = (
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/rocket.jpg"),
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)
_SIZES = ((160, 120), (97, 131), (64, 64), (33, 250))


@functools.cache
def originals() -> tuple[bytes, ...]:
    """The photos that damaged ones are made from: 91 files of 1 to 60 KB."""
    made = []
    for number, (package, path) in enumerate(_PHOTOS):
        with Image.open(package_folder(package) / path) as opened:
            photo = opened.convert("RGB").resize(_SIZES[number % len(_SIZES)])
        made += _jpegs(photo) + _pngs(photo)
    return tuple(made)


def _jpegs(photo: Image.Image) -> list[bytes]:
    plain = saved("JPEG", photo)
    return [
        plain,
        saved("JPEG", photo, quality=95, subsampling=0, optimize=True),
        saved("JPEG", photo, progressive=True),
        saved("JPEG", photo, restart_marker_rows=1),
        saved("JPEG", photo.convert("L")),
        saved("JPEG", photo.convert("CMYK")),
        saved("JPEG", photo, icc_profile=bytes(3000), comment="a comment"),
        jpeg_with(orientation(6), whole=plain),
    ]


def _pngs(photo: Image.Image) -> list[bytes]:
    grey = np.asarray(photo.convert("L"), np.uint16) * 257
    return [
        saved("PNG", photo),
        saved("PNG", photo.convert("RGBA")),
        saved("PNG", photo.quantize(32), transparency=bytes(range(32))),
        saved("PNG", photo.convert("1")),
        saved("PNG", Image.fromarray(grey), exif=Image.Exif(), dpi=(72, 72)),
    ]


def mutated(seed: int, index: int) -> bytes:
    """Damaged photo `index`: one to three changes to an original, all of them a function of `seed` and `index`."""
    chance = random.Random(f"{seed}/{index}")
    data = chance.choice(originals())
    for _ in range(chance.choice((1, 1, 2, 3))):
        data = chance.choice(_CHANGES)(data, chance) or data
    return data


def _flipped(data: bytes, chance: random.Random) -> bytes:
    """A few bits turned over."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 16)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _overwritten(data: bytes, chance: random.Random) -> bytes:
    """A run of bytes that are all 0, all 255, or random."""
    at, size = chance.randrange(len(data)), chance.randint(1, 200)
    run = chance.choice((bytes(size), b"\xff" * size, chance.randbytes(size)))
    return data[:at] + run + data[at + size :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    """The end missing."""
    return data[: chance.randint(1, len(data))]


def _shifted(data: bytes, chance: random.Random) -> bytes:
    """A run of bytes left out, or there twice."""
    at, size = chance.randrange(len(data)), chance.randint(1, 300)
    return data[:at] + data[at + size :] if chance.random() < 0.5 else data[: at + size] + data[at:]


def _spliced(data: bytes, chance: random.Random) -> bytes:
    """The beginning of this file and the end of another."""
    other = chance.choice(originals())
    return data[: chance.randint(1, len(data))] + other[chance.randrange(len(other)) :]


def _edited(data: bytes, chance: random.Random) -> bytes:
    """A header's field changed: of a JPEG's segment, or of a PNG's chunk, whose checksum is made right again."""
    starts = _chunks(data) if data[:4] == b"\x89PNG" else _segments(data)
    if not starts:
        return _flipped(data, chance)
    at, size = chance.choice(starts)
    field = at + chance.randrange(min(size, 24))
    new = chance.choice((b"\0", b"\xff", b"\0\0", b"\xff\xff", b"\x7f\xff\xff\xff", chance.randbytes(2)))
    changed = data[:field] + new + data[field + len(new) :]
    if data[:4] != b"\x89PNG":
        return changed
    body = changed[at + 4 : at + size - 4]
    return changed[: at + size - 4] + u32(zlib.crc32(body)) + changed[at + size :]


def _chunks(data: bytes) -> list[tuple[int, int]]:
    """Where a PNG's chunks begin, and how long they are."""
    found, at = [], 8
    while at + 12 <= len(data):
        size = 12 + int.from_bytes(data[at : at + 4], "big")
        found.append((at, size))
        at += size
    return found


def _segments(data: bytes) -> list[tuple[int, int]]:
    """Where a JPEG's segments begin, up to the first scan, and how long they are."""
    found, at = [], 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        size = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((at, size))
        if data[at + 1] == 0xDA:
            break
        at += size
    return found


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flipped,
    _overwritten,
    _cut,
    _shifted,
    _spliced,
    _edited,
    _edited,
    _edited,
)
