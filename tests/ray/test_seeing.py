"""Whether every node sees what a job names by local paths."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import BadCluster, BadInput, BadOutput

ray = pytest.importorskip("ray")

from headrace.engine.ray_data import seeing  # noqa: E402 - it needs Ray
from headrace.engine.ray_data.cluster_facts import this_cluster  # noqa: E402

NODES = (
    {"num_cpus": 1, "node_name": "node-a"},
    {"num_cpus": 1, "num_gpus": 2, "node_name": "node-b", "labels": {"tier": "gpu"}, "resources": {"special": 4}},
)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"0123456789")
    return path


@pytest.mark.slow
def test_the_facts_of_a_cluster_are_those_that_its_nodes_were_started_with(cluster: Callable[..., Any]) -> None:
    cluster(*NODES)
    plain, special = this_cluster().nodes
    assert (plain.name, plain.cpus, plain.gpus) == ("node-a", 1, 0)
    assert (special.name, special.cpus, special.gpus) == ("node-b", 1, 2)
    assert (special.labels["tier"], special.resources["special"]) == ("gpu", 4)
    assert all(node.object_store_bytes > 0 and node.memory_bytes > 0 for node in (plain, special))


@pytest.mark.slow
def test_what_every_node_sees_is_let_through_and_leaves_nothing(
    cluster: Callable[..., Any], photo: Path, tmp_path: Path
) -> None:
    cluster(*NODES)
    seeing.require_seen(inputs={str(photo): 10}, out=tmp_path / "out" / "_headrace")
    assert list((tmp_path / "out" / "_headrace").iterdir()) == []


@pytest.mark.slow
def test_a_file_that_is_missing_or_of_another_size_is_told(
    cluster: Callable[..., Any], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeing, "_PATIENCE_S", 0.0)
    cluster(*NODES)
    for inputs in ({str(photo): 11}, {f"{photo}.gone": 10}):
        with pytest.raises(BadInput, match=r"none of the cluster's nodes \(node-[ab], node-[ab]\) sees it; put the"):
            seeing.require_seen(inputs=inputs, out=None)


@pytest.mark.slow
def test_a_node_without_headrace_is_told(cluster: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    @ray.remote(num_cpus=0)
    def without_headrace(sizes: object, patience_s: object) -> None:
        raise ModuleNotFoundError("No module named 'headrace'")

    cluster(*NODES)
    monkeypatch.setattr(seeing, "_sees", without_headrace)
    with pytest.raises(BadCluster, match=r"node-[ab]: a task failed there: No module named 'headrace'; install"):
        seeing.unseen({"a": 1})


def test_answers_are_put_together_by_path() -> None:
    told = [
        ("node-a", {"x": True, "y": True}),
        ("node-b", {"x": False, "y": True}),
        ("node-c", {"x": False, "y": True}),
    ]
    (sight,) = seeing.blindness(["x", "y"], told)
    assert str(sight) == "is local to 1 of 3 nodes: node-b, node-c do not see it"
    (sight,) = seeing.blindness(["x"], told[:2])
    assert str(sight) == "is local to 1 of 2 nodes: node-b does not see it"


@pytest.fixture
def private_folder(cluster: Callable[..., Any], tmp_path: Path) -> Iterator[Path]:
    """A folder in whose place node-c, a further node of the cluster, has an empty one of its own."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("a node with a file system of its own needs root and unshare(1)")
    folder = tmp_path / "private"
    folder.mkdir()
    address = cluster({"num_cpus": 1, "node_name": "node-a"}, {"num_cpus": 1, "node_name": "node-d"}).address
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={address}", "--node-name=node-c"]
    start += ["--num-cpus=1", "--object-store-memory=100000000", "--block"]
    script = f"mount -t tmpfs none {shlex.quote(str(folder))} && exec {shlex.join(start)}"
    log = (tmp_path / "node.log").open("wb")
    process = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for("node-c", process, tmp_path / "node.log")
        yield folder
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _wait_for(name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    while name not in [node["NodeName"] for node in ray.nodes() if node["Alive"]]:
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(log.read_text())


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_output_folder_or_input_that_one_node_does_not_see_is_refused(
    private_folder: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeing, "_PATIENCE_S", 0.0)
    told = "is local to 2 of 3 nodes: node-c does not see it"
    with pytest.raises(BadOutput, match=f"{private_folder}: {told}; write to a folder that all nodes share, or s3://"):
        seeing.require_seen(inputs={str(photo): 10}, out=private_folder)
    assert list(private_folder.iterdir()) == []
    hidden = private_folder / "model.onnx"
    hidden.write_bytes(b"1")
    with pytest.raises(BadInput, match=f"model.onnx: {told}; put the input into"):
        seeing.require_seen(inputs={str(photo): 10, str(hidden): 1}, out=photo.parent)


def test_one_node_is_not_asked(local_ray: object, monkeypatch: pytest.MonkeyPatch, photo: Path) -> None:
    monkeypatch.setattr(seeing, "unseen", None)
    seeing.require_seen(inputs={str(photo): 11}, out=photo.parent / "out")
    assert not (photo.parent / "out").exists()
