"""Kinds of bad PNGs."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from headrace.bench.bad.files import (
    OK,
    REJECT,
    Kind,
    chunk,
    ihdr,
    jpeg,
    patched,
    photo,
    png,
    png_with,
    rows,
    saved,
    u16,
    u32,
)

_HUGE = 40_000  # a side: 1.6 gigapixels


def _zeros(megabytes: int) -> bytes:
    """That many zeros, compressed a thousandfold."""
    squeezed = zlib.compressobj(9)
    return b"".join(squeezed.compress(bytes(1 << 20)) for _ in range(megabytes)) + squeezed.flush()


def _pixels(count: int = 1) -> bytes:
    return chunk(b"IDAT", rows(8, 8 * count))


def _palette(colours: int, *more: bytes, pixel: int = 0) -> bytes:
    """8 x 8 pixels of the colour `pixel` of a palette."""
    indices = zlib.compress((b"\0" + bytes([pixel]) * 8) * 8)
    colour_map = chunk(b"PLTE", (bytes(range(256)) * 6)[: 3 * colours])
    return png(ihdr(8, 8, 8, 3), colour_map, *more, chunk(b"IDAT", indices))


def _frame_control(number: int, width: int, height: int, left: int = 0) -> bytes:
    return chunk(b"fcTL", u32(number, width, height, left, 0) + u16(1, 10) + b"\0\0")


def _animation(frames: int) -> bytes:
    return chunk(b"acTL", u32(frames, 0))


def _interlaced_noise() -> bytes:
    return png(ihdr(64, 48, interlace=1), chunk(b"IDAT", zlib.compress(b"\3" * 700)))


def _pillow(mode: str, form: str = "PNG") -> Callable[[], bytes]:
    return lambda: saved(form, photo().convert(mode))


def _strip(width: int, height: int) -> bytes:
    return saved("PNG", photo().resize((width, height)))


PNGS = (
    Kind("signature-only.png", "the signature and nothing else", REJECT, lambda: png(end=b"")),
    Kind("cut-in-header.png", "ends in the header", REJECT, lambda: saved("PNG")[:20]),
    Kind("cut-in-pixels.png", "ends in the middle of the pixels", REJECT, lambda: saved("PNG")[:3000]),
    Kind("no-end.png", "lacks the end chunk only", OK, lambda: saved("PNG")[:-12]),
    Kind("bad-checksum.png", "the header's checksum is wrong", REJECT, lambda: patched(saved("PNG"), 29, b"\0\0\0\0")),
    Kind(
        "bad-checksum-of-text.png",
        "a comment's checksum is wrong",
        OK,
        lambda: png_with(chunk(b"tEXt", b"a\0b", crc=1)),
    ),
    Kind("zero-size.png", "0 x 48 pixels", REJECT, lambda: png(ihdr(0, 48), _pixels())),
    Kind("largest-size.png", "2,147,483,647 pixels a side", REJECT, lambda: png(ihdr(2**31 - 1, 2**31 - 1), _pixels())),
    Kind(
        "impossible-size.png", "4,294,967,295 pixels a side", REJECT, lambda: png(ihdr(2**32 - 1, 2**32 - 1), _pixels())
    ),
    Kind(
        "pixel-bomb.png",
        "1.6 gigapixels of one colour in 32 KB",
        REJECT,
        lambda: png(ihdr(_HUGE, _HUGE), chunk(b"IDAT", _zeros(32))),
    ),
    Kind(
        "two-headers.png",
        "a second header, of 1.6 gigapixels",
        REJECT,
        lambda: png(ihdr(8, 8), ihdr(_HUGE, _HUGE), _pixels()),
    ),
    Kind("no-header.png", "no header", REJECT, lambda: png(_pixels())),
    Kind("no-pixels.png", "no pixels", REJECT, lambda: png(ihdr(8, 8))),
    Kind(
        "no-palette.png",
        "colours of a palette that is not there",
        REJECT,
        lambda: png(ihdr(8, 8, 8, 3), chunk(b"IDAT", zlib.compress(bytes(72)))),
    ),
    Kind("bad-depth.png", "3 bits a sample", REJECT, lambda: png(ihdr(8, 8, 3), _pixels())),
    Kind(
        "bad-colour-type.png", "a kind of colour that does not exist", REJECT, lambda: png(ihdr(8, 8, 8, 5), _pixels())
    ),
    Kind(
        "bad-filter.png",
        "rows filtered in a way that does not exist",
        REJECT,
        lambda: png(ihdr(8, 8), chunk(b"IDAT", rows(8, 8, filter_type=9))),
    ),
    Kind("bad-interlace.png", "interlaced pixels that are too few and noise", REJECT, _interlaced_noise),
    Kind(
        "pixels-not-compressed.png",
        "pixels that are no zlib stream",
        REJECT,
        lambda: png(ihdr(8, 8), chunk(b"IDAT", b"\x99" * 500)),
    ),
    Kind(
        "too-few-pixels.png",
        "half of the rows: the others are black",
        OK,
        lambda: png(ihdr(8, 8), chunk(b"IDAT", rows(8, 4))),
    ),
    Kind(
        "too-many-pixels.png",
        "64 megabytes of rows behind the last one",
        OK,
        lambda: png(ihdr(8, 8), chunk(b"IDAT", _zeros(64))),
    ),
    Kind(
        "chunk-of-4-gigabytes.png",
        "a chunk that says it is 4 GB long",
        REJECT,
        lambda: png(ihdr(8, 8), u32(2**32 - 1) + b"IDAT" + bytes(99)),
    ),
    Kind(
        "text-bomb.png",
        "a comment of 64 megabytes in 64 KB (zTXt)",
        OK,
        lambda: png_with(chunk(b"zTXt", b"Comment\0\0" + _zeros(64))),
    ),
    Kind(
        "itext-bomb.png",
        "XMP of 64 megabytes in 64 KB (iTXt)",
        OK,
        lambda: png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + _zeros(64))),
    ),
    Kind(
        "exif-bomb.png",
        "EXIF of 64 megabytes in 64 KB (zTXt)",
        OK,
        lambda: png_with(chunk(b"zTXt", b"Raw profile type exif\0\0" + _zeros(64))),
    ),
    Kind(
        "profile-bomb.png",
        "a colour profile of 64 megabytes in 64 KB (iCCP)",
        OK,
        lambda: png_with(chunk(b"iCCP", b"icc\0\0" + _zeros(64))),
    ),
    Kind(
        "bad-profile.png",
        "a colour profile compressed in no known way",
        OK,
        lambda: png_with(chunk(b"iCCP", b"icc\0\x63" + bytes(40))),
    ),
    Kind("much-text.png", "5,000 comments", OK, lambda: png_with(chunk(b"tEXt", b"Comment\0" + b"x" * 400) * 5000)),
    Kind(
        "many-chunks.png",
        "pixels in chunks of one byte",
        OK,
        lambda: png(ihdr(8, 8), *(chunk(b"IDAT", bytes([b])) for b in rows(8, 8))),
    ),
    Kind(
        "exif-loop.png",
        "EXIF whose directory leads to itself",
        OK,
        lambda: png_with(chunk(b"eXIf", b"MM\0*" + u32(8) + u16(1, 0x8769, 4) + u32(1, 8, 8))),
    ),
    Kind("exif-noise.png", "EXIF that is text", OK, lambda: png_with(chunk(b"eXIf", b"not EXIF"))),
    Kind("unknown-chunk.png", "a chunk of no known kind", OK, lambda: png_with(chunk(b"zzZz", b"?" * 99))),
    Kind(
        "transparency-bomb.png",
        "a megabyte of transparent colours",
        OK,
        lambda: _palette(4, chunk(b"tRNS", bytes(1 << 20))),
    ),
    Kind("short-palette.png", "a colour that is not in the palette", OK, lambda: _palette(2, pixel=200)),
    Kind("long-palette.png", "a palette of 400 colours", REJECT, lambda: _palette(400)),
    Kind(
        "animation-outside.png",
        "a frame of an animation outside of the picture",
        OK,
        lambda: png_with(_animation(2), _frame_control(0, 999, 999, 99)),
    ),
    Kind("animation-of-none.png", "an animation of no frames", OK, lambda: png_with(_animation(0))),
    Kind(
        "animation-twice.png",
        "two animations of four billion frames",
        OK,
        lambda: png_with(_animation(2**32 - 1), _animation(2)),
    ),
    Kind(
        "16-bit.png",
        "16 bits a sample",
        OK,
        lambda: saved("PNG", Image.fromarray(np.asarray(photo().convert("L"), np.uint16) * 257)),
    ),
    Kind("grey-alpha.png", "grey with transparency", OK, _pillow("LA")),
    Kind(
        "palette-alpha.png",
        "a palette with transparent colours",
        OK,
        lambda: saved("PNG", photo().quantize(16), transparency=bytes(range(16))),
    ),
    Kind("black-white.png", "1 bit a pixel", OK, _pillow("1")),
    Kind("one-pixel.png", "a single pixel", OK, lambda: _strip(1, 1)),
    Kind("very-wide.png", "20,000 x 1 pixels", OK, lambda: _strip(20_000, 1)),
    Kind("very-high.png", "1 x 20,000 pixels", OK, lambda: _strip(1, 20_000)),
    Kind("jpeg.png", "a JPEG named .png", OK, lambda: jpeg()),
)
