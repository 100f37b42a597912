"""Outputs become columns: scores are probabilities, lists are ordered, and rows do not depend on each other."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from headrace.core.errors import BadModel, BadOption
from headrace.models.heads import Classify, Embed, Raw, make_head, read_labels

Floats = NDArray[np.float32]
shapes = st.tuples(st.integers(1, 6), st.integers(2, 12))
logits = shapes.flatmap(lambda s: arrays(np.float32, s, elements=st.floats(-50, 50, width=32)))


def softmax(values: Floats) -> NDArray[np.float64]:
    e = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = e / e.sum(axis=1, keepdims=True)
    return result


@given(logits)
def test_score_is_softmax_at_the_largest_logit(values: Floats) -> None:
    # Rows that sum to 1 are probabilities already; these are none.
    values = values - 1 - values.min()
    columns = Classify()({"logits": values})
    assert columns["class_id"].dtype == np.int32
    assert columns["score"].dtype == np.float32
    assert np.allclose(columns["score"], softmax(values).max(axis=1), atol=1e-6)
    assert (values[np.arange(len(values)), columns["class_id"]] == values.max(axis=1)).all()
    assert columns["label"].tolist() == [None] * len(values)


@given(logits, st.sampled_from([np.float32, np.float16]))
def test_probabilities_stay_as_they_are(values: Floats, kind: type) -> None:
    already = softmax(values).astype(kind)  # float16's sums are off by up to 1e-3
    assert np.array_equal(Classify()({"p": already})["score"], already.max(axis=1).astype(np.float32))


@given(logits, logits.map(softmax))
def test_score_of_a_row_does_not_depend_on_its_batch(values: Floats, other: Floats) -> None:
    width = min(values.shape[1], other.shape[1])
    mixed = np.concatenate([values[:, :width], other[:, :width].astype(np.float32)])
    together = Classify(top_k=2)({"logits": mixed})
    for row in range(len(mixed)):
        alone = Classify(top_k=2)({"logits": mixed[row : row + 1]})
        assert all(np.array_equal(together[name][row], alone[name][0]) for name in alone)


@given(logits, st.integers(2, 12))
def test_top_k_is_ordered_and_begins_with_the_best(values: Floats, top_k: int) -> None:
    top_k = min(top_k, values.shape[1])
    labels = tuple(f"class {i}" for i in range(values.shape[1]))
    columns = Classify(labels, top_k)({"logits": values})
    ids, scores = columns["top_class_ids"], columns["top_scores"]
    assert ids.shape == scores.shape == columns["top_labels"].shape == (len(values), top_k)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(row)) == top_k for row in ids.tolist())
    assert np.array_equal(ids[:, 0], columns["class_id"])
    assert np.array_equal(scores[:, 0], columns["score"])
    assert columns["top_labels"].tolist() == [[labels[i] for i in row] for row in ids.tolist()]
    assert columns["label"].tolist() == [labels[i] for i in columns["class_id"]]


def test_no_rows_give_empty_columns() -> None:
    columns = Classify(top_k=2)({"logits": np.zeros((0, 5), np.float32)})
    assert {name: len(c) for name, c in columns.items()} == dict.fromkeys(columns, 0)


def test_what_does_not_fit_the_model_is_refused() -> None:
    outputs = {"logits": np.zeros((2, 3), np.float32)}
    with pytest.raises(BadModel, match="--labels: has 2 labels, the model 3 classes; give one label a class"):
        Classify(("a", "b"))(outputs)
    with pytest.raises(BadOption, match="--top-k must be at most the model's 3 classes, got 4"):
        Classify(top_k=4)(outputs)
    with pytest.raises(BadModel, match=r"--task classify: the first output is \[2, 3, 1\], not \[rows, classes\]"):
        Classify()({"map": np.zeros((2, 3, 1), np.float32)})
    with pytest.raises(BadModel, match=r"--task embed: the first output is \[2, 3, 7\], not \[rows, values\]"):
        Embed()({"map": np.zeros((2, 3, 7), np.float32)})


@given(st.integers(0, 4), st.integers(1, 8), st.integers(0, 2), st.integers(0, 2))
def test_embedding_is_the_first_output_without_axes_of_one(rows: int, length: int, before: int, after: int) -> None:
    values = np.arange(rows * length, dtype=np.float64)
    shaped = values.reshape(rows, *[1] * before, length, *[1] * after)
    columns = Embed()({"pooled": shaped, "other": np.zeros((rows, 9))})
    assert list(columns) == ["embedding"]
    assert columns["embedding"].dtype == np.float32
    assert np.array_equal(columns["embedding"], values.reshape(rows, length))


def test_raw_outputs_are_renamed_only() -> None:
    outputs = {"boxes": np.zeros((2, 4)), "0": np.ones((2, 1), np.int64)}
    columns = Raw()(outputs)
    assert list(columns) == ["output_boxes", "output_0"]
    assert columns["output_boxes"] is outputs["boxes"]


def test_heads_are_made_by_task() -> None:
    assert make_head(None, ("a",), 3) == Classify(("a",), 3)
    assert [make_head(t, None, 1).task for t in ("classify", "embed", "raw")] == ["classify", "embed", "raw"]
    assert make_head("classify", ("a",), 1).describe() == {"task": "classify", "labels": ["a"], "top_k": 1}
    with pytest.raises(BadOption, match="--task must be one of classify, embed, raw, got 'rank'"):
        make_head("rank", None, 1)
    with pytest.raises(BadOption, match="--labels and --top-k must be used with --task classify, got '--task embed'"):
        make_head("embed", ("a",), 1)


def test_labels_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("tench\ngreat white shark\n\n")
    assert read_labels(path) == ("tench", "great white shark")
    path.write_text("\n")
    with pytest.raises(BadOption, match=r"--labels must be a file with one label a line, got '.* \(empty\)'"):
        read_labels(path)
    with pytest.raises(BadOption, match=r"--labels must be a readable text file \(.*No such file"):
        read_labels(tmp_path / "missing.txt")
