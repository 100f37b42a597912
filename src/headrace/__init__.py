"""headrace feeds models: offline batch inference at the speed of the hardware, losing nothing.

Importing it imports no optional package, no NumPy and no Arrow; names are loaded when they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace import ray
    from headrace.api.dataset import Dataset
    from headrace.api.pool import ModelPool
    from headrace.api.readers import from_items, read_images, read_parquet
    from headrace.core.errors import (
        BadCluster,
        BadInput,
        BadModel,
        BadOption,
        BadOutput,
        HeadraceError,
        JobChanged,
        MissingExtra,
        RejectedRow,
        RunError,
        StageFailed,
        StageNotBuilt,
        TooManyRejects,
        UsageError,
        WriteFailed,
    )
    from headrace.core.preprocess import Preprocess
    from headrace.core.progress import Progress
    from headrace.core.report import RunReport
    from headrace.plan.plan import Plan

__version__ = "0.1.0"

_HOMES = {
    "headrace.api.dataset": ("Dataset",),
    "headrace.api.pool": ("ModelPool",),
    "headrace.api.readers": ("from_items", "read_images", "read_parquet"),
    "headrace.core.errors": (
        "BadCluster",
        "BadInput",
        "BadModel",
        "BadOption",
        "BadOutput",
        "HeadraceError",
        "JobChanged",
        "MissingExtra",
        "RejectedRow",
        "RunError",
        "StageFailed",
        "StageNotBuilt",
        "TooManyRejects",
        "UsageError",
        "WriteFailed",
    ),
    "headrace.core.preprocess": ("Preprocess",),
    "headrace.core.progress": ("Progress",),
    "headrace.core.report": ("RunReport",),
    "headrace.plan.plan": ("Plan",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BadCluster",
    "BadInput",
    "BadModel",
    "BadOption",
    "BadOutput",
    "Dataset",
    "HeadraceError",
    "JobChanged",
    "MissingExtra",
    "ModelPool",
    "Plan",
    "Preprocess",
    "Progress",
    "RejectedRow",
    "RunError",
    "RunReport",
    "StageFailed",
    "StageNotBuilt",
    "TooManyRejects",
    "UsageError",
    "WriteFailed",
    "__version__",
    "from_items",
    "ray",
    "read_images",
    "read_parquet",
]


def __getattr__(name: str) -> Any:
    if name == "ray":
        return importlib.import_module("headrace.ray")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'headrace' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
