"""JPEG files (ITU T.81), bare: without comments, EXIF, XMP, profiles and fill."""

from __future__ import annotations

import re

import numpy as np

from headrace.stages.bare import MOST_PIECES, Bare, NotAnImage, big, too_many_pieces
from headrace.stages.orientation import orientation

# Markers (table B.1)
_APP1, _SCAN, _FILL = 0xE1, 0xDA, 0xFF
_LONE = frozenset((0x00, 0x01, *range(0xD0, 0xDA)))  # those without a segment; 0 is none
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1)
_UNUSED = frozenset((0xFE, *range(0xE1, 0xF0))) - {0xEE}  # comments and applications' data, but JFIF's and Adobe's

_FILLS = re.compile(rb"\xff+")
# A scan costs time for every pixel and takes 10 bytes or more: 3,000 over 16 megapixels fit in 150 KB. Encoders write
# about 10, and libjpeg-turbo's own fuzzers stop at 500. 500 over 16 megapixels take 0.6 s, and no file may take longer.
_SCAN_BYTES = 10
_MOST_WORK = 500 << 24  # pixels times scans
_LEAST_PIXELS = 1 << 20  # a scan of few pixels costs time too


def bare_jpeg(data: bytes) -> Bare:
    """What a JPEG's header says, as libjpeg reads it: junk and fill between segments are passed over.

    Raises NotAnImage for a header without end, and for more scans than a photo has.
    """
    view = memoryview(data)
    kept: list[bytes | memoryview] = [view[:2]]
    exif = xmp = b""
    height = width = components = coding = 0
    position = 2
    for _ in range(MOST_PIECES):
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 == len(data):
            return Bare("Jpeg", height, width, kept, orientation(exif, xmp))
        marker = data[position + 1]
        if marker == _FILL:
            position = _past_fill(data, position) - 1
            continue
        if marker == _SCAN:
            break
        end = position + 2 if marker in _LONE else position + 2 + max(2, big(data, position + 2, 2))
        if marker == _APP1:
            exif, xmp = _metadata(data[position + 4 : end], exif, xmp)
        elif marker not in _UNUSED:
            kept.append(view[position:end])
            if marker in _FRAMES:
                coding, components = marker, big(data, position + 9, 1)
                height, width = big(data, position + 5, 2), big(data, position + 7, 2)
        position = end
    else:
        raise too_many_pieces()
    kept.append(view[position:])
    if coding not in _SEQUENTIAL or big(data, position + 4, 1) < components:
        _check_scans(view[position:], max(height * width, _LEAST_PIXELS))
    return Bare("Jpeg", height, width, kept, orientation(exif, xmp))


def _past_fill(data: bytes, position: int) -> int:
    found = _FILLS.match(data, position)
    assert found is not None
    return found.end()


def _metadata(body: bytes, exif: bytes, xmp: bytes) -> tuple[bytes, bytes]:
    """The first EXIF and the last XMP so far."""
    if body.startswith(b"Exif\0\0"):
        return exif or body, xmp
    return exif, body if b"tiff:Orientation" in body else xmp


def _check_scans(coded: memoryview, pixels: int) -> None:
    if len(coded) // _SCAN_BYTES * pixels <= _MOST_WORK:
        return
    codes = np.frombuffer(coded, np.uint8)  # 12 times as fast as bytes.count
    scans = int(np.count_nonzero((codes[:-1] == _FILL) & (codes[1:] == _SCAN)))  # in coded pixels 0 follows 0xFF
    if scans * pixels > _MOST_WORK:
        raise NotAnImage(f"{scans} scans, each over all pixels, are more than a photo has")
