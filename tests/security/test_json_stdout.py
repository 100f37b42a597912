"""Under --json stdout carries the report, whatever else prints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NOISY = """
import atexit, os, subprocess, threading
print("at import")
atexit.register(print, "at exit")

class Noisy:
    def __init__(self):
        print("at building")

    def __call__(self, batch):
        thread = threading.Thread(target=print, args=("in a thread",))
        thread.start()
        thread.join()
        os.write(1, b"by number\\n")
        subprocess.run(["echo", "by a child"], check=True)
        return {"n": [1] * len(batch["path"])}
"""


@pytest.mark.parametrize("options", [[], ["--partition-rows", 1]])
def test_prints_of_a_stage_do_not_reach_the_report(
    headrace: Callable[..., Any], photos: Path, options: list[object]
) -> None:
    Path("noisy.py").write_text(NOISY)
    for _ in ("run", "finished already"):
        done = headrace("run", photos, "--model", "noisy.py:Noisy", "--out", "preds", "--json", *options)
        assert done.code == 0
        assert json.loads(done.out)["rows_out"] == 2
        assert {b"at import", b"at exit"} <= set(done.err.splitlines())
    assert Path("preds/_headrace/report.json").read_bytes().strip() == done.out.strip()


def test_prints_of_a_stage_go_to_stderr(headrace: Callable[..., Any], photos: Path) -> None:
    Path("noisy.py").write_text(NOISY)
    done = headrace("run", photos, "--model", "noisy.py:Noisy", "--out", "preds", "--json")
    said = [b"at import", b"at building", b"in a thread", b"by number", b"by a child", b"at exit"]
    assert set(said) <= set(done.err.splitlines())


def test_failed_run_leaves_stdout_empty(headrace: Callable[..., Any], photos: Path) -> None:
    Path("fails.py").write_text("def fails(batch):\n    print('half a line', end='')\n    raise ValueError('no')\n")
    done = headrace("run", photos, "--model", "fails.py:fails", "--out", "preds", "--json")
    assert (done.code, done.out) == (1, b"")
    assert b"half a line" in done.err
