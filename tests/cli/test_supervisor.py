"""A crash in native code, or in a user's, costs the rows at fault, not the run."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

CODE = """
import ctypes, os, signal

class Model:
    def __call__(self, batch):
        if any("07.png" in p for p in batch["path"]):
            {death}
        return {{"mean": batch["image"].reshape(len(batch["image"]), -1).mean(axis=1)}}
"""
DEATHS = {
    "segfault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "exit": "os._exit(3)",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve photos of one size."""
    (tmp_path / "in").mkdir()
    for number in range(12):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / f"in/{number:02d}.png")
    (tmp_path / "small.toml").write_text("stretch = true\ncrop = 16\n")
    return tmp_path


def command(folder: Path, *more: str) -> list[str]:
    model = ["--model", "code.py:Model", "--preprocess", "small.toml"]
    return [sys.executable, "-m", "headrace", "run", "in", *model, "--out", "out", "--batch-size", "4", *more]


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}


def names(folder: Path) -> list[str]:
    return [Path(p).stem for part in sorted(folder.glob("out/part-*")) for p in pq.read_table(part)["path"].to_pylist()]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_row_that_crashes_the_process_is_found_and_rejected(folder: Path, death: str) -> None:
    (folder / "code.py").write_text(CODE.format(death=death))
    done = subprocess.run(
        command(folder), cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "headrace: the process died (" in done.stderr
    assert names(folder) == [f"{n:02d}" for n in range(12) if n != 7]
    (rejects,) = (folder / "out/_headrace/rejects").iterdir()
    (row,) = pq.read_table(rejects).to_pylist()
    assert (Path(row["key"]).stem, row["stage"], row["error_type"]) == ("07", "Model", "WorkerDied")
    assert list((folder / "cache/headrace/flights").glob("*/*")) == []


@pytest.mark.timeout(120)
def test_process_that_crashes_whatever_it_does_is_given_up(folder: Path) -> None:
    (folder / "code.py").write_text("import os\nclass Model:\n    def __call__(self, batch):\n        os.abort()\n")
    done = subprocess.run(
        command(folder), cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "times without finishing a partition" in done.stderr


SLOW = """
import pathlib, time
class Model:
    def __call__(self, batch):
        pathlib.Path("begun").touch()
        time.sleep(30)
        return {"n": [1] * len(batch["path"])}
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_signal_to_the_command_ends_the_work(folder: Path, number: signal.Signals) -> None:
    (folder / "code.py").write_text(SLOW)
    process = subprocess.Popen(
        command(folder),
        cwd=folder,
        env=environment(folder),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        stderr=subprocess.DEVNULL,
    )
    while not (folder / "begun").exists():
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(number)
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 128 + 15, signal.SIGINT: 130}
    assert process.wait(30) == expected[number]
    assert children
    for child in map(int, children):
        with contextlib.suppress(psutil.NoSuchProcess):
            while psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
