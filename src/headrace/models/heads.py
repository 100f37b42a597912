"""What becomes of a model's outputs: classes, embeddings, or as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Columns
from headrace.core.errors import BadModel, BadOption
from headrace.core.options import count, one_of
from headrace.core.probability import probabilities

TASKS = ("classify", "embed", "raw")


@dataclass(frozen=True)
class Classify:
    """class_id int32, label string, score float32; with top_k > 1 also the lists top_class_ids, top_labels, top_scores.

    Scores are softmax(logits), unless the row already holds probabilities (>= 0 and sum to 1 within 1e-2).
    """

    labels: tuple[str, ...] | None = None
    top_k: int = 1
    task = "classify"

    def describe(self) -> dict[str, Any]:
        """Task, labels, top_k."""
        return {"task": self.task, "labels": list(self.labels) if self.labels else None, "top_k": self.top_k}

    def check(self, classes: int) -> None:
        """Whether labels and top_k fit a model of so many classes. Raises BadModel, BadOption."""
        if self.labels is not None and len(self.labels) != classes:
            raise BadModel(
                "--labels", f"has {len(self.labels)} labels, the model {classes} classes", "give one label a class"
            )
        if self.top_k > classes:
            raise BadOption("--top-k", f"at most the model's {classes} classes", self.top_k)

    def __call__(self, outputs: Columns) -> Columns:
        """Of the first output, [N, classes]."""
        logits = first_output(outputs)
        if logits.ndim != 2:
            raise BadModel(
                "--task classify", f"the first output is {list(logits.shape)}, not [rows, classes]", "use --task raw"
            )
        self.check(logits.shape[1])
        scores = probabilities(logits)
        best = scores.argmax(axis=1).astype(np.int32)
        columns: Columns = {
            "class_id": best,
            "label": self._names(best),
            "score": np.take_along_axis(scores, best[:, None], axis=1)[:, 0],
        }
        return columns | (self._top(scores) if self.top_k > 1 else {})

    def _top(self, scores: NDArray[np.float32]) -> Columns:
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.top_k].astype(np.int32)
        return {
            "top_class_ids": order,
            "top_labels": self._names(order),
            "top_scores": np.take_along_axis(scores, order, axis=1),
        }

    def _names(self, ids: NDArray[np.int32]) -> NDArray[Any]:
        if self.labels is None:
            return np.full(ids.shape, None, dtype=object)
        return np.array(self.labels, dtype=object)[ids]


@dataclass(frozen=True)
class Embed:
    """`embedding`: the first output, [N, D], as float32."""

    task = "embed"

    def describe(self) -> dict[str, Any]:
        """The task."""
        return {"task": self.task}

    def __call__(self, outputs: Columns) -> Columns:
        """Of the first output; axes of length 1 after the row are dropped ([N, D, 1, 1] of a pooled feature map)."""
        value = first_output(outputs)
        length = max(value.shape[1:], default=0)
        if value.size != len(value) * length:
            raise BadModel(
                "--task embed", f"the first output is {list(value.shape)}, not [rows, values]", "use --task raw"
            )
        return {"embedding": value.reshape(len(value), length).astype(np.float32, copy=False)}


@dataclass(frozen=True)
class Raw:
    """`output_<name>`: every output as it is."""

    task = "raw"

    def describe(self) -> dict[str, Any]:
        """The task."""
        return {"task": self.task}

    def __call__(self, outputs: Columns) -> Columns:
        """All outputs, renamed."""
        return {f"output_{name}": value for name, value in outputs.items()}


def make_head(task: str | None, labels: tuple[str, ...] | None, top_k: int) -> Classify | Embed | Raw:
    """The head for a task; without one it is classification. Raises BadOption."""
    task = one_of("--task", task or "classify", TASKS)
    count("--top-k", top_k)
    if task != "classify" and (labels is not None or top_k > 1):
        raise BadOption("--labels and --top-k", "used with --task classify", f"--task {task}")
    return Classify(labels, top_k) if task == "classify" else Embed() if task == "embed" else Raw()


def read_labels(path: str | Path) -> tuple[str, ...]:
    """One label a line; empty lines at the end are dropped. Raises BadOption."""
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption("--labels", f"a readable text file ({error})", str(path)) from error
    labels = tuple(text.rstrip("\n").splitlines())
    if not labels:
        raise BadOption("--labels", "a file with one label a line", f"{path} (empty)")
    return labels


def first_output(outputs: Columns) -> NDArray[Any]:
    """The output that comes first in the model."""
    return next(iter(outputs.values()))
