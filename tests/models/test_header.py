"""A model's header says how it wants its photos, or why it cannot take any."""

import hashlib
import json
from pathlib import Path

import pytest

from headrace.core.errors import BadModel, BadOption
from headrace.core.preprocess import Preprocess
from headrace.models.header import Header, digest_files


def header(*shape: int | None, **metadata: str) -> Header:
    return Header("m.onnx", "image", shape, {f"headrace.{k}": v for k, v in metadata.items()})


@pytest.mark.parametrize(
    ("shape", "layout", "size"),
    [
        ((1, 3, 224, 200), "NCHW", (224, 200)),
        ((None, 3, None, None), "NCHW", None),
        ((None, 224, 200, 3), "NHWC", (224, 200)),
        ((None, None, None, 3), "NHWC", None),
        ((1, 3, 224, None), "NCHW", None),
    ],
)
def test_layout_and_size_are_read_off_the_shape(
    shape: tuple[int | None, ...], layout: str, size: tuple[int, int] | None
) -> None:
    assert (header(*shape).layout, header(*shape).size) == (layout, size)


def test_input_of_another_rank_is_refused() -> None:
    with pytest.raises(BadModel, match=r"m.onnx: input 'image' has rank 2, photos need rank 4; .* file.py:Name"):
        header(None, 10).preprocess(None)


def test_input_without_three_channels_is_refused_with_its_shape() -> None:
    with pytest.raises(BadModel, match=r"input 'image' is \['\?', 1, 28, 28\], with 3 channels nowhere"):
        header(None, 1, 28, 28).preprocess(None)


def test_preprocessing_that_is_given_comes_first() -> None:
    given = Preprocess(resize_short=300, crop=224)
    chosen, source = header(1, 3, 224, 224, preprocess="resize_short = 232\n").preprocess(given)
    assert (chosen, source) == (given, "given")


def test_metadata_comes_next_and_the_layout_is_the_models() -> None:
    chosen, source = header(None, 224, 224, 3, preprocess="resize_short = 232\n").preprocess(None)
    assert (chosen, source) == (Preprocess(resize_short=232, layout="NHWC"), "the model's metadata")


@pytest.mark.parametrize(
    ("shape", "resize_short", "size"),
    [((1, 3, 224, 224), 256, (224, 224)), ((1, 3, None, None), 256, (224, 224)), ((1, 3, 112, 168), 192, (112, 168))],
)
def test_imagenets_is_scaled_to_the_input(
    shape: tuple[int | None, ...], resize_short: int, size: tuple[int, int]
) -> None:
    chosen, source = header(*shape).preprocess(None)
    assert (chosen.resize_short, chosen.size) == (resize_short, size)
    assert source.startswith("ImageNet's")


def test_size_that_does_not_fit_is_refused_with_the_fix() -> None:
    with pytest.raises(BadModel) as caught:
        header(1, 3, 192, 160).preprocess(Preprocess())
    assert str(caught.value) == (
        "m.onnx: takes (192, 160) pixels, its preprocessing gives (224, 224); set crop = [192, 160]"
    )


def test_broken_metadata_is_refused_with_its_place() -> None:
    with pytest.raises(BadOption, match=r"m.onnx must be valid TOML"):
        header(1, 3, 224, 224, preprocess="resize_short =").preprocess(None)


def test_labels_and_task_come_from_the_metadata() -> None:
    told = header(1, 3, 224, 224, labels=json.dumps(["cat", "dog"]), task="embed")
    assert (told.labels, told.task) == (("cat", "dog"), "embed")
    assert (header(1, 3, 1, 1).labels, header(1, 3, 1, 1).task) == (None, None)


@pytest.mark.parametrize("text", ["42", '"cat"', '{"cat": 1}', "[" * 100_000, "no JSON"])
def test_labels_that_are_no_list_are_refused(text: str) -> None:
    with pytest.raises(BadModel, match=r"m.onnx: its headrace.labels is no JSON list"):
        _ = header(1, 3, 1, 1, labels=text).labels


@pytest.mark.parametrize(
    "told",
    [
        header(1, 3, 2**60, 2**60),
        header(1, 0, 0, 3),
        header(1, None, None, 3, preprocess="stretch = true\ncrop = 20_000"),
    ],
)
def test_size_that_no_photo_has_is_refused(told: Header) -> None:
    with pytest.raises(BadModel, match=r"m.onnx: asks for photos of .* pixels; take a model for photos of 1 to 16384"):
        told.preprocess(None)


def test_digest_is_of_the_files_bytes_in_order(tmp_path: Path) -> None:
    graph, weights = tmp_path / "graph", tmp_path / "weights"
    graph.write_bytes(b"graph")
    weights.write_bytes(b"weights")
    assert digest_files([graph]) == hashlib.sha256(hashlib.sha256(b"graph").digest()).hexdigest()
    assert len({digest_files(files) for files in ([graph], [graph, weights], [weights, graph])}) == 3
