"""Photo files with nothing left but what their pixels need.

Pillow reads more of a file than its pixels: all EXIF, profiles, text, further frames. None of that is wanted here, and
each can be a bomb, a loop, or a source of warnings, which only a whole process can silence. So it is cut out before
Pillow sees the file, and sizes are checked before anything is allocated.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

# Segments, chunks or blocks of one file: a million are walked in 0.5 s, and no photo has a thousandth of them.
MOST_PIECES = 1_000_000


class NotAnImage(ValueError):
    """The row's image cannot be decoded."""


class TooManyPixels(NotAnImage):
    """The header announces more pixels than allowed; nothing was allocated."""


class Bare(NamedTuple):
    """What a photo's header says, and the `pieces` of the file to decode it from, end to end.

    form: the format, as Pillow's plugins are called. height, width: in pixels, as stored; 0 where not found.
    orientation: how it lies, 1 to 8 by EXIF 2.32; what is none of them means upright.
    """

    form: Literal["Jpeg", "Png", "Gif", "Bmp", "Tiff", "WebP"]
    height: int
    width: int
    pieces: list[bytes | memoryview]
    orientation: int = 1


def check_size(height: int, width: int, limit: int, name: str = "max_pixels") -> None:
    """Raises TooManyPixels, naming the `limit`."""
    if height * width > limit:
        raise TooManyPixels(f"{width} x {height} pixels are over the limit of {limit} ({name})")


def too_many_pieces() -> NotAnImage:
    """The error of a file whose header does not end."""
    return NotAnImage(f"the header has more than {MOST_PIECES} parts")


def big(data: bytes, start: int, size: int) -> int:
    """The big-endian number at `start`; of fewer bytes where the file ends."""
    return int.from_bytes(data[start : start + size], "big")


def little(data: bytes, start: int, size: int) -> int:
    """The little-endian number at `start`; of fewer bytes where the file ends."""
    return int.from_bytes(data[start : start + size], "little")
