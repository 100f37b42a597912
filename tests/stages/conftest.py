"""What photo tests measure against: Pillow's way from a file to the model's window."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from headrace.core.preprocess import Preprocess
from headrace.stages.photo import PhotoDecoder

Pixels = NDArray[np.uint8]
METHODS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def reference(data: bytes, spec: Preprocess) -> Pixels:
    """Decode, exif_transpose, RGB, torchvision's Resize and CenterCrop, one after the other."""
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        opened.info.pop("transparency", None)  # Pillow warns of it, and RGB has none
        image = ImageOps.exif_transpose(opened).convert("RGB")
    height, width = spec.size
    short, method = spec.resize_short, METHODS[spec.interpolation]
    if short is None:
        image = image.resize((width, height), method)
    else:
        w, h = image.size
        w, h = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
        left, top = round((w - width) / 2.0), round((h - height) / 2.0)
        image = image.resize((w, h), method).crop((left, top, left + width, top + height))
    pixels = np.array(image)
    return pixels if spec.color == "RGB" else pixels[:, :, ::-1]


def prepared(data: bytes | Pixels, spec: Preprocess) -> Pixels:
    """The window as headrace writes it; the slot was dirty before."""
    slot = np.full((*spec.size, 3), 77, np.uint8)
    PhotoDecoder(spec).decode_into(data, slot)
    return slot


@pytest.fixture(scope="session")
def levels() -> Callable[[bytes, Preprocess], int]:
    """The most levels that headrace's window and Pillow's are apart, over all pixels."""
    return lambda data, spec: int(np.abs(prepared(data, spec).astype(int) - reference(data, spec)).max())


@pytest.fixture(scope="session")
def prepare() -> Callable[[bytes | Pixels, Preprocess], Pixels]:
    return prepared


@pytest.fixture(scope="session")
def large_jpegs(real_jpegs: list[Path]) -> list[bytes]:
    """Real photos as large JPEGs of odd sizes, which decode at a half and a quarter; half of them lie on a side."""
    found = []
    for number, path in enumerate(real_jpegs):
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        if min(photo.size) < 200:
            continue
        scale = (1027 if number % 4 < 2 else 2051) / min(photo.size)
        large = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
        exif = Image.Exif()
        exif[0x0112] = 6 if number % 2 else 1
        file = io.BytesIO()
        large.save(file, "JPEG", quality=92, exif=exif)
        found.append(file.getvalue())
    return found
