"""Comparisons of precisions, kept from run to run; one small JSON file a comparison."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from headrace.core.cache import cache_folder
from headrace.core.contracts import Inference
from headrace.plan.agreement import Agreement


def cache_path(inference: Inference, candidate: str, cpu: str) -> Path:
    """Where the comparison for this model, runtime, CPU type, preprocessing and task is kept."""
    model = inference.model
    facts = [model.digest(), model.runtime, model.runtime_version, model.device, cpu, candidate]
    facts += [repr(sorted(model.preprocess.to_dict().items())), inference.head.task, str(inference.min_agreement)]
    name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
    return cache_folder("agreement") / f"{name}.json"


def recall(path: Path) -> Agreement | None:
    """The kept comparison; None when there is none that can be read."""
    try:
        return Agreement(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remember(path: Path, agreement: Agreement) -> None:
    """Keeps a comparison; a cache that cannot be written is no reason to stop."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(agreement.to_dict()))
        temporary.replace(path)
    except OSError:
        return
