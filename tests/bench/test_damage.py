"""Damaged photos are decoded or refused; the process that decodes them does not die, hang or grow."""

import json
import pickle
from pathlib import Path

import pytest

from headrace.bench.bad.damage import CRASH, DECODED, HANG, DecoderFailed, Outcome, Victim, run_bad_inputs
from headrace.bench.bad.mutations import mutated, originals

FILES = 600


@pytest.mark.timeout(200)
def test_damaged_photos_crash_hang_and_leak_nothing(tmp_path: Path) -> None:
    run_bad_inputs(out=tmp_path, count=FILES)
    body = json.loads((tmp_path / "bad-input.json").read_text())
    assert [t["name"] for t in body["targets"] if not t["met"]] == []
    assert body["failed"] == []
    assert sum(body["outcomes"].values()) == body["files"] == FILES
    assert set(body["outcomes"]) == {DECODED, "NotAnImage", "TooManyPixels"}
    assert body["outcomes"][DECODED] > FILES / 20


def test_damaged_photos_are_always_the_same_and_all_different() -> None:
    assert [mutated(0, i) for i in range(50)] == [mutated(0, i) for i in range(50)]
    assert len({mutated(0, i) for i in range(50)} | {mutated(1, i) for i in range(50)} | set(originals())) >= 190
    assert all(mutated(0, i) for i in range(50))


@pytest.mark.timeout(60)
def test_crash_and_hang_are_counted_and_the_next_file_is_decoded() -> None:
    victim = Victim(exec, patience_s=2.0)
    try:
        kinds = [
            victim(code).kind for code in (b"1", b"1 / 0", b"import os; os.abort()", b"2", b"while True: pass", b"3")
        ]
    finally:
        victim.close()
    assert kinds == [DECODED, "ZeroDivisionError", CRASH, DECODED, HANG, DECODED]


def test_memory_that_a_file_takes_is_seen() -> None:
    victim = Victim(exec)
    try:
        before = victim(b"1")
        after = victim(b"kept = bytearray(b'x' * 50_000_000)")
    finally:
        victim.close()
    assert isinstance(after, Outcome)
    assert after.peak_bytes - before.peak_bytes > 40_000_000


@pytest.mark.timeout(60)
def test_run_with_a_crash_is_written_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.bench.bad.damage.decode", exec)
    monkeypatch.setattr("headrace.bench.bad.damage.originals", lambda: (b"1",))
    monkeypatch.setattr("headrace.bench.bad.damage.mutated", lambda _, i: b"import os; os.abort()" if i == 3 else b"1")
    with pytest.raises(DecoderFailed, match=r"1 damaged photos .* \(first: file 3 of seed 0: crash\)") as caught:
        run_bad_inputs(out=tmp_path, count=5)
    assert json.loads((tmp_path / "bad-input.json").read_text())["outcomes"] == {DECODED: 4, CRASH: 1}
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
