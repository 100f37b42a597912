"""Photos to pixels: any format upright as RGB, and the model's window straight into its slot."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headrace.core.batch import Cell
from headrace.core.contracts import Pixels
from headrace.core.optional import load
from headrace.core.preprocess import Preprocess
from headrace.stages.bare import Bare, NotAnImage, TooManyPixels, check_size
from headrace.stages.formats import bare

if TYPE_CHECKING:
    from PIL import Image

# EXIF 2.32, 4.6.4: which orientations swap the sides, mirror left-right, up-down
_SIDEWAYS, _FLIPPED_X, _FLIPPED_Y = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)
_LONGEST = 150  # characters of an error of Pillow's


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
    JPEGs take libjpeg-turbo's fast path; whatever that refuses is Pillow's to judge, which sees no more than pixels.
    Decoding takes up to 16 bytes a pixel. `max_pixels` holds for every format, but WebP, which Pillow allows no more
    than 178,956,970.
    """

    preprocess: Preprocess = field(default_factory=Preprocess)

    def __post_init__(self) -> None:
        load("simplejpeg", extra="images", needed_for="decoding photos")

    def pixel_bytes(self, cell: Cell) -> int:
        """Bytes of the whole image's pixels, by its header (3 us for a JPEG); 0 where that is refused."""
        import simplejpeg

        if not isinstance(cell, bytes):
            return 0
        try:
            if cell[:2] == b"\xff\xd8":
                height, width, *_ = simplejpeg.decode_jpeg_header(cell)
                check_size(height, width, self.preprocess.max_pixels)
            else:
                _, height, width, *_ = bare(cell, self.preprocess.max_pixels)
        except ValueError:  # decoding will say what is wrong with it
            return 0
        return int(height * width * 3)

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
        data = bytes(cell)
        found = bare(data, self.preprocess.max_pixels)
        fast = self._turbo(data, found.orientation, divisor_allowed=divisor_allowed) if found.form == "Jpeg" else None
        return fast or _Decoded.whole(_pillows(found))

    def _turbo(self, data: bytes, orientation: int, *, divisor_allowed: bool) -> _Decoded | None:
        """The JPEG by libjpeg-turbo; None when Pillow should have it."""
        import simplejpeg
        from PIL import Image

        try:
            height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
            check_size(height, width, self.preprocess.max_pixels)
            if colorspace not in ("YCbCr", "RGB", "GRAY", "Gray"):
                return None
            divisor = self.preprocess.decode_divisor(height, width) if divisor_allowed else 1
            smallest = {} if divisor == 1 else {"min_height": -(-height // divisor), "min_width": -(-width // divisor)}
            pixels = simplejpeg.decode_jpeg(data, "RGB", **smallest)
        except TooManyPixels:
            raise
        except ValueError:
            return None
        upright = _turned(Image.fromarray(pixels), orientation)
        if orientation in _SIDEWAYS:
            height, width = width, height
        # A scaled side is rounded up: of a photo that was turned the part pixel comes first.
        left = upright.width - width / divisor if orientation in _FLIPPED_X else 0.0
        top = upright.height - height / divisor if orientation in _FLIPPED_Y else 0.0
        return _Decoded(upright, height, width, divisor, (left, top))


def _pillows(found: Bare) -> Image.Image:
    """The image as Pillow decodes it, upright, RGB."""
    from PIL import Image

    with _opened(found) as image:
        if image.size != (found.width, found.height):  # it was found.width that was checked
            sizes = f"{found.width} x {found.height} and {image.width} x {image.height}"
            raise NotAnImage(f"the header announces two sizes, {sizes} pixels")
        if found.form == "Tiff":  # else Pillow holds it against a limit of its own
            image.im = Image.new(image.mode, image.size, None).im
        image.load()
        image.info.pop("transparency", None)  # RGB has none, and Pillow warns of every palette with one
        return _turned(image, found.orientation).convert("RGB")


@contextlib.contextmanager
def _opened(found: Bare) -> Iterator[Image.Image]:
    """The image as Pillow's plugin opens it: Image.open would try others, and warn of sizes below `max_pixels`.

    What is raised meanwhile becomes NotAnImage.
    """
    from PIL import Image

    try:
        plugin = getattr(import_module(f"PIL.{found.form}ImagePlugin"), f"{found.form}ImageFile")
        with plugin(io.BytesIO(b"".join(found.pieces))) as image:
            yield image
    except (NotAnImage, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixels(str(error)) from error
    except Exception as error:  # Pillow may raise anything over a broken file
        raise NotAnImage(f"the image is broken ({_said(error)})") from error


def _said(error: Exception) -> str:
    """What Pillow's error says, shortly, where that is not about its own code."""
    cause, text = error.__cause__ or error, str(error)
    if isinstance(cause, struct.error | IndexError):
        return "it is truncated"
    if isinstance(cause, TypeError):
        return "a value is of the wrong type"
    if isinstance(cause, KeyError) and text == str(cause):
        text = f"unknown value {text}"
    return (text or repr(error))[:_LONGEST]


def _checked(cell: Any) -> Pixels:
    if cell.dtype != np.uint8 or cell.ndim not in (2, 3) or (cell.ndim == 3 and cell.shape[2] not in (1, 3)):
        raise NotAnImage(f"an image array must be uint8 [H, W, 3], got {cell.dtype} {list(cell.shape)}")
    if 0 in cell.shape:
        raise NotAnImage(f"an image array of shape {list(cell.shape)} has no pixels")
    if cell.ndim == 2 or cell.shape[2] == 1:
        return np.repeat(cell.reshape(*cell.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(cell)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """`image` upright."""
    if not 2 <= orientation <= 8:
        return image
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation])
