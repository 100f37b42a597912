"""Where `hr.ray.infer` runs on a cluster of unlike nodes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray.data

from headrace.demo import MODEL
from headrace.ray import choices, infer

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning")  # Ray warns of its own defaults


def test_cpu_nodes_prepare_and_the_gpu_node_infers(cluster: Callable[..., Any], real_jpegs: list[Path]) -> None:
    cluster({"num_cpus": 1, "num_gpus": 0}, {"num_cpus": 0, "num_gpus": 1})  # each can do one of the two only
    photos = [p.read_bytes() for p in sorted(real_jpegs)[:6]]
    items = [{"k": k, "bytes": data} for k, data in enumerate([*photos, b"bad"])]
    out = infer(ray.data.from_items(items, override_num_blocks=2), MODEL)
    assert (choices(out)["layout"].value, choices(out)["num_gpus"].value) == ("apart", 1)
    rows = sorted(out.take_all(), key=lambda row: row["k"])
    assert list(rows[0]) == ["k", "class_id", "label", "score", "headrace_error"]
    assert [row["label"] is None for row in rows] == [False] * 6 + [True]
    assert rows[6]["headrace_error"].startswith("decode: NotAnImage")
