"""What bad files are made of: a small real photo, and the pieces of the formats."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from headrace.bench.corpus import package_folder

OK, REJECT, REFUSED, LEFT_OUT = "ok", "reject", "refused", "left out"
SIDE = 64  # pixels a side of the photo that files are made from


@dataclass(frozen=True)
class Kind:
    """A kind of bad input: the file's `name`, what it is, what must become of its row, and the bytes of one."""

    name: str
    what: str
    expected: str
    make: Callable[[], bytes]


@functools.cache
def photo() -> Image.Image:
    """A real photo, 64 x 48 pixels."""
    with Image.open(package_folder("skimage") / "data/chelsea.png") as opened:
        return opened.convert("RGB").resize((SIDE, SIDE * 3 // 4))


def saved(form: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """An image (the photo) as Pillow writes it."""
    file = io.BytesIO()
    (image or photo()).save(file, form, **options)
    return file.getvalue()


@functools.cache
def jpeg() -> bytes:
    """The photo as a JPEG."""
    return saved("JPEG")


def u16(*values: int) -> bytes:
    """Big-endian 16-bit numbers."""
    return b"".join(v.to_bytes(2, "big") for v in values)


def u32(*values: int) -> bytes:
    """Big-endian 32-bit numbers."""
    return b"".join(v.to_bytes(4, "big") for v in values)


def segment(marker: int, body: bytes = b"", length: int | None = None) -> bytes:
    """A JPEG segment; `length` where it is not to tell the truth."""
    return bytes([0xFF, marker]) + u16(len(body) + 2 if length is None else length) + body


def jpeg_with(*segments: bytes, whole: bytes | None = None) -> bytes:
    """The photo as a JPEG (or `whole`), with segments put behind its first marker."""
    whole = whole or jpeg()
    return whole[:2] + b"".join(segments) + whole[2:]


def jpeg_without(*markers: int) -> bytes:
    """The photo as a JPEG, without the segments of these markers."""
    whole, position, kept = jpeg(), 2, [b"\xff\xd8"]
    while whole[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(whole[position + 2 : position + 4], "big")
        if whole[position + 1] not in markers:
            kept.append(whole[position:end])
        position = end
    return b"".join([*kept, b"" if 0xDA in markers else whole[position:]])


def frame_at(data: bytes) -> int:
    """Where a JPEG's frame header begins."""
    return data.index(b"\xff\xc0\x00\x11")


def sized_jpeg(height: int, width: int) -> bytes:
    """The photo as a JPEG whose header gives it another size."""
    return patched(jpeg(), frame_at(jpeg()) + 5, u16(height, width))


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """`data` with `new` in place of what stood `at`."""
    return data[:at] + new + data[at + len(new) :]


def noise(size: int) -> bytes:
    """Random bytes, always the same."""
    return random.Random(size).randbytes(size)


def exif(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """An EXIF segment whose first directory has these (tag, type, count, value)."""
    body = b"MM\0*" + u32(8) + u16(len(entries))
    body += b"".join(u16(tag, kind) + u32(count, value) for tag, kind, count, value in entries) + u32(following)
    return segment(0xE1, b"Exif\0\0" + body)


def orientation(value: int) -> bytes:
    """An EXIF segment that says how the photo lies."""
    return exif((0x0112, 3, 1, value << 16))


def chunk(name: bytes, body: bytes = b"", crc: int | None = None) -> bytes:
    """A PNG chunk; `crc` where it is not to be right."""
    return u32(len(body)) + name + body + u32(zlib.crc32(name + body) if crc is None else crc)


def ihdr(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    """A PNG's header."""
    return chunk(b"IHDR", u32(width, height) + bytes([depth, colour, 0, 0, interlace]))


def png(*chunks: bytes, end: bytes | None = None) -> bytes:
    """A PNG of these chunks and the last one."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + (chunk(b"IEND") if end is None else end)


def png_with(*chunks: bytes) -> bytes:
    """The photo as a PNG, with chunks put behind its header."""
    whole = saved("PNG")
    return whole[:33] + b"".join(chunks) + whole[33:]


def rows(width: int, height: int, channels: int = 3, filter_type: int = 0) -> bytes:
    """Grey pixels as a PNG's IDAT holds them, compressed."""
    return zlib.compress((bytes([filter_type]) + b"\x77" * (width * channels)) * height)


def gif(screen: tuple[int, int], *blocks: bytes, end: bytes = b";") -> bytes:
    """A GIF with two colours."""
    return b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + b"".join(blocks) + end


def gif_frame(width: int, height: int, left: int = 0, top: int = 0, code_size: int = 2, data: bytes = b"") -> bytes:
    """A GIF's frame; one pixel of data when not given."""
    head = b"," + struct.pack("<HHHHB", left, top, width, height, 0) + bytes([code_size])
    data = data or b"\x44\x01"
    return head + bytes([len(data)]) + data + b"\0"


def bmp(width: int, height: int, data: bytes, *, bits: int = 8, compression: int = 0, header: int = 40) -> bytes:
    """A BMP with a palette of 256 colours."""
    palette = b"".join(bytes([i, 255 - i, 7, 0]) for i in range(256))
    start = 14 + 40 + len(palette)
    head = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + palette + data


def tiff(entries: Sequence[tuple[int, int, int, int]], data: bytes = b"", following: int = 0) -> bytes:
    """A little-endian TIFF: the header, `data` from byte 8 on, then a directory of (tag, type, count, value)."""
    start = 8 + len(data)
    body = b"".join(struct.pack("<HHLL", *entry) for entry in sorted(entries))
    return (
        b"II*\0"
        + struct.pack("<L", start)
        + data
        + struct.pack("<H", len(entries))
        + body
        + struct.pack("<L", following)
    )


def grey_tiff(width: int, height: int, *more: tuple[int, int, int, int], data: bytes = b"") -> bytes:
    """A TIFF of one strip of grey pixels, which follow the header; entries in `more` take the place of its own."""
    entries = {
        256: (256, 4, 1, width),
        257: (257, 4, 1, height),
        258: (258, 3, 1, 8),
        259: (259, 3, 1, 1),
        262: (262, 3, 1, 1),
        273: (273, 4, 1, 8),
        277: (277, 3, 1, 1),
        278: (278, 4, 1, height),
        279: (279, 4, 1, len(data)),
    }
    entries.update({entry[0]: entry for entry in more})
    if 324 in entries:  # tiles, so no strips
        entries = {tag: entry for tag, entry in entries.items() if tag not in (273, 278, 279)}
    return tiff(list(entries.values()), data)


def riff(*chunks: bytes, length: int | None = None) -> bytes:
    """A WebP file of these chunks; `length` where it is not to tell the truth."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<L", len(body) if length is None else length) + body


def webp_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a WebP file."""
    return name + struct.pack("<L", len(body)) + body + b"\0" * (len(body) % 2)
