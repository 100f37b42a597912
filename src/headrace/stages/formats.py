"""Which format a photo is in, and the bare form of the plain ones: GIF, BMP, WebP."""

from __future__ import annotations

from collections.abc import Callable

from headrace.stages.bare import MOST_PIECES, Bare, NotAnImage, check_size, little, too_many_pieces
from headrace.stages.jpeg import bare_jpeg
from headrace.stages.orientation import orientation
from headrace.stages.png import bare_png
from headrace.stages.tiff import bare_tiff

_MOST_RLE_PIXELS = 25_000_000  # Pillow's RLE decoder fills short rows byte by byte: 90 ns a pixel, 2 s


def bare(data: bytes, max_pixels: int) -> Bare:
    """The photo in `data`, by its first bytes. Raises NotAnImage, TooManyPixels."""
    read = next((read for start, magic, read in _FORMATS if data.startswith(magic, start)), None)
    if read is None:
        raise NotAnImage(f"no known image format ({len(data)} bytes, starting {data[:8]!r})")
    found = read(data)
    if found.height == 0 or found.width == 0:
        raise NotAnImage(f"the header gives no size ({found.width} x {found.height} pixels), or it is cut off")
    check_size(found.height, found.width, max_pixels)
    return found


def _bare_gif(data: bytes) -> Bare:
    """A GIF (89a) whose screen is large enough for its first frame, and which says nothing of the next ones."""
    colours = data[10] & 7 if len(data) > 10 and data[10] & 0x80 else None
    start = 13 if colours is None else 13 + (6 << colours)
    position, control = _first_frame(data, start)
    width, height = little(data, 6, 2), little(data, 8, 2)
    if data[position : position + 1] == b",":
        left, top, across, down = (little(data, position + at, 2) for at in (1, 3, 5, 7))
        width, height = max(width, left + across), max(height, top + down)
    if max(width, height) > 0xFFFF:
        raise NotAnImage("the GIF's first frame lies outside its screen")
    screen = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    view = memoryview(data)
    return Bare("Gif", height, width, [view[:6], screen, view[10:start], control, view[position:]])


def _first_frame(data: bytes, start: int) -> tuple[int, bytes]:
    """Where a GIF's first frame begins (or the file ends), and the extension before it that sets its transparent
    colour, without what is to become of the frame afterwards."""
    position, control, extension = start, b"", False
    for _ in range(MOST_PIECES):
        first = data[position : position + 1]
        if extension:  # blocks of at most 255 bytes, up to an empty one
            extension = first not in (b"", b"\0")
            position += 1 + (first[0] if first else 0)
        elif first in (b",", b";", b""):
            return position, control
        elif first == b"!":
            if data[position + 1 : position + 3] == b"\xf9\4":
                control = data[position : position + 8]
                control = control[:3] + bytes([control[3] & 1]) + control[4:] if len(control) == 8 else b""
            extension, position = True, position + 2
        else:
            position += 1
    raise too_many_pieces()


def _bare_bmp(data: bytes) -> Bare:
    """A BMP; one whose height is negative lies the other way up."""
    if little(data, 14, 4) == 12:
        return Bare("Bmp", little(data, 20, 2), little(data, 18, 2), [data])
    width, height, coding = (little(data, at, 4) for at in (18, 22, 30))
    if height >> 24 == 0xFF:
        height = 2**32 - height
    if coding in (1, 2):
        check_size(height, width, _MOST_RLE_PIXELS, "for run-length coding")
    return Bare("Bmp", height, width, [data])


def _bare_webp(data: bytes) -> Bare:
    """A WebP file, as it is: Pillow looks at nothing in it but pixels. Raises NotAnImage."""
    size = 8 + little(data, 4, 4)
    if size > len(data):
        raise NotAnImage(f"the file is truncated ({len(data)} of {size} bytes)")
    if data[15:16] == b"X":
        width, height = 1 + little(data, 24, 3), 1 + little(data, 27, 3)
    elif data[15:16] == b"L":
        width, height = 1 + (little(data, 21, 4) & 0x3FFF), 1 + (little(data, 21, 4) >> 14 & 0x3FFF)
    else:
        width, height = little(data, 26, 2) & 0x3FFF, little(data, 28, 2) & 0x3FFF
    found = {b"EXIF": b"", b"XMP ": b""}
    position = 12
    for _ in range(MOST_PIECES):
        name, size = data[position : position + 4], little(data, position + 4, 4)
        if not name:
            return Bare("WebP", height, width, [data], orientation(found[b"EXIF"], found[b"XMP "]))
        if name in found:
            found[name] = data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
    raise too_many_pieces()


_FORMATS: tuple[tuple[int, bytes, Callable[[bytes], Bare]], ...] = (
    (0, b"\xff\xd8\xff", bare_jpeg),
    (0, b"\x89PNG\r\n\x1a\n", bare_png),
    (8, b"WEBPVP8", _bare_webp),
    (0, b"GIF87a", _bare_gif),
    (0, b"GIF89a", _bare_gif),
    (0, b"BM", _bare_bmp),
    (0, b"II*\0", bare_tiff),
    (0, b"MM\0*", bare_tiff),
    (0, b"II+\0", bare_tiff),
)
