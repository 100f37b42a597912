"""Kinds of JPEGs whose pixels are well and whose metadata is not; all of them are delivered."""

from __future__ import annotations

from headrace.bench.bad.files import (
    OK,
    Kind,
    exif,
    jpeg_with,
    noise,
    orientation,
    photo,
    saved,
    segment,
    sized_jpeg,
    u16,
    u32,
)

_EXIF_IFD, _GPS_IFD, _SUB_IFDS, _RESOLUTION, _MAKER = 0x8769, 0x8825, 0x014A, 0x011A, 0x010F
_LONG, _RATIONAL, _TEXT = 4, 5, 2
_FAR = 2**31  # an offset outside any of these files


def _icc(pieces: int, body: bytes) -> bytes:
    return b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([i + 1, pieces]) + body) for i in range(pieces))


def _xmp(text: str) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text.encode())


def _entities() -> str:
    """XML that a parser would swell to a billion words."""
    steps = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    return f'<!DOCTYPE x [<!ENTITY l0 "lol">{steps}]><x>&l9;</x>'


def _thumbnail_bomb() -> bytes:
    """A second EXIF directory, with a thumbnail of 65,500 x 65,500 pixels."""
    thumbnail = sized_jpeg(65_500, 65_500)
    body = b"MM\0*" + u32(8) + u16(0) + u32(14) + u16(2)
    body += u16(0x0201, _LONG) + u32(1, 44) + u16(0x0202, _LONG) + u32(1, len(thumbnail)) + u32(0)
    return jpeg_with(segment(0xE1, b"Exif\0\0" + body + thumbnail))


def _looping() -> bytes:
    return exif((_SUB_IFDS, _LONG, 1, 8), (_EXIF_IFD, _LONG, 1, 8), (_GPS_IFD, _LONG, 1, 8), following=8)


def _outside() -> bytes:
    return exif((_MAKER, _TEXT, 4_000_000_000, _FAR), (_RESOLUTION, _RATIONAL, 1, 2**32 - 1))


def _cmyk() -> bytes:
    return saved("JPEG", photo().convert("CMYK"))


METADATA = (
    Kind("exif-huge.jpg", "3 MB of EXIF", OK, lambda: jpeg_with(segment(0xE1, b"Exif\0\0MM\0*" + bytes(65_000)) * 50)),
    Kind("exif-loop.jpg", "EXIF directories that lead to themselves", OK, lambda: jpeg_with(_looping())),
    Kind("exif-noise.jpg", "EXIF that is noise", OK, lambda: jpeg_with(segment(0xE1, b"Exif\0\0" + noise(400)))),
    Kind("exif-outside.jpg", "EXIF that lies outside the file", OK, lambda: jpeg_with(_outside())),
    Kind("exif-outside-cmyk.jpg", "the same in a CMYK photo", OK, lambda: jpeg_with(_outside(), whole=_cmyk())),
    Kind("orientation-0.jpg", "orientation 0: taken as upright", OK, lambda: jpeg_with(orientation(0))),
    Kind("orientation-9.jpg", "orientation 9: taken as upright", OK, lambda: jpeg_with(orientation(9))),
    Kind("orientation-65535.jpg", "orientation 65,535: taken as upright", OK, lambda: jpeg_with(orientation(65_535))),
    Kind("orientation-text.jpg", "an orientation that is text", OK, lambda: jpeg_with(exif((0x0112, _TEXT, 4, _FAR)))),
    Kind("thumbnail-bomb.jpg", "a thumbnail of 65,500 x 65,500 pixels", OK, _thumbnail_bomb),
    Kind("profile-huge.jpg", "a colour profile of 6 MB", OK, lambda: jpeg_with(_icc(100, bytes(65_000)))),
    Kind("profile-noise.jpg", "a colour profile that is noise", OK, lambda: jpeg_with(_icc(3, noise(999)))),
    Kind("xmp-huge.jpg", "3 MB of XMP", OK, lambda: jpeg_with(_xmp("x" * 65_000) * 50)),
    Kind(
        "xmp-entities.jpg", "XMP that a parser would swell to a billion words", OK, lambda: jpeg_with(_xmp(_entities()))
    ),
)
