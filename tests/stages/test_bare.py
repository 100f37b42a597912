"""Of a photo's file only what its pixels need comes to Pillow; the rest is neither read nor a reason to refuse it."""

import io
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from headrace.bench.bad.files import chunk, exif, jpeg, jpeg_with, orientation, photo, png_with, saved, segment, u16
from headrace.core.preprocess import Preprocess
from headrace.stages.bare import NotAnImage
from headrace.stages.formats import bare
from headrace.stages.orientation import exif_orientation
from headrace.stages.photo import PhotoDecoder

LARGE = 10**12
XMP = b'<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
FORMS = {
    "JPEG": jpeg,
    "progressive JPEG": lambda: saved("JPEG", progressive=True),
    "CMYK JPEG": lambda: saved("JPEG", photo().convert("CMYK")),
    "PNG": lambda: saved("PNG"),
    "palette PNG": lambda: saved("PNG", photo().quantize(9)),
    "GIF": lambda: saved("GIF"),
    "BMP": lambda: saved("BMP"),
    "TIFF": lambda: saved("TIFF"),
    "LZW TIFF": lambda: saved("TIFF", compression="tiff_lzw"),
    "BigTIFF": lambda: saved("TIFF", big_tiff=True),
    "WebP": lambda: saved("WEBP"),
    "lossless WebP": lambda: saved("WEBP", lossless=True),
    "animated WebP": lambda: saved("WEBP", save_all=True, append_images=[photo().rotate(90)]),
}


def bared(data: bytes) -> bytes:
    return b"".join(bare(data, LARGE).pieces)


@pytest.mark.parametrize("form", FORMS)
def test_bare_file_announces_the_size_and_holds_the_pixels(form: str) -> None:
    data = FORMS[form]()
    found = bare(data, LARGE)
    with Image.open(io.BytesIO(data)) as whole, Image.open(io.BytesIO(bared(data))) as rest:
        assert (found.width, found.height) == whole.size
        assert np.array_equal(np.asarray(rest.convert("RGB")), np.asarray(whole.convert("RGB")))


@settings(max_examples=400, deadline=None)
@given(
    form=st.sampled_from(list(FORMS)),
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=12),
    length=st.integers(3, 12_000),
)
def test_any_bytes_are_decoded_or_refused(form: str, changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(FORMS[form]()[:length])
    for at, value in changes:
        data[at % len(data)] = value
    decoder = PhotoDecoder(Preprocess(max_pixels=1_000_000))
    try:
        said = f"decoded to {decoder.decode(bytes(data)).shape}"
    except NotAnImage as refused:
        said = str(refused)
    assert 10 < len(said) < 300


METADATA: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: jpeg_with(
        exif((0x010F, 2, 900, 8)),
        segment(0xE2, b"ICC_PROFILE\0\1\1" + b"secret"),
        segment(0xFE, b"secret"),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0secret"),
    ),
    "PNG": lambda: png_with(
        chunk(b"iCCP", b"secret\0\0"),
        chunk(b"tEXt", b"a\0secret"),
        chunk(b"eXIf", b"secret"),
        chunk(b"fcTL", b"secret"),
    ),
    "GIF": lambda: saved("GIF", comment=b"secret"),
    "TIFF": lambda: saved("TIFF", icc_profile=b"secret"),
}


@pytest.mark.parametrize("form", METADATA)
def test_metadata_stays_behind(form: str) -> None:
    data = METADATA[form]()
    assert b"secret" in data
    with Image.open(io.BytesIO(bared(data))) as rest:
        assert not {"exif", "icc_profile", "comment", "xmp", "a"} & set(rest.info)
        assert np.array_equal(PhotoDecoder().decode(data), np.asarray(rest.convert("RGB")))


def text(key: str, value: str, **options: Any) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text(key, value, **options)
    return saved("PNG", pnginfo=info)


def as_hex(data: bytes) -> str:
    return f"\nexif\n{len(data):8}\n{data.hex()}\n"


def on_its_side(order: str = "<") -> bytes:
    """EXIF that says 6."""
    made = Image.Exif()
    made.endian = order
    made[0x0112] = 6
    return made.tobytes()


TURNED: dict[str, Callable[[], bytes]] = {
    "EXIF in a JPEG": lambda: jpeg_with(orientation(6)),
    "EXIF in a JPEG, little-endian": lambda: saved("JPEG", exif=on_its_side()),
    "EXIF in a JPEG, as 4 bytes": lambda: jpeg_with(exif((0x0112, 4, 1, 6))),
    "EXIF in a JPEG, behind other tags": lambda: jpeg_with(exif((0x0100, 3, 1, 0), (0x0112, 3, 1, 6 << 16))),
    "EXIF in a CMYK JPEG": lambda: saved("JPEG", photo().convert("CMYK"), exif=on_its_side()),
    "XMP in a JPEG": lambda: jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)),
    "EXIF in a PNG": lambda: saved("PNG", exif=on_its_side(">")),
    "EXIF as ImageMagick puts it": lambda: text("Raw profile type exif", as_hex(on_its_side()), zip=True),
    "the same, not compressed": lambda: text("Raw profile type exif", as_hex(on_its_side())),
    "XMP in a PNG": lambda: text("XML:com.adobe.xmp", PngImagePlugin.iTXt(XMP.decode())),
    "XMP in a PNG, compressed": lambda: text("XML:com.adobe.xmp", PngImagePlugin.iTXt(XMP.decode()), zip=True),
    "EXIF in a WebP": lambda: saved("WEBP", exif=on_its_side()),
    "XMP in a WebP": lambda: saved("WEBP", xmp=XMP),
    "a TIFF's own tag": lambda: saved("TIFF", tiffinfo={0x0112: 6}),
    "a compressed TIFF's own tag": lambda: saved("TIFF", tiffinfo={0x0112: 6}, compression="tiff_lzw"),
    "XMP in a TIFF": lambda: saved("TIFF", tiffinfo={700: XMP}),
}


@pytest.mark.parametrize("where", TURNED)
def test_photo_on_its_side_is_turned_wherever_that_is_said(where: str) -> None:
    data = TURNED[where]()
    with Image.open(io.BytesIO(data)) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    assert upright.shape == (64, 48, 3)
    assert np.array_equal(PhotoDecoder().decode(data), upright)


@pytest.mark.parametrize(
    "broken",
    [b"", b"Exif\0\0", b"II*\0", b"MM\0*\0\0\0\x08", b"MM\0*\0\0\0\x08\xff\xff", b"MM\0*\xff\xff\xff\xff", b"XX" * 40],
)
def test_broken_exif_says_nothing(broken: bytes) -> None:
    assert exif_orientation(broken) == 0


def scans(count: int, side: int) -> bytes:
    """A grey progressive JPEG with `count` empty scans behind the first."""
    blocks = (side // 8) ** 2
    frame = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC2, b"\x08" + u16(side, side) + b"\1\1\x11\0")
    codes = b"".join(
        segment(0xC4, kind + b"\1" + bytes(15) + symbol) for kind, symbol in ((b"\0", b"\0"), (b"\x10", b"\xe0"))
    )
    more = segment(0xDA, b"\1\1\0\1\x3f\0") + bytes(-(-(-(-blocks // 16384) * 15) // 8))
    return (
        b"\xff\xd8" + frame + codes + segment(0xDA, b"\1\1\0\0\0\1") + bytes(blocks // 8) + more * count + b"\xff\xd9"
    )


def test_scans_are_limited_by_the_time_they_take() -> None:
    assert PhotoDecoder().decode(scans(20, 2048)).shape == (2048, 2048, 3)
    assert PhotoDecoder().decode(scans(3000, 64)).shape == (64, 64, 3)  # as many of few pixels take none
    with pytest.raises(NotAnImage, match="3001 scans, each over all pixels, are more than a photo has"):
        PhotoDecoder().decode(scans(3000, 2048))


def test_scans_of_a_jpeg_that_is_not_progressive_are_limited_too() -> None:
    first = jpeg().index(b"\xff\xda")
    one_of_three = segment(0xDA, b"\1\1\0\0\x3f\0")
    with pytest.raises(NotAnImage, match="9000 scans"):
        PhotoDecoder().decode(jpeg()[:first] + one_of_three * 9000 + b"\xff\xd9")


def test_file_that_is_all_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("jpeg", "png", "formats"):
        monkeypatch.setattr(f"headrace.stages.{module}.MOST_PIECES", 50)
    gif = saved("GIF")
    for data in (
        jpeg_with(segment(0xFE) * 60),
        png_with(chunk(b"tEXt", b"a\0b") * 60),
        gif[:781] + b"!\xfe" + b"\1x" * 60 + b"\0" + gif[781:],
        saved("WEBP") + b"junk\0\0\0\0" * 60,
    ):
        with pytest.raises(NotAnImage, match="the header has more than"):
            PhotoDecoder().decode(data)


def test_text_is_inflated_only_where_it_may_say_how_the_photo_lies_and_to_a_limit() -> None:
    bomb = zlib.compress(XMP + bytes(1 << 26), 9)
    data = png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb), chunk(b"zTXt", b"Comment\0\0" + bomb))
    assert PhotoDecoder().decode(data).shape == (64, 48, 3)
