"""What others wrote is shown on the terminal, and not obeyed: names, messages and labels may hold anything."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from headrace import cli, demo
from headrace.cli.text import printable

MODEL = str(demo.MODEL)
TITLE, CLEAR, C1 = "\x1b]0;owned\x07", "\x1b[2J", "\x9b31m"
EVIL = f"{TITLE}{CLEAR}{C1}\u202egpj.\nheadrace: all is well\r[red]\u2028[/blue]"
OBEYED = [b"\x1b", b"\x07", b"\r", *(c.encode() for c in ("\x9b", "\u202e", "\u2028"))]

Headrace = Callable[..., Any]


def assert_not_obeyed(*streams: bytes) -> None:
    """No stream holds a byte that a terminal obeys, nor a line that the command has not begun."""
    for stream in streams:
        assert [code for code in OBEYED if code in stream] == []
        assert b"headrace: all is well" not in stream.splitlines()


@given(st.text())
def test_printable_is_one_line_of_printable_characters(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= 2000
    assert printable(shown) == shown
    if text.isprintable() and len(text) <= 2000:
        assert shown == text


@pytest.mark.parametrize("character", ["a", "\x1b", "\U0010ffff"])
def test_long_text_keeps_its_ends(character: str) -> None:
    shown = printable("begin" + character * 10_000_000 + "end")
    assert len(shown) == 2000
    assert shown.startswith("begin")
    assert shown.endswith("end")
    assert "…" in shown


def test_file_names(headrace: Headrace, photos: Path) -> None:
    (photos / f"evil{EVIL.replace('/', '')}.jpg").write_bytes(b"no photo")
    (photos / os.fsdecode(b"not utf-8 \xff.jpg")).write_bytes(b"no photo")
    ends = [
        headrace("run", photos, "--model", MODEL, "--out", "preds"),
        headrace("run", photos, "--model", MODEL, "--out", "other", "--on-error", "fail"),
        headrace("run", photos / f"{EVIL}.jpg", "--model", MODEL, "--out", "third"),
        headrace("run", photos, "--model", f"{EVIL}.onnx", "--out", "third"),
        headrace("run", photos, "--model", MODEL, "--out", f"out{EVIL}", "--max-rejected", 1),
        headrace("plan", photos, "--model", MODEL, "--save", f"plan{EVIL.replace('/', '')}"),
        headrace("run", photos, "--model", MODEL, f"--{EVIL}"),
        headrace(EVIL),
    ]
    assert [done.code for done in ends] == [3, 1, 2, 2, 0, 0, 2, 2]
    assert_not_obeyed(*(stream for done in ends for stream in (done.out, done.err)))
    assert rb"\x1b]0;owned\x07" in ends[1].err + ends[2].err
    assert all(done.err.count(b"\n") == 1 for done in ends if done.code)


STAGE = """
import logging, warnings
class Stage:
    def __call__(self, batch):
        logging.getLogger("theirs").warning(EVIL)
        warnings.warn(EVIL)
        if FAILS:
            raise ValueError(EVIL * REPEATED)
        return {EVIL: [1] * len(batch["path"])}
Stage.__name__ = EVIL
"""


def write_stage(*, fails: bool = False, repeated: int = 1) -> None:
    Path("stage.py").write_text(f"EVIL, FAILS, REPEATED = {EVIL!r}, {fails}, {repeated}\n{STAGE}")


def test_stage_names_logs_warnings_and_plans(headrace: Headrace, photos: Path) -> None:
    write_stage()
    ends = [headrace("run", photos, "--model", "stage.py:Stage", "--out", "preds")]
    ends.append(headrace("plan", photos, "--model", "stage.py:Stage", "--out", "preds"))
    assert [done.code for done in ends] == [0, 0]
    assert_not_obeyed(*(stream for done in ends for stream in (done.out, done.err)))
    assert rb"\x1b]0;owned\x07" in ends[1].out
    assert {line.partition(b": ")[0] for line in ends[0].err.splitlines()} == {b"headrace"}


def test_error_messages_are_one_line_of_bounded_length(headrace: Headrace, photos: Path) -> None:
    write_stage(fails=True, repeated=100_000)
    done = headrace("run", photos, "--model", "stage.py:Stage", "--out", "preds")
    assert (done.code, done.out) == (1, b"")
    assert_not_obeyed(done.err)
    *_, last = done.err.decode().splitlines()
    assert last.startswith("headrace: ")
    assert last.endswith("finished partitions are kept")
    assert len(last) == 2000 + len("headrace: ")


def test_names_inside_a_model(headrace: Headrace, photos: Path) -> None:
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 8, 8]) for n in ("x", "y"))
    graph = helper.make_graph([helper.make_node(EVIL, ["x"], ["y"], domain=EVIL)], EVIL, [x], [y])
    onnx.save(helper.make_model(graph, ir_version=8), "evil.onnx")
    done = headrace("run", photos, "--model", "evil.onnx", "--out", "preds")
    assert (done.code, done.out) == (2, b"")
    assert_not_obeyed(done.err)
    assert done.err.count(b"\n") == 1


def test_terminal_that_knows_ascii_only(headrace: Headrace, photos: Path) -> None:
    ends = [
        headrace("run", photos, "--model", MODEL, "--out", "ö", PYTHONIOENCODING="ascii"),
        headrace("demo", PYTHONIOENCODING="ascii"),
    ]
    assert [done.code for done in ends] == [0, 0]
    assert all((done.out + done.err).isascii() for done in ends)


def test_fault_of_headraces_own_is_a_traceback_that_is_safe_to_print(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*, standalone_mode: bool) -> None:
        raise KeyError(standalone_mode) from RuntimeError(EVIL)

    monkeypatch.setattr("headrace.cli.app.app", fails)
    monkeypatch.setattr(sys, "argv", ["headrace", "plan"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert_not_obeyed(said.encode())
    assert "Traceback" in said
    assert "KeyError: False" in said


def in_a_terminal(*arguments: str) -> tuple[int, bytes]:
    """Exit code and all that a process wrote to a terminal that is its stdout and stderr."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, *arguments], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
        except OSError:
            pass  # the end of a terminal is an error on Linux
        finally:
            os.close(ours)
    return process.returncode, written


SHOW = """
import sys
from headrace.cli.progress import LiveBar
from headrace.core.progress import Progress
with LiveBar() as bar:
    bar(Progress(rows=1, rows_total=2, rows_rejected=1, rows_per_s=1.0, eta_s=1.0, busy={sys.argv[1]: 0.5}))
"""


def test_live_bar_shows_a_stage_as_it_is_named() -> None:
    code, written = in_a_terminal("-c", SHOW, EVIL)
    assert code == 0
    assert b"[red]" in written
    assert b"[/blue] 50%" in written
    assert [b for b in (b"\x1b]", b"\x07", *(c.encode() for c in ("\x9b", "\u202e", "\u2028"))) if b in written] == []
    assert CLEAR.encode() not in written


def test_command_on_a_terminal(photos: Path) -> None:
    write_stage()
    line = ("-m", "headrace", "run", "photos", "--model", "stage.py:Stage", "--out", "preds")
    code, written = in_a_terminal(*line)
    assert code == 0, written
    assert [b for b in (b"\x1b]", b"\x07", *(c.encode() for c in ("\x9b", "\u202e", "\u2028"))) if b in written] == []
    assert CLEAR.encode() not in written
