"""Photos to pixels: any format upright as RGB, and the model's window straight into its slot."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headrace.core.batch import Cell
from headrace.core.contracts import Pixels
from headrace.core.optional import load
from headrace.core.preprocess import Preprocess

if TYPE_CHECKING:
    from PIL import Image

_APP1, _START_OF_SCAN, _FILL = 0xE1, 0xDA, 0xFF  # JPEG markers (ITU T.81, table B.1)
_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4: the tag, and which of its values swap the sides, mirror left-right, up-down
_SIDEWAYS, _FLIPPED_X, _FLIPPED_Y = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)


class NotAnImage(ValueError):
    """The row's image cannot be decoded."""


class _Decoded(NamedTuple):
    """A photo, upright, `divisor` times smaller than its file says; `height` and `width` are the whole photo's.

    origin: where its left and top edge lie in `image`, in pixels.
    """

    image: Image.Image
    height: int
    width: int
    divisor: int
    origin: tuple[float, float]

    @classmethod
    def whole(cls, image: Image.Image) -> _Decoded:
        return cls(image, image.height, image.width, 1, (0.0, 0.0))

    def box(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box of the whole photo, in pixels of `image`."""
        left, top, right, bottom = (side / self.divisor for side in box)
        x, y = self.origin
        return (left + x, top + y, min(right + x, self.image.width), min(bottom + y, self.image.height))


@dataclass(frozen=True)
class PhotoDecoder:
    """Decodes and resizes as Pillow would: decode, exif_transpose, convert("RGB"), antialiased resize, centre crop.

    At full decode photos are never more than 1 level away from that (2 at bicubic), noise 2 (at bicubic 23: Pillow 13
    takes the order of its two passes from the sizes, and cuts the overshoot between them). Scaled decode
    (Preprocess.scaled_decode) is for large JPEGs only.
    JPEGs take libjpeg-turbo's fast path; whatever that refuses is Pillow's to judge.
    """

    preprocess: Preprocess = field(default_factory=Preprocess)

    def __post_init__(self) -> None:
        load("simplejpeg", extra="images", needed_for="decoding photos")

    def decode(self, cell: Cell) -> Pixels:
        """The whole image, uint8 [H, W, 3], RGB, upright; owned by the caller."""
        if isinstance(cell, np.ndarray):
            return _checked(cell).copy()
        return np.array(self._decoded(cell, divisor_allowed=False).image)

    def decode_into(self, cell: Cell, slot: Pixels) -> None:
        """Writes the model's window into `slot`, uint8 [H, W, 3], channels as Preprocess.color asks."""
        from PIL import Image

        spec = self.preprocess
        if isinstance(cell, np.ndarray):
            decoded = _Decoded.whole(Image.fromarray(_checked(cell)))
        else:
            decoded = self._decoded(cell, divisor_allowed=True)
        image = decoded.image
        geometry = spec.geometry(decoded.height, decoded.width)
        box = decoded.box(geometry.box)
        method = Image.Resampling.BILINEAR if spec.interpolation == "bilinear" else Image.Resampling.BICUBIC
        height, width = geometry.out
        if image.size != (width, height) or box != (0.0, 0.0, float(width), float(height)):
            image = image.resize((width, height), method, box=box)
        pixels = np.asarray(image)
        slot[:] = pixels if spec.color == "RGB" else pixels[:, :, ::-1]

    def _decoded(self, cell: bytes | Exception, *, divisor_allowed: bool) -> _Decoded:
        if isinstance(cell, Exception):
            raise cell
        if not isinstance(cell, bytes | bytearray | memoryview):
            raise NotAnImage(f"an image must be bytes or uint8 [H, W, 3], got {type(cell).__name__}")
        if len(cell) == 0:
            raise NotAnImage("the file is empty")
        if cell[:2] == b"\xff\xd8":
            fast = self._turbo(bytes(cell), divisor_allowed=divisor_allowed)
            if fast is not None:
                return fast
        return self._pillow(bytes(cell))

    def _turbo(self, data: bytes, *, divisor_allowed: bool) -> _Decoded | None:
        """The JPEG by libjpeg-turbo; None when Pillow should have it."""
        import simplejpeg
        from PIL import Image

        try:
            height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
            self._check_size(height, width)
            if colorspace not in ("YCbCr", "RGB", "GRAY", "Gray"):
                return None
            divisor = self.preprocess.decode_divisor(height, width) if divisor_allowed else 1
            smallest = {} if divisor == 1 else {"min_height": -(-height // divisor), "min_width": -(-width // divisor)}
            pixels = simplejpeg.decode_jpeg(data, "RGB", **smallest)
        except TooManyPixels:
            raise
        except ValueError:
            return None
        image, orientation = Image.fromarray(pixels), _orientation(data)
        if orientation in _SIDEWAYS:
            height, width = width, height
        upright = _turned(image, orientation)
        # A scaled side is rounded up: of a photo that was turned the part pixel comes first.
        left = upright.width - width / divisor if orientation in _FLIPPED_X else 0.0
        top = upright.height - height / divisor if orientation in _FLIPPED_Y else 0.0
        return _Decoded(upright, height, width, divisor, (left, top))

    def _pillow(self, data: bytes) -> _Decoded:
        from PIL import ImageOps

        with _opened(data) as image:
            self._check_size(image.height, image.width)
            upright = ImageOps.exif_transpose(image)
            upright.info.pop("transparency", None)  # RGB has none, and Pillow warns of every palette with one
            return _Decoded.whole(upright.convert("RGB"))

    def _check_size(self, height: int, width: int) -> None:
        limit = self.preprocess.max_pixels
        if height * width > limit:
            raise TooManyPixels(f"{width} x {height} pixels are over the limit of {limit} (max_pixels)")


class TooManyPixels(NotAnImage):
    """The header announces more pixels than allowed; nothing was allocated."""


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """The image as Pillow opens it; what Pillow raises meanwhile as NotAnImage, where its own text says too little."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            yield image
    except UnidentifiedImageError as error:
        raise NotAnImage(f"no known image format ({len(data)} bytes, starting {data[:8]!r})") from error
    except Image.DecompressionBombError as error:
        raise TooManyPixels(str(error)) from error
    except SyntaxError as error:  # Pillow's for broken PNG chunks
        raise NotAnImage(f"the image is broken ({error})") from error


def _checked(cell: Any) -> Pixels:
    if cell.dtype != np.uint8 or cell.ndim not in (2, 3) or (cell.ndim == 3 and cell.shape[2] not in (1, 3)):
        raise NotAnImage(f"an image array must be uint8 [H, W, 3], got {cell.dtype} {list(cell.shape)}")
    if 0 in cell.shape:
        raise NotAnImage(f"an image array of shape {list(cell.shape)} has no pixels")
    if cell.ndim == 2 or cell.shape[2] == 1:
        return np.repeat(cell.reshape(*cell.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(cell)


def _may_be_turned(data: bytes) -> bool:
    """Whether a JPEG has EXIF or XMP that may say how it lies: 2 us, where a search of its bytes takes 35 (75 KB)."""
    position = 2
    while data[position : position + 1] == b"\xff":
        marker = data[position + 1] if position + 1 < len(data) else _START_OF_SCAN
        if marker == _START_OF_SCAN:
            break
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position + 4 : position + 2 + length] if marker == _APP1 else b""
        if segment.startswith(b"Exif\x00\x00") or b"tiff:Orientation" in segment:
            return True
        position += 1 if marker == _FILL else 2 + length
    return False


def _orientation(data: bytes) -> int:
    """How a JPEG lies, as Pillow reads it from EXIF or XMP; 1 is upright, which one with broken EXIF is taken for."""
    if not _may_be_turned(data):
        return 1
    with _opened(data) as header:
        try:
            found: int = header.getexif().get(_ORIENTATION, 1)
        except SyntaxError:
            return 1
    return found


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """`image` upright."""
    from PIL import ImageOps

    if orientation == 1:
        return image
    image.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)
