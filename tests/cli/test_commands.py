"""run, plan and demo do what they say, and say what they did."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from headrace import demo

MODEL = str(demo.MODEL)
Headrace = Callable[..., Any]


def test_demo_names_the_cat_and_the_espresso(command: Headrace) -> None:
    done = command("demo")
    assert (done.code, done.err) == (0, "")
    lines = {line.split()[0]: line for line in done.out.splitlines() if line}
    assert "Egyptian Mau" in lines["chelsea.png"]
    assert "espresso" in lines["coffee.png"]
    assert "rows/s" in done.out
    assert "report: " in done.out
    assert Path("headrace-demo/_headrace/report.json").exists()


def test_run_writes_rows_and_tells_speed_limit_and_place(headrace: Headrace, photos: Path) -> None:
    done = headrace("run", photos, "--model", MODEL, "--out", "preds", "--top-k", 2)
    assert done.code == 0
    assert done.out.startswith("4 rows in ")
    assert f"predictions: {Path('preds').absolute()}" in done.out
    assert pq.read_table("preds").num_rows == 4
    again = headrace("run", photos, "--model", MODEL, "--out", "preds", "--top-k", 2)
    assert again.code == 0
    assert "preds is finished: 4 rows; --overwrite runs it again" in again.out


def test_json_prints_the_report_and_nothing_else(command: Headrace, photos: Path) -> None:
    done = command("run", photos, "--model", MODEL, "--out", "preds", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["rows_out"] == 4
    assert json.loads(command("run", photos, "--model", MODEL, "--out", "preds", "--json").out)["rows_out"] == 4


def test_parquet_input_is_known_by_its_name(headrace: Headrace, photos: Path) -> None:
    import pyarrow as pa

    files = sorted(photos.iterdir())
    pq.write_table(pa.table({"name": [f.name for f in files], "photo": [f.read_bytes() for f in files]}), "in.parquet")
    assert headrace("run", "in.parquet", "--model", MODEL, "--out", "preds").code == 0
    assert pq.read_table("preds").column_names == ["path", "name", "class_id", "label", "score"]


def test_class_in_a_file_is_a_model(headrace: Headrace, photos: Path) -> None:
    Path("bright.py").write_text(
        "class Bright:\n    def __call__(self, batch):\n        return {'mean': [i.mean() for i in batch['image']]}\n"
    )
    assert headrace("run", photos, "--model", "bright.py:Bright", "--out", "preds").code == 0
    assert pq.read_table("preds").column_names == ["path", "mean"]


def test_plan_prints_reasons_and_is_saved_for_run(headrace: Headrace, photos: Path) -> None:
    done = headrace("plan", photos, "--model", MODEL, "--partition-rows", 3, "--save", "plan.toml")
    assert (done.code, done.err) == (0, "")
    assert "plan for 4 rows" in done.out
    assert "partition_rows" in done.out
    assert "saved: plan.toml; run it with --plan plan.toml" in done.out
    assert headrace("run", photos, "--model", MODEL, "--out", "preds", "--plan", "plan.toml").code == 0
    assert len(list(Path("preds").glob("part-*.parquet"))) == 2
    assert "3" in headrace("plan", photos, "--model", MODEL, "--out", "preds").out


def test_too_many_rejects_exit_3_and_finish_when_allowed(headrace: Headrace, photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no")
    done = headrace("run", photos, "--model", MODEL, "--out", "preds")
    assert done.code == 3
    assert done.err.startswith("headrace: 1 of 5 rows rejected, more than --max-rejected 0.1 allows")
    done = headrace("run", photos, "--model", MODEL, "--out", "preds", "--max-rejected", 0.5)
    assert (done.code, done.err) == (0, "")


def test_failed_stage_exits_1_without_a_traceback(command: Headrace, photos: Path) -> None:
    Path("bad.py").write_text("def bad(batch):\n    raise ValueError('two\\nlines \\x1b[31m')\n")
    done = command("run", photos, "--model", "bad.py:bad", "--out", "preds")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert done.err.startswith("headrace: bad: failed on partition 0, rows 0-3")
    assert "\x1b" not in done.err
    assert "Traceback" not in done.err


def test_no_terminal_means_plain_lines(command: Headrace, photos: Path) -> None:
    done = command("run", photos, "--model", MODEL, "--out", "preds")
    assert "\x1b" not in done.out + done.err


def test_escape_codes_in_names_do_not_reach_the_terminal(command: Headrace, photos: Path) -> None:
    (photos / "evil\x1b[2J\nname.jpg").write_bytes(b"no photo")
    done = command("run", photos, "--model", MODEL, "--out", "o\x1b[31m", "--on-error", "fail")
    assert done.code == 1
    assert "\x1b" not in done.out + done.err
    assert r"evil\x1b[2J" in done.err
    assert done.err.count("\n") == 1


SLOW = """
import sys, time
from pathlib import Path

def slow(batch):
    Path("ready").touch()
    if any("7.png" in p for p in batch["path"]):
        time.sleep(300)
    return {"n": [1] * len(batch["path"])}
"""


@pytest.mark.timeout(60)
def test_interrupt_leaves_whole_parts_and_exits_130(tmp_path: Path) -> None:
    Path("slow.py").write_text(SLOW)
    Path("in").mkdir()
    for i in range(10):
        (tmp_path / f"in/{i}.png").write_bytes((demo.PHOTOS / "camera.png").read_bytes())
    line = ["run", "in", "--model", "slow.py:slow", "--out", "preds", "--batch-size", "1", "--partition-rows", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace", *line],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # CI in the background has it ignored
    )
    while process.poll() is None and not Path("preds/part-00000002.parquet").exists():
        time.sleep(0.01)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    print(f"stopped after {time.monotonic() - began:.2f} s")
    assert (process.returncode, out) == (130, "")
    assert err == "headrace: interrupted; run the same command again to go on from here\n"
    assert [pq.read_metadata(p).num_rows for p in sorted(Path("preds").glob("*.parquet"))] == [2, 2, 2]
    assert list(Path("preds/_headrace/tmp").glob("*")) == []


def test_plain_run_imports_no_pandas(photos: Path) -> None:
    code = f"""
import sys
from headrace.cli import main
sys.argv = ["headrace", "run", {str(photos)!r}, "--model", {str(MODEL)!r}, "--out", "preds", "--json"]
try:
    main()
except SystemExit as ended:
    assert ended.code == 0
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
