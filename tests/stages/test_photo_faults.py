"""A photo that cannot be decoded says why, and costs nothing but itself."""

import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headrace.core.preprocess import Preprocess
from headrace.stages.photo import NotAnImage, PhotoDecoder, TooManyPixels


def refused(cell: Any, spec: Preprocess | None = None) -> str:
    """The text of the error, which is the same for the whole photo and for the window; the slot is left as it was."""
    decoder = PhotoDecoder(spec or Preprocess())
    slot = np.full((224, 224, 3), 7, np.uint8)
    with pytest.raises(NotAnImage) as caught:
        decoder.decode_into(cell, slot)
    assert (slot == 7).all()
    with pytest.raises(type(caught.value)) as again:
        decoder.decode(cell)
    assert str(again.value) == str(caught.value)
    return str(caught.value)


def saved(kind: str, size: tuple[int, int] = (640, 480)) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 40).save(file, kind)
    return file.getvalue()


def test_empty_and_foreign_files_are_named_for_what_they_are() -> None:
    assert refused(b"") == "the file is empty"
    assert refused(b"<html>404</html>") == "no known image format (16 bytes, starting b'<html>40')"
    assert refused(b"\xff\xd8 only looks like one").startswith("no known image format (22 bytes")
    assert refused("a.jpg") == "an image must be bytes or uint8 [H, W, 3], got str"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF"])
def test_truncated_file_is_called_truncated(kind: str) -> None:
    data = saved(kind)
    assert "truncated" in refused(data[: len(data) // 2]).lower()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("length", [2, 12, 40, 150])
def test_any_stump_is_refused_with_a_text(kind: str, length: int) -> None:
    assert len(refused(saved(kind)[:length])) > 10


def test_progressive_jpeg_that_is_truncated_is_refused(real_jpegs: list[Path]) -> None:
    file = io.BytesIO()
    with Image.open(real_jpegs[0]) as opened:
        opened.save(file, "JPEG", progressive=True)
    assert "truncated" in refused(file.getvalue()[: file.tell() // 2])


def test_jpeg_with_broken_exif_is_taken_as_upright(real_jpegs: list[Path]) -> None:
    exif = b"Exif\0\0garbage!"
    for path in real_jpegs:
        data = path.read_bytes()
        broken = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
        assert PhotoDecoder().decode(broken).shape == PhotoDecoder().decode(data).shape


def test_error_of_reading_is_raised_as_it_was() -> None:
    gone = FileNotFoundError(2, "No such file or directory", "a.jpg")
    with pytest.raises(FileNotFoundError) as caught:
        PhotoDecoder().decode(gone)
    assert caught.value is gone


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((4, 4, 3), np.float32), "an image array must be uint8 [H, W, 3], got float32 [4, 4, 3]"),
        (np.zeros((4, 4, 4), np.uint8), "an image array must be uint8 [H, W, 3], got uint8 [4, 4, 4]"),
        (np.zeros(4, np.uint8), "an image array must be uint8 [H, W, 3], got uint8 [4]"),
        (np.zeros((0, 4, 3), np.uint8), "an image array of shape [0, 4, 3] has no pixels"),
    ],
)
def test_array_of_another_kind_is_refused_with_its_shape(array: Any, text: str) -> None:
    assert refused(array) == text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP"])
def test_photo_over_the_limit_is_refused_by_its_header(kind: str) -> None:
    data = saved(kind, (1000, 300))
    text = "1000 x 300 pixels are over the limit of 299999 (max_pixels)"
    assert refused(data, Preprocess(max_pixels=299_999)) == text
    assert PhotoDecoder(Preprocess(max_pixels=300_000)).decode(data).shape == (300, 1000, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "GIF"])
def test_limit_is_max_pixels_and_not_pillows_own(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert PhotoDecoder().decode(data).shape == (480, 640, 3)


def test_webp_over_pillows_own_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved("WEBP")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(TooManyPixels, match="exceeds limit of 2000 pixels"):
        PhotoDecoder().decode(data)


def test_bomb_is_refused_before_its_pixels_are_allocated() -> None:
    data = saved("JPEG", (16, 16))
    at = data.index(b"\xff\xc0") + 5
    bomb = data[:at] + (60_000).to_bytes(2, "big") * 2 + data[at + 4 :]  # 60000 x 60000: 10.8 GB of RGB
    tracemalloc.start()
    try:
        with pytest.raises(TooManyPixels, match="60000 x 60000 pixels are over the limit of 178956970"):
            PhotoDecoder().decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
