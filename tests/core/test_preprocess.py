"""Preprocessing is data: it round-trips, follows torchvision's arithmetic, and refuses what makes no sense."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import BadOption
from headrace.core.preprocess import Preprocess

numbers = st.floats(-300, 300, allow_nan=False) | st.integers(-300, 300)
sides = st.integers(1, 600)


@st.composite
def preprocesses(draw: st.DrawFn) -> Preprocess:
    crop = draw(sides | st.tuples(sides, sides))
    least = crop if isinstance(crop, int) else max(crop)
    return Preprocess(
        resize_short=draw(st.none() | st.integers(least, 1000)),
        crop=crop,
        interpolation=draw(st.sampled_from(["bilinear", "bicubic"])),
        scale=draw(st.floats(1e-4, 2)),
        mean=draw(st.tuples(numbers, numbers, numbers)),
        std=draw(st.tuples(*[numbers.filter(bool)] * 3)),
        color=draw(st.sampled_from(["RGB", "BGR"])),
        layout=draw(st.sampled_from(["NCHW", "NHWC"])),
        max_pixels=draw(st.integers(1)),
        scaled_decode=draw(st.booleans()),
    )


@given(preprocesses())
def test_dictionary_and_toml_keep_everything(spec: Preprocess) -> None:
    values = spec.to_dict()
    assert Preprocess.from_dict(values) == spec
    # JSON's values of these kinds are TOML's.
    assert Preprocess.from_toml("\n".join(f"{k} = {json.dumps(v)}" for k, v in values.items())) == spec
    assert hash(Preprocess.from_dict(values)) == hash(spec)


@given(preprocesses(), st.integers(1, 9000), st.integers(1, 9000))
def test_window_is_torchvisions(spec: Preprocess, height: int, width: int) -> None:
    geometry = spec.geometry(height, width)
    assert geometry.out == spec.size
    if spec.resize_short is None:
        assert geometry.box == (0, 0, width, height)
        return
    # torchvision.transforms.functional._compute_resized_output_size and center_crop, 0.28.0
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = spec.resize_short, int(spec.resize_short * long / short)
    new_w, new_h = (new_short, new_long) if width <= height else (new_long, new_short)
    top, left = round((new_h - spec.size[0]) / 2.0), round((new_w - spec.size[1]) / 2.0)
    corners = (left, top, left + spec.size[1], top + spec.size[0])
    scaled = [c * s for c, s in zip(corners, (width / new_w, height / new_h) * 2, strict=True)]
    assert geometry.box == pytest.approx(scaled)
    assert min(geometry.box) >= 0
    assert geometry.box[2] <= width * (1 + 1e-12)
    assert geometry.box[3] <= height * (1 + 1e-12)


@given(preprocesses(), st.integers(1, 9000), st.integers(1, 9000))
def test_scaled_decode_leaves_twice_the_pixels_that_are_needed(spec: Preprocess, height: int, width: int) -> None:
    divisor = spec.decode_divisor(height, width)
    needed = spec.resize_short or max(spec.size)
    assert divisor in ((1, 2, 4) if spec.scaled_decode else (1,))
    assert divisor == 1 or min(height, width) / divisor >= 2 * needed
    assert not spec.scaled_decode or divisor == 4 or min(height, width) < 2 * divisor * 2 * needed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("resize_short", v) for v in (0, -4, 25.5, "256", True)],
        *[("crop", v) for v in (0, 300, "224", 224.0, None, True, (224,), (224, 0), (1, 2, 3), [224, 224])],
        *[("interpolation", v) for v in ("nearest", None)],
        *[("scale", v) for v in (0, -1.0, float("nan"), "1/255")],
        *[("mean", v) for v in (0.5, (0.5, 0.5), ("a", "b", "c"), (0.0, 0.0, float("inf")))],
        *[("std", v) for v in (1, (1, 1), (1, 1, 0), (1, 1, float("nan")))],
        *[("color", v) for v in ("rgb", "GRAY")],
        ("layout", "CHW"),
        *[("max_pixels", v) for v in (0, 1e6, "10")],
        ("scaled_decode", "yes"),
    ],
)
def test_bad_value_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(BadOption) as caught:
        Preprocess(**{name: value})
    assert str(caught.value).startswith(f"{name} must be ")
    assert "got " in str(caught.value)


def test_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadOption, match=r"crop, interpolation, .* got 'resize'"):
        Preprocess.from_dict({"resize": 256})


def test_stretch_is_written_and_read() -> None:
    spec = Preprocess(resize_short=None, crop=(32, 64))
    assert spec.to_dict()["stretch"] is True
    assert Preprocess.from_toml("stretch = true\ncrop = [32, 64]") == spec


def test_file_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "preprocess.toml"
    path.write_text("resize_short = 235\n")
    assert Preprocess.from_file(path) == Preprocess(resize_short=235)
    path.write_text("resize_short = \n")
    with pytest.raises(BadOption, match=r"preprocess.toml must be valid TOML"):
        Preprocess.from_file(path)
    with pytest.raises(BadOption, match=r"--preprocess must be a readable TOML file .*missing.toml"):
        Preprocess.from_file(tmp_path / "missing.toml")
