"""Kinds of bad TIFFs."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

from headrace.bench.bad.files import OK, REJECT, Kind, grey_tiff, noise, photo, saved, tiff

_SHORT, _LONG, _TEXT, _BYTES = 3, 4, 2, 7
_COMPRESSION, _DEFLATE, _LZW = 259, 8, 5


def _tiles(side: int) -> tuple[tuple[int, int, int, int], ...]:
    return (322, _LONG, 1, side), (323, _LONG, 1, side), (324, _LONG, 1, 8), (325, _LONG, 1, 64)


def _loop() -> bytes:
    """The photo's own directory follows upon itself."""
    whole = grey_tiff(8, 8, data=bytes(64))
    return whole[:-4] + whole[4:8]


def _self_reference() -> bytes:
    at = 8 + 64
    return grey_tiff(8, 8, *((tag, _LONG, 1, at) for tag in (330, 34665, 34853)), data=bytes(64))


TIFFS = (
    Kind("cut.tif", "ends before its directory", REJECT, lambda: saved("TIFF")[:-900][:3000]),
    Kind(
        "directory-outside.tif",
        "the directory lies outside the file",
        REJECT,
        lambda: b"II*\0" + struct.pack("<L", 99_999_999) + bytes(99),
    ),
    Kind("directory-in-header.tif", "the directory lies in the header", REJECT, lambda: b"II*\0" + bytes(200)),
    Kind("directory-loop.tif", "directories that lead round: the first is the photo", OK, lambda: _loop()),
    Kind(
        "no-size.tif", "a directory without a size", REJECT, lambda: tiff([(259, 3, 1, 1), (273, 4, 1, 8)], bytes(64))
    ),
    Kind("huge.tif", "100,000 x 100,000 pixels", REJECT, lambda: grey_tiff(100_000, 100_000, data=bytes(64))),
    Kind(
        "inflating.tif",
        "100,000 x 100,000 pixels, compressed to 10 KB",
        REJECT,
        lambda: grey_tiff(100_000, 100_000, (259, 3, 1, 8), data=zlib.compress(bytes(10_000_000))),
    ),
    Kind(
        "huge-tiles.tif",
        "tiles of 2,147,483,647 pixels a side",
        REJECT,
        lambda: grey_tiff(8, 8, *_tiles(2**31 - 1), data=bytes(64)),
    ),
    Kind(
        "large-tiles.tif",
        "tiles of 60,000 pixels a side, in 8 x 8 pixels",
        REJECT,
        lambda: grey_tiff(8, 8, *_tiles(60_000), (259, 3, 1, 8), data=zlib.compress(bytes(64))),
    ),
    Kind(
        "many-tiles.tif", "four billion tiles", REJECT, lambda: grey_tiff(8, 8, (324, 4, 2**32 - 1, 8), data=bytes(64))
    ),
    Kind(
        "many-strips.tif",
        "300,000 strips",
        REJECT,
        lambda: grey_tiff(8, 8, (273, 4, 300_000, 8), (278, 4, 1, 1), data=bytes(1_200_000)),
    ),
    Kind(
        "strip-outside.tif",
        "pixels that lie outside the file",
        REJECT,
        lambda: grey_tiff(8, 8, (273, 4, 1, 88_888_888), data=bytes(64)),
    ),
    Kind("strip-short.tif", "fewer pixels than the size says", REJECT, lambda: grey_tiff(64, 48, data=bytes(64))),
    Kind(
        "lzw-noise.tif",
        "compressed pixels that are noise",
        REJECT,
        lambda: grey_tiff(64, 48, (259, 3, 1, _LZW), data=noise(600)),
    ),
    Kind(
        "bad-compression.tif",
        "a compression that does not exist",
        REJECT,
        lambda: grey_tiff(8, 8, (259, 3, 1, 4242), data=bytes(64)),
    ),
    Kind(
        "many-samples.tif",
        "65,535 samples a pixel",
        REJECT,
        lambda: grey_tiff(8, 8, (277, 3, 1, 65_535), data=bytes(64)),
    ),
    Kind(
        "values-outside.tif",
        "a comment that lies outside the file",
        OK,
        lambda: grey_tiff(8, 8, (270, 2, 4_000_000_000, 2**31), data=bytes(64)),
    ),
    Kind(
        "two-values.tif",
        "a compression with two values",
        OK,
        lambda: grey_tiff(8, 8, (259, 3, 2, 1), (296, 3, 2, 1), data=bytes(64)),
    ),
    Kind("exif-loop.tif", "EXIF and GPS directories that are its own", OK, lambda: _self_reference()),
    Kind(
        "profile-outside.tif",
        "a colour profile of 4 GB",
        OK,
        lambda: grey_tiff(8, 8, (34675, 7, 2**32 - 1, 8), data=bytes(64)),
    ),
    Kind(
        "pages.tif",
        "20 pages: the first is the photo",
        OK,
        lambda: saved("TIFF", save_all=True, append_images=[photo().rotate(90)] * 19),
    ),
    Kind(
        "float.tif",
        "floating-point pixels, some not a number",
        OK,
        lambda: saved("TIFF", Image.fromarray(np.where(np.eye(8), np.nan, np.float32(99.5)))),
    ),
    Kind(
        "16-bit.tif",
        "16 bits a pixel",
        OK,
        lambda: saved("TIFF", Image.fromarray(np.asarray(photo().convert("L"), np.uint16) * 257)),
    ),
)
