"""Options are checked when they are given, and a refusal shows the value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import BadOption, MissingExtra
from headrace.core.optional import installed, load
from headrace.core.options import auto_or_count, count, one_of, ratio


@given(st.integers(min_value=1))
def test_counts_are_taken_as_numbers_or_text(number: int) -> None:
    assert count("n", number) == count("n", str(number)) == auto_or_count("n", str(number)) == number


@pytest.mark.parametrize("value", [0, -4, "0", "-4", "", "many", "1.5", 1.5, 1.0, True, None])
def test_count_refuses_what_is_no_count(value: object) -> None:
    with pytest.raises(BadOption) as caught:
        count("batch_size", value)
    assert str(caught.value) == f"batch_size must be an integer >= 1, got {value!r}"


def test_auto_stays_auto() -> None:
    assert auto_or_count("workers", "auto") == "auto"
    with pytest.raises(BadOption, match="workers must be \"auto\" or an integer >= 1, got 'Auto'"):
        auto_or_count("workers", "Auto")


@given(st.floats(0, 1))
def test_ratios_are_taken_as_they_are(value: float) -> None:
    assert ratio("max_rejected", value) == value


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5", True, None])
def test_ratio_refuses_what_is_no_ratio(value: object) -> None:
    with pytest.raises(BadOption, match=r"max_rejected must be a ratio in 0\.\.1, got"):
        ratio("max_rejected", value)


def test_one_of_names_what_is_allowed() -> None:
    assert one_of("--task", "embed", ("embed", "raw")) == "embed"
    with pytest.raises(BadOption, match="--task must be one of embed, raw, got 'rank'"):
        one_of("--task", "rank", ("embed", "raw"))


def test_missing_package_is_named_with_its_extra() -> None:
    assert not installed("no_such_package")
    assert not installed("no_such_package.inner")
    with pytest.raises(MissingExtra) as caught:
        load("no_such_package", extra="onnx", needed_for="reading a.onnx")
    assert str(caught.value) == "reading a.onnx needs no_such_package: pip install 'headrace[onnx]'"
