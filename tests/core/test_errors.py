"""Errors reach another process with their text and attributes."""

import pickle
from collections.abc import Iterator

import pytest

from headrace.core import errors
from headrace.core.errors import HeadraceError

ARGUMENTS: dict[str, tuple[object, ...]] = {
    "HeadraceError": ("text",),
    "UsageError": ("text",),
    "BadOption": ("--top-k", "an integer >= 1", "-4"),
    "_Located": ("photos/", "does not exist", "check the path"),
    "BadInput": ("photos/", "does not exist", "check the path"),
    "BadModel": ("model.onnx", "does not exist", "check the path"),
    "BadCluster": ("ray://head:10001", "does not answer", "start it, or name another address"),
    "BadOutput": ("out/", "is a file", "name a folder"),
    "JobChanged": ("out/", ("model", "input")),
    "MissingExtra": ("openvino", "openvino", "running a.onnx"),
    "RunError": ("text",),
    "StageFailed": ("infer", 3, 64, 8, "a.jpg", "ValueError: no"),
    "KeepsCrashing": ("infer", 24),
    "StageNotBuilt": ("Model", "ValueError: no"),
    "TooManyRejects": (7, 20, 0.1, "decode: a.jpg: empty"),
    "RejectedRow": ("decode", "a.jpg", "the file is empty"),
    "ReadFailed": ("s3://photos/a.jpg", "SLOW_DOWN, each time it was tried", "wait until it answers"),
    "WriteFailed": ("out/part-00000000.parquet", "No space left on device", "make room"),
}


def tree(base: type[HeadraceError]) -> Iterator[type[HeadraceError]]:
    yield base
    for sub in base.__subclasses__():
        yield from tree(sub)


CLASSES = [c for c in tree(HeadraceError) if c.__module__ == "headrace.core.errors"]


def test_every_error_is_tried_here() -> None:
    assert {c.__name__ for c in CLASSES} == set(ARGUMENTS)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_error_survives_pickling(kind: type[HeadraceError]) -> None:
    error = kind(*ARGUMENTS[kind.__name__])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.args, vars(again)) == (kind, str(error), error.args, vars(error))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_text_names_every_argument_that_is_text(kind: type[HeadraceError]) -> None:
    arguments = ARGUMENTS[kind.__name__]
    text = str(kind(*arguments))
    assert all(a in text for a in arguments if isinstance(a, str))


@pytest.mark.parametrize("kind", [c for c in CLASSES if not c.__name__.startswith("_")], ids=lambda c: c.__name__)
def test_error_stands_in_the_drawn_tree(kind: type[HeadraceError]) -> None:
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__


def test_exit_codes_are_those_of_the_design() -> None:
    codes = {c.__name__: c.exit_code for c in CLASSES}
    assert codes["BadInput"] == codes["JobChanged"] == codes["MissingExtra"] == 2
    assert codes["StageFailed"] == codes["WriteFailed"] == codes["RejectedRow"] == 1
    assert codes["TooManyRejects"] == 3
