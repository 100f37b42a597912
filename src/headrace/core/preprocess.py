"""How a photo becomes model input, as data: resize, crop, normalisation, layout."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from headrace.core.errors import BadOption
from headrace.core.options import count, one_of

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PIL_MAX_PIXELS = 178_956_970  # where Pillow's decompression-bomb check raises an error


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the model's window lies in a source image: `box` = left, top, right, bottom in source pixels."""

    box: tuple[float, float, float, float]
    out: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """What a model expects of its images; pixels are 0..255 before `scale`, then (x * scale - mean) / std.

    resize_short: length in pixels that the short side is resized to (torchvision's Resize), None to stretch to `crop`.
    crop: the centre square's side, or (height, width).
    interpolation: "bilinear" or "bicubic", antialiased as Pillow does it.
    mean, std: by channel, in the order of `color`.
    color: "RGB" or "BGR"; layout: "NCHW" or "NHWC", of the model's own input.
    max_pixels: larger photos are rejected by their header, before pixels are allocated.
    scaled_decode: JPEGs at least 4 (8) times larger than asked are decoded at half (quarter) scale: up to 4 times
    faster, and within 17 levels; off, because it moved MobileNetV2's probabilities by 0.011 in the mean (16 photos, 2
    to 18 MP).
    """

    resize_short: int | None = 256
    crop: int | tuple[int, int] = 224
    interpolation: str = "bilinear"
    scale: float = 1 / 255
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    color: str = "RGB"
    layout: str = "NCHW"
    max_pixels: int = PIL_MAX_PIXELS
    scaled_decode: bool = False

    def __post_init__(self) -> None:
        if self.resize_short is not None:
            _pixels("resize_short", self.resize_short)
        if not isinstance(self.crop, int) and not (isinstance(self.crop, tuple) and len(self.crop) == 2):
            raise BadOption("crop", "a side or (height, width)", self.crop)
        for side in self.size:
            _pixels("crop", side)
        if self.resize_short is not None and max(self.size) > self.resize_short:
            raise BadOption("crop", f"at most resize_short ({self.resize_short})", self.crop)
        one_of("interpolation", self.interpolation, ("bilinear", "bicubic"))
        one_of("color", self.color, ("RGB", "BGR"))
        one_of("layout", self.layout, ("NCHW", "NHWC"))
        _pixels("max_pixels", self.max_pixels)
        if not isinstance(self.scaled_decode, bool):
            raise BadOption("scaled_decode", "true or false", self.scaled_decode)
        if not _is_number(self.scale) or self.scale <= 0:
            raise BadOption("scale", "a number > 0", self.scale)
        for name in ("mean", "std"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or len(values) != 3 or not all(_is_number(v) for v in values):
                raise BadOption(name, "three numbers", values)
        if 0 in self.std:
            raise BadOption("std", "three numbers other than 0", self.std)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the model's input in pixels."""
        return (self.crop, self.crop) if isinstance(self.crop, int) else self.crop

    def geometry(self, height: int, width: int) -> Geometry:
        """The window of a `height` x `width` image, by torchvision's Resize(int) + CenterCrop arithmetic.

        The long side becomes int(short * long / short_side); crop offsets are round((side - crop) / 2).
        """
        out_h, out_w = self.size
        if self.resize_short is None:
            return Geometry((0.0, 0.0, float(width), float(height)), (out_h, out_w))
        if width <= height:
            new_w, new_h = self.resize_short, int(self.resize_short * height / width)
        else:
            new_w, new_h = int(self.resize_short * width / height), self.resize_short
        left, top = round((new_w - out_w) / 2.0), round((new_h - out_h) / 2.0)
        x, y = width / new_w, height / new_h
        return Geometry((left * x, top * y, (left + out_w) * x, (top + out_h) * y), (out_h, out_w))

    def decode_divisor(self, height: int, width: int) -> int:
        """1, 2 or 4: how much smaller a JPEG may be decoded with at least twice the pixels that are asked left."""
        if not self.scaled_decode:
            return 1
        needed = 2 * (self.resize_short or max(self.size))
        return next((d for d in (4, 2) if min(height, width) // d >= needed), 1)

    def to_dict(self) -> dict[str, Any]:
        """The fields as TOML-able values; what is None is left out."""
        listed = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {k: v for k, v in listed.items() if v is not None} | (
            {"stretch": True} if self.resize_short is None else {}
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """Reads `to_dict`'s form; unknown keys raise BadOption."""
        values = dict(values)
        if values.pop("stretch", False):
            values["resize_short"] = None
        known = {f.name for f in fields(cls)}
        for key in values:
            if key not in known:
                raise BadOption("preprocess", "made of the keys " + ", ".join(sorted([*known, "stretch"])), key)
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)

    @classmethod
    def from_toml(cls, text: str, *, where: str = "preprocess") -> Preprocess:
        """Reads TOML text. Raises BadOption, naming `where` it came from."""
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadOption(where, f"valid TOML ({error})", text[:40]) from error
        return cls.from_dict(values)

    @classmethod
    def from_file(cls, path: str | Path) -> Preprocess:
        """Reads a TOML file. Raises BadOption."""
        try:
            text = Path(path).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BadOption("--preprocess", f"a readable TOML file ({error})", str(path)) from error
        return cls.from_toml(text, where=str(path))


def _pixels(option: str, value: object) -> None:
    """Checks an integer >= 1; its text, which options take, would stay text here."""
    if isinstance(value, str):
        raise BadOption(option, "an integer >= 1", value)
    count(option, value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
