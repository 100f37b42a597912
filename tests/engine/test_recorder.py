"""What threads had in hand when the process crashed is found by the next session; a kill counts for nothing."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headrace.core.errors import KeepsCrashing
from headrace.engine.flow.recorder import DIED, Recorder

WORKING = """
import os, signal, sys, threading
from pathlib import Path
from headrace.engine.flow.recorder import Recorder

recorder = Recorder(Path(sys.argv[1]))
works = [("infer", 8, 15), ("prepare", 20, 20)][: int(sys.argv[2])]
both = threading.Barrier(len(works) + 1)

def work(step, first, last):
    with recorder.in_hand(step, first, last):
        both.wait()
        threading.Event().wait()

with recorder.in_hand("infer", 0, 7):
    pass
for one in works:
    threading.Thread(target=work, args=one, daemon=True).start()
both.wait()
print(os.getpid(), flush=True)
{death}
"""


def dies(folder: Path, death: str, threads: int = 2) -> str:
    """A session in a process of its own; its number."""
    command = [sys.executable, "-c", WORKING.format(death=death), folder, str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode not in (0, 1), done.stderr
    return done.stdout.strip()


def found(folder: Path) -> dict[str, dict[tuple[int, int], int]]:
    recorder = Recorder(folder)
    try:
        return {step: dict(recorder.suspects(step)) for step in ("prepare", "infer", "other")}
    finally:
        recorder.close(done=False)


NOTHING: dict[str, dict[tuple[int, int], int]] = {"prepare": {}, "infer": {}, "other": {}}


def test_crash_leaves_what_was_in_hand(tmp_path: Path) -> None:
    dies(tmp_path, "os.abort()")
    assert found(tmp_path) == {"prepare": {(20, 20): 1}, "infer": {(8, 15): 1}, "other": {}}
    dies(tmp_path, "os.kill(os.getpid(), signal.SIGSEGV)", 1)
    assert found(tmp_path) == {"prepare": {(20, 20): 1}, "infer": {(8, 15): 2}, "other": {}}


@pytest.mark.parametrize("death", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(7)"])
def test_kill_and_exit_say_nothing_about_the_rows(tmp_path: Path, death: str) -> None:
    dies(tmp_path, death)
    assert found(tmp_path) == NOTHING
    assert list(tmp_path.glob("*.flights")) == []


def test_exit_counts_where_the_supervisor_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIED, dies(tmp_path, "os._exit(7)"))
    assert found(tmp_path)["infer"] == {(8, 15): 1}


def test_part_of_what_crashed_twice_has_one_life_left(tmp_path: Path) -> None:
    (tmp_path / "suspects.json").write_text('{"deaths": 3, "suspects": [["infer", 0, 7, 2], ["infer", 4, 7, 1]]}')
    assert found(tmp_path)["infer"] == {(0, 7): 2, (4, 7): 2}


def test_finished_run_suspects_nothing_any_more(tmp_path: Path) -> None:
    dies(tmp_path, "os.abort()")
    Recorder(tmp_path).close(done=True)
    assert found(tmp_path) == NOTHING
    assert [p.name for p in tmp_path.iterdir()] == []


def test_suspects_are_worked_on_alone(tmp_path: Path) -> None:
    (tmp_path / "suspects.json").write_text('{"deaths": 1, "suspects": [["infer", 4, 7, 1]]}')
    recorder = Recorder(tmp_path)
    inside, order = threading.Event(), []

    def other() -> None:
        inside.wait()
        with recorder.in_hand("prepare", 30, 30):
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    with recorder.in_hand("infer", 4, 7):
        inside.set()
        thread.join(0.2)
        order.append("suspect")
    thread.join()
    recorder.close(done=True)
    assert order == ["suspect", "other"]


def test_deaths_without_progress_end_it(tmp_path: Path) -> None:
    (tmp_path / "suspects.json").write_text('{"deaths": 24, "suspects": [["infer", 4, 7, 1]]}')
    recorder = Recorder(tmp_path)
    with pytest.raises(KeepsCrashing, match=r"infer: the process has died 24 times without finishing a partition"):
        recorder.check()
    recorder.close(done=False)
    (tmp_path / "suspects.json").write_text('{"deaths": 23, "suspects": []}')
    recorder = Recorder(tmp_path)
    recorder.check()
    recorder.published()
    recorder.close(done=False)
    assert '"deaths": 0' in (tmp_path / "suspects.json").read_text()


def test_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "suspects.json").write_text("{not json")
    (tmp_path / "77.flights").write_bytes(b"\x01short")
    (tmp_path / "77.crash").write_bytes(b"Fatal Python error")
    assert found(tmp_path) == NOTHING
