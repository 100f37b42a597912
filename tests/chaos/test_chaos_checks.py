"""The checks see what they are there to see: an output that was tampered with has the fault that was made."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

import headrace as hr
from headrace.bench.chaos_checks import Fault, output_faults, session_faults, told_faults
from headrace.bench.chaos_kills import Kill, Session
from headrace.bench.chaos_output import Folder, Output, Part

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)


def reject(key: str) -> dict[str, Any]:
    return {"key": key, "stage": "decode", "error_type": "ValueError", "message": "no photo", "original": b""}


def part(start: int, good: int, bad: int) -> Part:
    keys = [f"row {start + i}" for i in range(good)]
    scores = np.linspace(0, 1, good, dtype=np.float32)
    account = {"rows_in": good + bad, "rows_out": good, "rows_rejected": bad, "rows_dropped": 0, "rows_added": 0}
    return Part(
        pa.table({"path": pa.array(keys, pa.string()), "score": scores}),
        {"partition": {"start": start, "stop": start + good + bad, "retried": False}, "account": account},
        [reject(f"bad {start + i}") for i in range(bad)],
    )


def reported(parts: dict[str, Part]) -> Output:
    """A whole output of these parts, written in one session."""
    total = sum((Counter(p.footer["account"]) for p in parts.values()), Counter())
    counts = {name: total[name] for name in ("rows_in", "rows_out", "rows_rejected", "rows_dropped", "rows_added")}
    sessions = [{"started": BEGAN.isoformat(), "rows": counts["rows_out"], "wall_s": 1.0}]
    return Output(parts, counts | {"sessions": sessions}, ())


@st.composite
def outputs(draw: st.DrawFn) -> Output:
    """At least two parts, at least a row and a reject in each."""
    sizes = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2)), min_size=2, max_size=4))
    parts, start = {}, 0
    for number, (good, bad) in enumerate(sizes):
        parts[f"part-{number:08d}.parquet"] = part(start, good, bad)
        start += good + bad
    return reported(parts)


def kinds(faults: list[Fault]) -> dict[str, int]:
    """Rows by kind of fault."""
    counted: Counter[str] = Counter()
    for fault in faults:
        counted[fault.kind] += fault.rows
    return dict(counted)


Change = Callable[[Part], Part]


def tampered(output: Output, name: str, change: Change) -> Output:
    return replace(output, parts={**output.parts, name: change(output.parts[name])})


def without_row(row: int) -> Change:
    return lambda p: replace(p, table=pa.concat_tables([p.table.slice(0, row), p.table.slice(row + 1)]))


def row_twice(row: int) -> Change:
    return lambda p: replace(p, table=pa.concat_tables([p.table, p.table.slice(row, 1)]))


def next_float(row: int) -> Change:
    def change(p: Part) -> Part:
        scores = p.table["score"].to_numpy().copy()
        scores[row] = np.nextafter(scores[row], np.float32(2))
        return replace(p, table=p.table.set_column(1, "score", pa.array(scores)))

    return change


@given(outputs())
def test_output_that_is_the_same_has_no_fault(output: Output) -> None:
    assert output_faults(deepcopy(output), output) == []


@given(outputs(), st.data())
def test_every_row_that_is_tampered_with_is_counted(output: Output, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(output.parts)))
    row = data.draw(st.integers(0, len(output.parts[name].table) - 1))
    lost = kinds(output_faults(tampered(output, name, without_row(row)), output))
    assert lost["lost"] == 1
    assert "duplicated" not in lost
    twice = kinds(output_faults(tampered(output, name, row_twice(row)), output))
    assert twice["duplicated"] == 1
    assert "lost" not in twice
    assert kinds(output_faults(tampered(output, name, next_float(row)), output)) == {"other values": 1}


@given(outputs(), st.data())
def test_every_reject_that_is_tampered_with_is_counted(output: Output, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(output.parts)))
    rejects = output.parts[name].rejects
    fewer = tampered(output, name, lambda p: replace(p, rejects=rejects[1:]))
    more = tampered(output, name, lambda p: replace(p, rejects=[*rejects, rejects[0]]))
    other = tampered(output, name, lambda p: replace(p, rejects=[rejects[0] | {"stage": "infer"}, *rejects[1:]]))
    assert kinds(output_faults(fewer, output)) == {"reject lost": 1, "account": 1}
    assert kinds(output_faults(more, output)) == {"reject too many": 1, "account": 1}
    assert kinds(output_faults(other, output)) == {"reject lost": 1, "reject too many": 1}


@given(outputs())
def test_parts_that_swap_rows_lose_none_and_are_still_told(output: Output) -> None:
    first, second, *_ = output.parts
    swapped = {**output.parts, first: output.parts[second], second: output.parts[first]}
    found = kinds(output_faults(replace(output, parts=swapped), output))
    assert "other keys" in found
    assert "lost" not in found


@given(outputs())
def test_part_that_is_missing_is_lost_with_its_rows(output: Output) -> None:
    first, *others = output.parts
    found = kinds(output_faults(replace(output, parts={n: output.parts[n] for n in others}), output))
    assert found["part missing"] == 1
    assert found["lost"] == len(output.parts[first].table)
    assert found["reject lost"] == len(output.parts[first].rejects)


@given(outputs(), st.sampled_from(["rows_in", "rows_out", "rows_rejected", "rows_dropped", "rows_added"]))
def test_count_that_is_off_is_told(output: Output, name: str) -> None:
    report = replace(output, report=output.report | {name: output.report[name] + 1})
    assert kinds(output_faults(report, output)) == {"report": 1}
    wrong = deepcopy(output)
    next(iter(wrong.parts.values())).footer["account"][name] += 1
    assert "account" in kinds(output_faults(wrong, output))


def session(before: list[str], after: list[str], reads: list[str], *, exit_code: int = 0, at_s: float = 0) -> Session:
    began = BEGAN + timedelta(seconds=at_s)
    return Session(
        began=began,
        ended=began + timedelta(seconds=1),
        exit_code=exit_code,
        kill=Kill("start", 0, 0.0, "all") if exit_code == -9 else None,
        before=frozenset(before),
        after=frozenset(after),
        reads=tuple(reads),
        errors="said why",
        process=1,
    )


ASKED = reported({"part-0": part(0, 2, 1), "part-1": part(3, 2, 0)})


def test_rows_of_a_committed_part_that_are_read_again_are_counted() -> None:
    first = session([], ["part-0"], ["row 0", "row 1", "bad 0", "row 3"], exit_code=-9)
    fine = session(["part-0"], ["part-0", "part-1"], ["row 3", "row 4"])
    again = replace(fine, reads=("bad 0", "row 1", "row 3", "row 4"))
    assert session_faults([first, fine], ASKED) == []
    assert kinds(session_faults([first, again], ASKED)) == {"re-read": 2}


def test_rejects_that_a_later_part_runs_again_are_read_again_and_counted_as_they_ended() -> None:
    again = part(3, 0, 0)
    again.footer["account"] |= {"rows_in": 1, "rows_out": 1}
    again.footer["partition"] |= {"stop": 4, "retried": True}
    mended = replace(again, table=pa.table({"path": ["bad 0"], "score": np.ones(1, np.float32)}))
    asked = reported({"part-0": part(0, 2, 1), "part-1": mended})
    right = replace(asked, report=asked.report | {"rows_in": 3, "rows_out": 3, "rows_rejected": 0})
    assert output_faults(right, right) == []
    first = session([], ["part-0"], ["row 0", "row 1", "bad 0"])
    assert session_faults([first, session(["part-0"], ["part-0", "part-1"], ["bad 0"])], right) == []
    late = session(["part-0", "part-1"], ["part-0", "part-1"], ["bad 0"])
    assert kinds(session_faults([first, late], right)) == {"re-read": 1}


def test_rows_that_no_session_notes_show_that_the_notes_are_wrong() -> None:
    assert kinds(session_faults([session([], ["part-0", "part-1"], ["row 0"])], ASKED)) == {"never read": 4}


def test_session_that_neither_was_killed_nor_went_well_is_told_with_what_it_said() -> None:
    reads = ["row 0", "row 1", "bad 0", "row 3", "row 4"]
    faults = session_faults([session([], [], reads, exit_code=2)], ASKED)
    assert faults == [Fault("session", "0 exited with 2: said why")]


def test_sessions_in_the_report_must_be_those_there_were() -> None:
    killed = session([], ["part-0"], [], exit_code=-9)
    last = session(["part-0"], ["part-0", "part-1"], [], at_s=60)
    told = {"started": last.began.isoformat(), "rows": 2, "wall_s": 1.0}
    right = replace(ASKED, report=ASKED.report | {"sessions": [told]})
    assert told_faults(right, [killed, last]) == []
    for wrong in (told | {"rows": 4}, told | {"started": (last.began + timedelta(hours=1)).isoformat()}):
        assert kinds(told_faults(replace(right, report={"sessions": [wrong]}), [killed, last])) == {"report": 1}
    assert kinds(told_faults(replace(right, report={"sessions": [told, told]}), [killed, last])) == {"report": 1}


class Length:
    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"length": [int(n) for n in batch["n"]]}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """What a small run leaves."""
    out = tmp_path / "out"
    hr.from_items([{"n": i} for i in range(10)]).map_batches(Length).write_parquet(out, partition_rows=4)
    return Folder(fs.LocalFileSystem(), str(out))


def test_real_output_is_read_as_it_is(folder: Folder) -> None:
    output = folder.look()
    assert [p.keys for p in output.parts.values()] == [["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9"]]
    assert output.report["rows_out"] == 10
    assert output_faults(output, output) == []


def test_part_that_is_deleted_or_copied_is_seen(folder: Folder) -> None:
    asked = folder.look()
    out = Path(folder.root)
    (out / "part-00000001.parquet").rename(out / "part-00000007.parquet")
    found = kinds(output_faults(folder.look(), asked))
    assert (found["part missing"], found["part too many"]) == (1, 1)
    (out / "part-00000000.parquet").write_bytes((out / "part-00000007.parquet").read_bytes())
    found = kinds(output_faults(folder.look(), asked))
    assert (found["lost"], found["duplicated"]) == (4, 4)


def test_files_that_should_be_gone_are_seen(folder: Folder) -> None:
    asked = folder.look()
    state = Path(folder.root) / "_headrace"
    (state / "rejects").mkdir(exist_ok=True)
    (state / "rejects/part-00000000-dead.parquet").touch()
    (state / "tmp").mkdir(exist_ok=True)
    (state / "tmp/part-00000000.parquet.dead").touch()
    (state / "lock").touch()
    left = [
        Fault("left over", "lock"),
        Fault("left over", "rejects/part-00000000-dead.parquet"),
        Fault("left over", "tmp/part-00000000.parquet.dead"),
    ]
    assert output_faults(folder.look(), asked) == left


@pytest.mark.parametrize("name", ["part-00000001.parquet", "_headrace/report.json"])
def test_output_with_half_a_file_is_not_taken(folder: Folder, name: str) -> None:
    path = Path(folder.root) / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises((OSError, ValueError, KeyError)):
        folder.look()
