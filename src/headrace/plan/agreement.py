"""Whether a faster precision keeps the answers, by comparison with fp32 on real rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_MEAN_DP = 0.005
MIN_COSINE = 0.999
ROWS = 256


@dataclass(frozen=True, slots=True)
class Agreement:
    """agree: the share (0..1) of `rows` with the same class (embeddings: the mean cosine); mean_dp: the mean difference
    of the winning class's probability."""

    precision: str
    rows: int
    agree: float
    mean_dp: float
    kept: bool

    def __str__(self) -> str:
        compared = f"{self.precision} agrees with fp32 on {self.agree:.1%} of {self.rows} rows"
        return f"{compared}, mean |dp| {self.mean_dp:.4f}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def compare_classes(
    precision: str, reference: NDArray[np.float32], candidate: NDArray[np.float32], min_agreement: float
) -> Agreement:
    """Of probabilities [N, classes]: kept when top-1 agrees on >= min_agreement of the rows and mean |dp| <= 0.005."""
    best = reference.argmax(axis=1)
    agree = float(np.mean(best == candidate.argmax(axis=1)))
    rows = np.arange(len(best))
    mean_dp = float(np.mean(np.abs(reference[rows, best] - candidate[rows, best])))
    return Agreement(precision, len(best), agree, mean_dp, agree >= min_agreement and mean_dp <= MAX_MEAN_DP)


def compare_vectors(precision: str, reference: NDArray[Any], candidate: NDArray[Any]) -> Agreement:
    """Of outputs [N, ...]: kept when the mean cosine is >= 0.999."""
    a = reference.reshape(len(reference), -1).astype(np.float64)
    b = candidate.reshape(len(candidate), -1).astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = float(np.mean(np.where(norms > 0, (a * b).sum(axis=1) / np.maximum(norms, 1e-30), 1.0)))
    return Agreement(precision, len(a), cosine, 0.0, cosine >= MIN_COSINE)


def hopeless(disagreeing: int, rows_planned: int, min_agreement: float) -> bool:
    """Whether so many rows disagree that the planned number cannot reach `min_agreement` any more."""
    return disagreeing > (1 - min_agreement) * rows_planned


def spread(rows: int, sample: int) -> NDArray[np.int64]:
    """`sample` row numbers (or all) spread evenly over `rows`."""
    return np.unique(np.linspace(0, rows - 1, min(rows, sample)).astype(np.int64))
