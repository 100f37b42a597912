"""Results of benchmarks as JSON, with the machine that they are from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headrace.plan.machine import this_machine


def write_results(out: Path, name: str, body: Mapping[str, Any]) -> None:
    """Writes `out`/<name>.json."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"benchmark": name, "made": made, "machine": this_machine().to_dict()}
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(facts | dict(body), indent=1) + "\n")
