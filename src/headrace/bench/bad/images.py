"""Kinds of bad GIFs, BMPs and WebP files, and of files that are no photos."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile

from headrace.bench.bad.files import (
    OK,
    REJECT,
    Kind,
    bmp,
    gif,
    gif_frame,
    jpeg,
    noise,
    patched,
    photo,
    riff,
    saved,
    webp_chunk,
)


def _rows_of(width: int, height: int) -> bytes:
    return b"\x33" * ((width + 3) // 4 * 4 * height)


def _animated(form: str, frames: int) -> bytes:
    small = photo().resize((8, 8))
    others = [small.point(lambda v, i=i: (v + i) % 256) for i in range(1, frames)]
    return saved(form, small, save_all=True, append_images=others)


GIFS = (
    Kind("cut.gif", "ends in the middle of the pixels", REJECT, lambda: saved("GIF")[:900]),
    Kind("screen-only.gif", "no frames", REJECT, lambda: gif((8, 8))),
    Kind(
        "noise.gif",
        "pixels that are noise",
        REJECT,
        lambda: gif((64, 48), gif_frame(64, 48, code_size=8, data=noise(250))),
    ),
    Kind("code-size.gif", "a code size of 200 bits", REJECT, lambda: gif((8, 8), gif_frame(8, 8, code_size=200))),
    Kind(
        "huge-screen.gif", "a screen of 65,535 x 65,535 pixels", REJECT, lambda: gif((65_535, 65_535), gif_frame(1, 1))
    ),
    Kind(
        "huge-frame.gif",
        "a frame of 65,535 x 65,535 pixels on a small screen",
        REJECT,
        lambda: gif((8, 8), gif_frame(65_535, 65_535)),
    ),
    Kind(
        "disposal-bomb.gif",
        "a huge frame that is to be wiped afterwards",
        REJECT,
        lambda: gif((8, 8), b"!\xf9\4\x08\0\0\0\0", gif_frame(65_535, 60_000)),
    ),
    Kind(
        "frame-outside.gif",
        "a frame beyond the largest screen",
        REJECT,
        lambda: gif((8, 8), gif_frame(9, 9, left=65_535)),
    ),
    Kind(
        "frame-beyond-screen.gif",
        "a frame larger than its screen",
        OK,
        lambda: patched(saved("GIF"), 6, struct.pack("<HH", 3, 3)),
    ),
    Kind(
        "many-frames.gif",
        "2,000 frames: the first is the photo",
        OK,
        lambda: saved("GIF")[:-1] + gif_frame(1, 1) * 2000 + b";",
    ),
    Kind(
        "endless-comment.gif",
        "half a megabyte of comment",
        OK,
        lambda: (
            patched(saved("GIF"), 0, saved("GIF")[:13])[: 13 + 768]
            + b"!\xfe"
            + (b"\xff" + b"x" * 255) * 2000
            + b"\0"
            + saved("GIF")[13 + 768 :]
        ),
    ),
)

BMPS = (
    Kind("cut.bmp", "ends in the middle of the pixels", REJECT, lambda: saved("BMP")[:3000]),
    Kind("upside-down.bmp", "a negative height: rows from the top", OK, lambda: bmp(8, -8, _rows_of(8, 8))),
    Kind("huge-height.bmp", "a height of 2,147,483,647", REJECT, lambda: bmp(8, 2**31 - 1, _rows_of(8, 8))),
    Kind("most-negative-height.bmp", "a height of -2,147,483,648", REJECT, lambda: bmp(8, -(2**31), _rows_of(8, 8))),
    Kind("zero-width.bmp", "a width of 0", REJECT, lambda: bmp(0, 8, b"")),
    Kind("negative-width.bmp", "a width of -8", REJECT, lambda: bmp(-8, 8, _rows_of(8, 8))),
    Kind("bad-header.bmp", "a header 77 bytes long", REJECT, lambda: bmp(8, 8, _rows_of(8, 8), header=77)),
    Kind("bad-bits.bmp", "7 bits a pixel", REJECT, lambda: bmp(8, 8, _rows_of(8, 8), bits=7)),
    Kind(
        "bad-compression.bmp",
        "a compression that does not exist",
        REJECT,
        lambda: bmp(8, 8, _rows_of(8, 8), compression=99),
    ),
    Kind("runs-overflow.bmp", "runs longer than the rows", REJECT, lambda: bmp(8, 8, b"\xff\1" * 400, compression=1)),
    Kind(
        "run-jump-bomb.bmp",
        "jumps over 45 gigapixels",
        REJECT,
        lambda: bmp(170_000_000, 1, b"\0\2\xff\xff" * 99, compression=1),
    ),
    Kind(
        "short-rows-bomb.bmp",
        "13,000 rows of 1 pixel out of 13,000",
        REJECT,
        lambda: bmp(13_000, 13_000, b"\1\1\0\0" * 13_000, compression=1),
    ),
)

WEBPS = (
    Kind("cut.webp", "ends in the middle of the pixels", REJECT, lambda: saved("WEBP")[:300]),
    Kind("header-only.webp", "no chunks", REJECT, lambda: riff()),
    Kind("noise.webp", "pixels that are noise", REJECT, lambda: patched(saved("WEBP"), 30, noise(200))),
    Kind(
        "length-too-long.webp",
        "says it is longer than it is",
        REJECT,
        lambda: patched(saved("WEBP"), 4, struct.pack("<L", 99_999)),
    ),
    Kind(
        "length-too-short.webp",
        "says it ends in the middle of the pixels",
        REJECT,
        lambda: patched(saved("WEBP"), 4, struct.pack("<L", 200)),
    ),
    Kind(
        "huge-canvas.webp",
        "a canvas of 16,777,216 x 16,777,216 pixels",
        REJECT,
        lambda: riff(webp_chunk(b"VP8X", bytes(4) + b"\xff" * 6)),
    ),
    Kind(
        "canvas-lie.webp",
        "a canvas of 13,000 x 13,000 pixels around 64 x 48",
        REJECT,
        lambda: riff(webp_chunk(b"VP8X", bytes(4) + struct.pack("<L", 12_999)[:3] * 2), saved("WEBP")[12:]),
    ),
    Kind(
        "lossless-noise.webp",
        "lossless pixels that are noise",
        REJECT,
        lambda: riff(webp_chunk(b"VP8L", b"/" + b"\x3f\0\0\0" + noise(600))),
    ),
    Kind("animated.webp", "100 frames: the first is the photo", OK, lambda: _animated("WEBP", 100)),
    Kind("exif-noise.webp", "EXIF that is noise", OK, lambda: saved("WEBP", exif=noise(600))),
    Kind(
        "chunk-too-long.webp",
        "a chunk longer than the file",
        REJECT,
        lambda: riff(b"VP8 " + struct.pack("<L", 2**31) + saved("WEBP")[20:]),
    ),
)


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.jpg", jpeg())
    return file.getvalue()


_PAGE = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>nginx</body></html>"
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 76283\n"
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>'
_PDF = b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
_POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run showpage\n%%EOF\n"

FOREIGN = (
    Kind("page.jpg", "an error page that was saved as the photo", REJECT, lambda: _PAGE),
    Kind("pointer.jpg", "a Git LFS pointer", REJECT, lambda: _POINTER),
    Kind("drawing.png", "an SVG drawing", REJECT, lambda: _SVG),
    Kind("document.jpg", "a PDF", REJECT, lambda: _PDF),
    Kind("program.jpg", "PostScript, which an image library may run", REJECT, lambda: _POSTSCRIPT),
    Kind("archive.jpg", "a ZIP archive of photos", REJECT, _archive),
    Kind("gzip.jpg", "a JPEG that was compressed once more", REJECT, lambda: gzip.compress(jpeg(), mtime=0)),
    Kind("video.jpg", "an MP4", REJECT, lambda: b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(99)),
    Kind("heic.jpg", "a HEIC photo", REJECT, lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)),
    Kind("table.jpg", "a Parquet file", REJECT, lambda: b"PAR1" + bytes(99) + b"PAR1"),
    Kind("layers.jpg", "a Photoshop document", REJECT, lambda: b"8BPS\0\1" + bytes(99)),
    Kind("base64.jpg", "a photo as text", REJECT, lambda: b"data:image/jpeg;base64,/9j/4AAQSkZJRg=="),
    Kind("text-mode.png", "a PNG that passed through text mode", REJECT, lambda: saved("PNG").replace(b"\n", b"\r\n")),
)
