"""Where `hr.ray.infer` runs on a cluster of unlike nodes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")

_ON_UNLIKE_NODES = """
import json, sys, warnings
from pathlib import Path
import ray.data
from ray.cluster_utils import Cluster
from headrace.demo import MODEL
from headrace.ray import choices, infer

small = {"object_store_memory": 80 << 20, "include_dashboard": False}
cluster = Cluster()
for node in ({"num_cpus": 1, "num_gpus": 0}, {"num_cpus": 0, "num_gpus": 1}):  # each can do one of the two only
    cluster.add_node(**node, **small)
cluster.wait_for_nodes()
ray.init(cluster.address, log_to_driver=False)
photos = [Path(name).read_bytes() for name in sys.argv[1:]]
items = [{"k": k, "bytes": data} for k, data in enumerate([*photos, b"bad"])]
out = infer(ray.data.from_items(items, override_num_blocks=2), MODEL)
chosen = [choices(out)[name].value for name in ("layout", "num_gpus")]
rows = sorted(out.take_all(), key=lambda row: row["k"])
print(json.dumps({"chosen": chosen, "rows": rows}))
ray.shutdown()
cluster.shutdown()
"""


def test_cpu_nodes_prepare_and_the_gpu_node_infers(real_jpegs: list[Path]) -> None:
    # A process of its own: Ray names actors alike in every cluster that a process sees, and a handle that another
    # test has left would take this one's actor with it.
    command = [sys.executable, "-c", _ON_UNLIKE_NODES, *map(str, sorted(real_jpegs)[:6])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["chosen"] == ["apart", 1]
    rows = told["rows"]
    assert list(rows[0]) == ["k", "class_id", "label", "score", "headrace_error"]
    assert [row["label"] is None for row in rows] == [False] * 6 + [True]
    assert rows[6]["headrace_error"].startswith("decode: NotAnImage")
