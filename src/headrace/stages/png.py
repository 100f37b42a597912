"""PNG files (W3C PNG, third edition), bare: header, palette and pixels."""

from __future__ import annotations

import re
import zlib

from headrace.stages.bare import MOST_PIECES, Bare, NotAnImage, big, too_many_pieces
from headrace.stages.orientation import orientation

_NAME = re.compile(rb"[A-Za-z]{4}")
_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_OF_PALETTE = b"\3"  # the header's kind of colour
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_EXIF_KEY, _XMP_KEY = b"Raw profile type exif", b"XML:com.adobe.xmp"  # ImageMagick's, and Adobe's
_MOST_TEXT = 1 << 20  # bytes of it once inflated: EXIF is below 64 KB


def bare_png(data: bytes) -> Bare:
    """What a PNG's header says. Of an animated one the still picture is kept. Raises NotAnImage."""
    view = memoryview(data)
    kept: list[bytes | memoryview] = [view[:8]]
    found = {_EXIF_KEY: b"", _XMP_KEY: b"", b"eXIf": b""}
    position, header, has_palette = 8, 0, False
    for _ in range(MOST_PIECES):
        name = data[position + 4 : position + 8]
        if not _NAME.fullmatch(name):
            kept.append(view[position:])  # what it is, is Pillow's to say
            break
        end = position + 12 + big(data, position, 4)
        has_palette = has_palette or name == b"PLTE"
        header = header or (position if name == b"IHDR" else 0)
        if name in _PIXELS:
            kept.append(view[position:end])
        elif name == b"eXIf":
            found[name] = data[position + 8 : end - 4]
        elif name in _TEXT:
            keyword, _, rest = data[position + 8 : min(end - 4, position + 8 + _MOST_TEXT)].partition(b"\0")
            if keyword in found:
                found[keyword] = _text(name, rest)
        position = end
        if name == b"IEND":
            break
    else:
        raise too_many_pieces()
    if not header:
        raise NotAnImage("the PNG's header is missing")
    if data[header + 17 : header + 18] == _OF_PALETTE and not has_palette:
        raise NotAnImage("the PNG's palette is missing")
    exif = found[b"eXIf"] or _from_hex(found[_EXIF_KEY])
    return Bare("Png", big(data, header + 12, 4), big(data, header + 8, 4), kept, orientation(exif, found[_XMP_KEY]))


def _text(name: bytes, body: bytes) -> bytes:
    """The text of a chunk, behind its keyword."""
    if name == b"zTXt":
        return _inflated(body[1:])
    if name == b"iTXt":
        text = body[2:].split(b"\0", 2)[-1]
        return _inflated(text) if body[:1] == b"\1" else text
    return body


def _inflated(data: bytes) -> bytes:
    """At most _MOST_TEXT bytes; none of what is broken."""
    try:
        return zlib.decompressobj().decompress(data, _MOST_TEXT)
    except zlib.error:
        return b""


def _from_hex(profile: bytes) -> bytes:
    """ImageMagick's form of EXIF: its name, its length and hexadecimal digits, on lines."""
    try:
        return bytes.fromhex(b"".join(profile.split(b"\n")[3:]).decode())
    except ValueError:
        return b""
