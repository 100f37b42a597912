"""TIFF files (TIFF 6.0, BigTIFF), bare: the first directory, and of that the tags that pixels need."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

from headrace.stages.bare import Bare, NotAnImage
from headrace.stages.orientation import xmp_orientation

_WIDTH, _HEIGHT, _ORIENTATION, _XMP = 256, 257, 274, 700
_STRIPS, _TILES, _TILE_WIDTH, _TILE_HEIGHT = 273, 324, 322, 323
_SAMPLES, _MOST_SAMPLES = 277, 6  # Pillow's own limit; it logs what is over it
# Tags with one value: compression, kind of colour, order of bits and planes, samples, rows a strip, fax options, ...
_SINGLE = frozenset((256, 257, 259, 262, 266, 277, 278, 284, 292, 293, 317, 322, 323, 332, 531))
# ... and with several: bits, strips, tiles, colour map, kinds of samples, JPEG's tables and YCbCr's coefficients.
_SEVERAL = frozenset((258, 273, 279, 320, 324, 325, 338, 339, 347, *range(512, 522), 529, 530, 532))
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}  # bytes, by type
_MOST_TAGS = 65_535
_MOST_STRIPS = 200_000  # Pillow takes 10 us for one; 178 megapixels in strips of one row are 13,000
_LARGE_TILE = 1 << 24  # pixels; an image may be smaller than its only tile


class _Layout(NamedTuple):
    """How numbers lie in the file: their order, and the sizes that are larger in a BigTIFF."""

    order: Literal["little", "big"]
    count_size: int
    offset_size: int
    entry: struct.Struct

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, self.order)


class _Tag(NamedTuple):
    """A directory's entry: `value` is its last field, `content` what that holds or leads to."""

    number: int
    kind: int
    values: int
    value: bytes
    content: bytes


def bare_tiff(data: bytes) -> Bare:
    """What a TIFF's first directory says, which is put in its own place; tags that lead outside the file are left out.

    Raises NotAnImage where there is no directory, or one of more strips or larger tiles than a photo has.
    """
    layout = _layout(data)
    start = layout.number(data[layout.offset_size : 2 * layout.offset_size])
    tags: dict[int, _Tag] = {}
    for tag in _tags(data, layout, start + layout.count_size):
        tags.setdefault(tag.number, tag)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise NotAnImage("the TIFF's directory is missing, cut off, or without a size")
    first = {n: layout.number(t.content[: _SIZES[t.kind]]) for n, t in tags.items()}
    _check_parts(tags, first)
    kept = [layout.entry.pack(*tag[:4]) for n, tag in tags.items() if n in _SINGLE or n in _SEVERAL]
    directory = len(kept).to_bytes(layout.count_size, layout.order) + b"".join(kept) + bytes(layout.offset_size)
    view = memoryview(data)
    pieces: list[bytes | memoryview] = [view[:start], directory, view[start + len(directory) :]]
    lies = first.get(_ORIENTATION) or xmp_orientation(tags[_XMP].content if _XMP in tags else b"") or 1
    return Bare("Tiff", first[_HEIGHT], first[_WIDTH], pieces, lies)


def _layout(data: bytes) -> _Layout:
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    sign = "<" if order == "little" else ">"
    if 43 in data[2:4]:
        return _Layout(order, 8, 8, struct.Struct(f"{sign}HHQ8s"))
    return _Layout(order, 2, 4, struct.Struct(f"{sign}HHL4s"))


def _tags(data: bytes, layout: _Layout, first: int) -> Iterator[_Tag]:
    """The directory's entries whose content lies in the file, all of them together no larger than it."""
    size = layout.entry.size
    count = min(layout.number(data[first - layout.count_size : first]), _MOST_TAGS)
    room = len(data)
    for at in range(first, min(first + count * size, len(data) - size + 1), size):
        number, kind, count, value = layout.entry.unpack_from(data, at)
        nbytes = _SIZES.get(kind, 0) * count
        content = value[:nbytes]
        if layout.offset_size < nbytes <= room:
            place = layout.number(value)
            content = data[place : place + nbytes]
            room -= len(content)
        if nbytes == 0 or len(content) < nbytes:
            continue
        if number in _SINGLE and count > 1:
            count, value = 1, content[: _SIZES[kind]].ljust(layout.offset_size, b"\0")
        yield _Tag(number, kind, count, value, content)


def _check_parts(tags: dict[int, _Tag], first: dict[int, int]) -> None:
    if first.get(_SAMPLES, 1) > _MOST_SAMPLES:
        raise NotAnImage(f"{first[_SAMPLES]} samples a pixel are over the limit of {_MOST_SAMPLES}")
    strips = max(tags[n].values if n in tags else 0 for n in (_STRIPS, _TILES))
    if strips > _MOST_STRIPS:
        raise NotAnImage(f"{strips} strips or tiles are over the limit of {_MOST_STRIPS}")
    width, height = first.get(_TILE_WIDTH, 0), first.get(_TILE_HEIGHT, 0)
    if width * height > max(_LARGE_TILE, first[_WIDTH] * first[_HEIGHT]):
        raise NotAnImage(f"tiles of {width} x {height} pixels are larger than the image")
