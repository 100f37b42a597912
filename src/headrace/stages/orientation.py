"""How a photo lies: one number of its EXIF or XMP, read without the rest of them."""

from __future__ import annotations

import re
from typing import Literal

_TAG = 0x0112  # Orientation (EXIF 2.32, 4.6.4)
_SHORT, _LONG = 3, 4
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def orientation(exif: bytes, xmp: bytes = b"") -> int:
    """1 to 8 by EXIF 2.32, or whatever else is said there: EXIF before XMP; 1 where neither says anything."""
    return (exif_orientation(exif) if exif else 0) or xmp_orientation(xmp) or 1


def exif_orientation(exif: bytes) -> int:
    """The orientation in EXIF's first directory; 0 without one, or when it is broken."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return 0
    order: Literal["little", "big"] = "little" if exif[:2] == b"II" else "big"
    first = int.from_bytes(exif[4:8], order) + 2
    count = int.from_bytes(exif[first - 2 : first], order)
    wanted = _TAG.to_bytes(2, order)
    for at in range(first, min(first + 12 * count, len(exif) - 11), 12):  # an entry: tag, type, count, value
        if exif[at : at + 2] == wanted:
            size = {_SHORT: 2, _LONG: 4}.get(int.from_bytes(exif[at + 2 : at + 4], order), 0)
            return int.from_bytes(exif[at + 8 : at + 8 + size], order)
    return 0


def xmp_orientation(xmp: bytes) -> int:
    """The orientation in XMP, which is searched, not parsed; 0 without one."""
    found = _XMP.search(xmp)
    return int(found[1]) if found else 0
