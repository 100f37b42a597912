"""Kinds of bad JPEGs."""

from __future__ import annotations

import random

from headrace.bench.bad.files import (
    OK,
    REJECT,
    Kind,
    frame_at,
    jpeg,
    jpeg_with,
    jpeg_without,
    noise,
    patched,
    photo,
    saved,
    segment,
    sized_jpeg,
    u16,
)

_ONES = b"\0" + b"\1" * 64  # a quantisation table
_ONE_CODE = bytes([1]) + bytes(15)  # a Huffman table with one code, the bit 0
_RESTARTS = b"\xff\xd0"


def _framed(frame: bytes) -> bytes:
    """The photo with another frame header."""
    data = jpeg()
    return data[: frame_at(data)] + frame + data[frame_at(data) + 19 :]


def _components(count: int, sampling: int = 0x11) -> bytes:
    listed = b"".join(bytes([i + 1, sampling, 0]) for i in range(count))
    return _framed(segment(0xC0, b"\x08" + u16(48, 64) + bytes([count]) + listed))


def _noisy_scan() -> bytes:
    data = bytearray(jpeg())
    coded = data.index(b"\xff\xda") + 14
    for at in random.Random(3).sample(range(coded, len(data) - 2), 9):
        data[at] ^= 0x10
    return bytes(data)


def _grey(marker: int, side: int, *scans: bytes, depth: int = 8, tables: bytes = b"") -> bytes:
    """A grey JPEG, `side` x `side`, whose frame header has any `marker`."""
    frame = segment(marker, bytes([depth]) + u16(side, side) + b"\1\1\x11\0")
    return b"\xff\xd8" + segment(0xDB, _ONES) + frame + tables + b"".join(scans) + b"\xff\xd9"


def _huffman(ac: int = 0) -> bytes:
    """Huffman tables in which the bit 0 stands for 0, or `ac`."""
    return segment(0xC4, b"\0" + _ONE_CODE + b"\0") + segment(0xC4, b"\x10" + _ONE_CODE + bytes([ac]))


def _scan(first: int, last: int, approximation: int, data: bytes) -> bytes:
    return segment(0xDA, b"\1\1\0" + bytes([first, last, approximation])) + data


def _many_scans() -> bytes:
    """3,000 scans over 512 x 512 blocks, each of which codes 16,384 of them in 15 bits, 16 times."""
    first = _scan(0, 0, 1, bytes(512 * 512 // 8))
    return _grey(0xC2, 4096, first, _scan(1, 63, 0, bytes(30)) * 3000, tables=_huffman(ac=0xE0))


def _multi_picture() -> bytes:
    return saved("MPO", save_all=True, append_images=[photo().rotate(180)])


def _adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe" + u16(100, 0, 0) + bytes([transform]))


def _cmyk(transform: int) -> bytes:
    data = saved("JPEG", photo().convert("CMYK"))
    return patched(data, data.index(b"Adobe") + 11, bytes([transform]))


BROKEN = (
    Kind("empty.jpg", "no bytes at all", REJECT, lambda: b""),
    Kind("one-byte.jpg", "a single byte", REJECT, lambda: b"\xff"),
    Kind("magic-only.jpg", "the first three bytes of a JPEG", REJECT, lambda: b"\xff\xd8\xff"),
    Kind("cut-in-header.jpg", "ends in the first segment", REJECT, lambda: jpeg()[:15]),
    Kind("cut-in-tables.jpg", "ends in a quantisation table", REJECT, lambda: jpeg()[:60]),
    Kind("cut-in-scan.jpg", "ends in the middle of the pixels", REJECT, lambda: jpeg()[:1000]),
    Kind("cut-before-end.jpg", "lacks the end marker only", REJECT, lambda: jpeg()[:-2]),
    Kind("wrong-magic.jpg", "the first byte is another", REJECT, lambda: b"\0" + jpeg()[1:]),
    Kind("garbage.jpg", "noise behind the first marker", REJECT, lambda: b"\xff\xd8" + noise(5000)),
    Kind("nulls.jpg", "a megabyte of zeros, as a failed copy leaves", REJECT, lambda: bytes(1_000_000)),
    Kind("no-height.jpg", "height 0", REJECT, lambda: sized_jpeg(0, 64)),
    Kind("no-width.jpg", "width 0", REJECT, lambda: sized_jpeg(48, 0)),
    Kind(
        "late-height.jpg",
        "height 0, given behind the scan (DNL)",
        REJECT,
        lambda: sized_jpeg(0, 64)[:-2] + segment(0xDC, u16(48)) + b"\xff\xd9",
    ),
    Kind("huge.jpg", "65,500 x 65,500 pixels in 1 KB", REJECT, lambda: sized_jpeg(65_500, 65_500)),
    Kind(
        "bad-huffman.jpg",
        "a Huffman table with more codes than fit",
        REJECT,
        lambda: jpeg_with(segment(0xC4, b"\0" + b"\xff" * 16 + bytes(300))),
    ),
    Kind(
        "wrong-huffman.jpg",
        "Huffman tables that lack the codes in use: decodes to noise, as in any viewer",
        OK,
        lambda: jpeg_without(0xC4).replace(b"\xff\xda", _huffman() + b"\xff\xda", 1),
    ),
    Kind(
        "no-huffman.jpg",
        "no Huffman tables, as from a webcam: the standard's own are taken",
        OK,
        lambda: jpeg_without(0xC4),
    ),
    Kind(
        "bad-quantisation.jpg",
        "a quantisation table cut short",
        REJECT,
        lambda: jpeg_with(segment(0xDB, b"\0" + b"\1" * 20)),
    ),
    Kind("no-quantisation.jpg", "no quantisation tables", REJECT, lambda: jpeg_without(0xDB)),
    Kind("no-scan.jpg", "no pixels", REJECT, lambda: jpeg_without(0xDA) + b"\xff\xd9"),
    Kind(
        "two-frames.jpg",
        "two frame headers",
        REJECT,
        lambda: _framed(segment(0xC0, b"\x08" + u16(48, 64) + b"\1\1\x11\0") * 2),
    ),
    Kind("two-components.jpg", "two colour components", REJECT, lambda: _components(2)),
    Kind("many-components.jpg", "200 colour components", REJECT, lambda: _components(200)),
    Kind("bad-sampling.jpg", "a sampling factor of 0", REJECT, lambda: _components(3, 0x00)),
    Kind(
        "segment-beyond-end.jpg",
        "a segment longer than the file",
        REJECT,
        lambda: b"\xff\xd8" + segment(0xE5, b"short", 60_000) + b"\xff\xd9",
    ),
    Kind("hierarchical.jpg", "a differential frame", REJECT, lambda: _framed(b"\xff\xc5" + jpeg()[160:177])),
)

ODD = (
    Kind("arithmetic.jpg", "arithmetic coding", OK, lambda: _grey(0xC9, 16, _scan(0, 63, 0, bytes(40)))),
    Kind(
        "12-bit.jpg",
        "12 bits a sample",
        REJECT,
        lambda: _grey(0xC1, 16, _scan(0, 63, 0, bytes(1)), depth=12, tables=_huffman()),
    ),
    Kind("lossless.jpg", "lossless coding", OK, lambda: _grey(0xC3, 16, _scan(1, 0, 0, bytes(32)), tables=_huffman())),
    Kind("cmyk.jpg", "CMYK", OK, lambda: saved("JPEG", photo().convert("CMYK"))),
    Kind("cmyk-lie.jpg", "CMYK that says it is YCCK", OK, lambda: _cmyk(2)),
    Kind(
        "adobe-lie.jpg",
        "YCbCr that says it is RGB",
        OK,
        lambda: jpeg_without(0xE0)[:2] + _adobe(0) + jpeg_without(0xE0)[2:],
    ),
    Kind(
        "adobe-nonsense.jpg",
        "a colour transform that does not exist",
        OK,
        lambda: jpeg_without(0xE0)[:2] + _adobe(77) + jpeg_without(0xE0)[2:],
    ),
    Kind("scan-bomb.jpg", "3,000 scans in 150 KB, each over all of 16 megapixels", REJECT, _many_scans),
    Kind("noise-in-scan.jpg", "bits turned over in the pixels", OK, _noisy_scan),
    Kind(
        "restart-number.jpg",
        "a restart marker with a wrong number",
        OK,
        lambda: saved("JPEG", restart_marker_rows=1).replace(_RESTARTS, b"\xff\xd5", 1),
    ),
    Kind(
        "restart-missing.jpg",
        "a restart marker left out",
        OK,
        lambda: saved("JPEG", restart_marker_rows=1).replace(_RESTARTS, b"", 1),
    ),
    Kind("trailing.jpg", "a ZIP archive behind the end", OK, lambda: jpeg() + b"PK\3\4" + bytes(5000)),
    Kind("two-in-one.jpg", "two photos one behind the other", OK, lambda: jpeg() * 2),
    Kind("multi-picture.jpg", "two frames (MPO): the first is the photo", OK, _multi_picture),
    Kind(
        "bad-multi-picture.jpg",
        "an index of frames that is noise",
        OK,
        lambda: jpeg_with(segment(0xE2, b"MPF\0" + noise(90))),
    ),
    Kind("fill-bytes.jpg", "two megabytes of fill between segments", OK, lambda: jpeg_with(b"\xff" * 2_000_000)),
    Kind("many-segments.jpg", "20,000 comments in the header", OK, lambda: jpeg_with(segment(0xFE) * 20_000)),
    Kind("segment-of-0.jpg", "a segment that says it is 0 bytes long", OK, lambda: jpeg_with(segment(0xE5, length=0))),
    Kind("segment-of-1.jpg", "a segment that says it is 1 byte long", OK, lambda: jpeg_with(segment(0xE5, length=1))),
)

JPEGS = BROKEN + ODD
