"""What makes two jobs the same, and options that cannot be."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import headrace as hr
from headrace.job.fingerprint import changed, fingerprint, fingerprint_parts
from headrace.job.job import Infer, Settings

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
facts = st.dictionaries(st.sampled_from(["input", "model", "task", "stages"]), values)


@given(facts=facts)
def test_same_facts_have_the_same_fingerprint_whatever_their_order(facts: dict[str, Any]) -> None:
    turned = dict(reversed(facts.items()))
    assert fingerprint(fingerprint_parts(facts)) == fingerprint(fingerprint_parts(turned))
    assert changed(fingerprint_parts(facts), fingerprint_parts(turned)) == ()


@given(facts=facts, name=st.sampled_from(["input", "model"]), value=st.integers(10**20))
def test_what_changed_is_named(facts: dict[str, Any], name: str, value: int) -> None:
    assume(facts.get(name) != value)
    other = {**facts, name: value}
    assert changed(fingerprint_parts(facts), fingerprint_parts(other)) == (name,)
    assert fingerprint(fingerprint_parts(facts)) != fingerprint(fingerprint_parts(other))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "spark"}, "--engine must be one of local, ray, got 'spark'"),
        ({"batch_size": -4}, '--batch-size must be "auto" or an integer >= 1, got -4'),
        ({"workers": "many"}, "--workers must be \"auto\" or an integer >= 1, got 'many'"),
        ({"prepare_workers": 0}, "--prepare-workers must be"),
        ({"io_concurrency": 1.5}, "--io-concurrency must be"),
        ({"partition_rows": True}, "--partition-rows must be"),
        ({"on_error": "skip"}, "--on-error must be one of reject, fail, got 'skip'"),
        ({"max_rejected": 1.01}, "--max-rejected must be a ratio in 0..1, got 1.01"),
        ({"max_rejected": float("nan")}, "--max-rejected must be a ratio in 0..1, got nan"),
    ],
)
def test_bad_setting_is_refused_with_the_value_given(options: dict[str, Any], message: str) -> None:
    with pytest.raises(hr.BadOption) as caught:
        Settings(**options)
    assert message in str(caught.value)


def test_digits_are_taken_as_a_number() -> None:
    assert Settings(batch_size="16").batch_size == 16


@pytest.mark.parametrize("options", [{"precision": "fp8"}, {"min_agreement": 2}, {"top_k": 0}])
def test_bad_model_option_is_refused_when_it_is_given(options: dict[str, Any]) -> None:
    with pytest.raises(hr.BadOption):
        Infer(reference="model.onnx", **options)
