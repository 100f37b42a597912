"""`headrace bench ray`: its arithmetic, its targets, and the processes that it measures in."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from headrace.bench.measures import Measure, MeasureFailed
from headrace.bench.pipeline import targets
from headrace.bench.ray import benchmark, memory, sleepers
from headrace.bench.ray.arithmetic import NotSteady, ideal_s, linearity, opening, overhead_ratio, steady
from headrace.bench.ray.benchmark import run_ray
from headrace.bench.ray.child import json_of_module, run_command
from headrace.bench.ray.measuring import MEASURES, SLOTS, TARGETS, WORKERS, beside
from headrace.bench.ray.memory import make_numbers
from headrace.core.errors import BadOption

PERFECT = {
    "pipeline/headrace local": {"rows_per_s": 8.0, "rows": 80, "wall_s": 12},
    "pipeline/headrace on Ray": {"rows_per_s": 7.2, "rows": 72, "wall_s": 20},
    "pipeline/textbook Ray Data": {"rows_per_s": 4.0, "rows": 40, "wall_s": 20},
    "pipeline/seeds fp32": {"rows_per_s": 0.8, "rows": 8, "wall_s": 20},
    **{
        f"overhead/{way}/{n}": {"seconds": 4.2, "ideal_s": 4.0}
        for way in ("ray-tasks", "ray-actors", "headrace-infer", "headrace-engine")
        for n in SLOTS
    },
    **{f"scaling/{way}/{n}": {"rows_per_s": 80.0 * n} for way in ("headrace", "ray") for n in WORKERS},
    **{f"memory/{way}/{rows}": {"driver_rss_bytes": 2e8} for way in memory.WAYS for rows in (10**5, 10**6)},
}


@pytest.mark.parametrize(("blocks", "slots", "seconds"), [(16, 4, 4.0), (17, 4, 5.0), (3, 4, 1.0), (128, 32, 4.0)])
def test_the_ideal_is_whole_rounds(blocks: int, slots: int, seconds: float) -> None:
    assert ideal_s(blocks, slots, 1.0) == seconds


def test_overhead_is_what_is_added_to_the_ideal() -> None:
    assert overhead_ratio(4.4, 4.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("ready", "began", "opens"),
    [
        ([12.0, 14.0], [14.1, 14.1], 14.0),  # all were up before the first block
        ([12.0, 14.0], [12.1, 14.1], 12.1),  # one began alone: the other's start counts
        ([0.0, 0.0], [10.2, 10.2], 10.0),  # nothing had to be built: from the call
    ],
)
def test_a_step_is_timed_from_when_its_workers_are_up_unless_it_did_not_wait(
    ready: list[float], began: list[float], opens: float
) -> None:
    assert opening(10.0, ready, began) == opens


def test_the_steady_rate_leaves_out_filling_and_draining() -> None:
    early = [float(t) for t in range(21)]  # a batch a second, from 0 to 20
    late = [float(t) for t in range(5, 31)]
    found = steady({1: early, 2: late})
    assert (found.seconds, found.batches_per_s) == (15.0, 2.0)
    assert found.ratio == pytest.approx(30 / 47)


def test_waiting_for_input_counts_in_the_steady_rate() -> None:
    starved = [*range(10), *range(20, 30)]
    assert steady({1: [*range(30)], 2: starved}).batches_per_s == pytest.approx((29 + 19) / 29)


@pytest.mark.parametrize("second", [[100.0, 101.0], [18.0, 19.0, 20.0]], ids=["one after the other", "hardly together"])
def test_a_rate_of_workers_that_were_hardly_at_work_together_is_refused(second: list[float]) -> None:
    with pytest.raises(NotSteady, match="batches were done while all workers were at work"):
        steady({1: [float(t) for t in range(21)], 2: second})


def test_linearity_is_the_worst_of_all_numbers_of_workers() -> None:
    assert linearity({1: 10.0, 2: 20.0, 4: 36.0, 8: 79.0}) == pytest.approx(0.9)


def test_every_target_is_judged_once_its_measures_are_there() -> None:
    rows = targets(PERFECT, TARGETS)
    assert len(rows) == len(TARGETS)
    assert [row["name"] for row in rows if not row["met"]] == []
    assert [row["name"] for row in targets({k: v for k, v in PERFECT.items() if k.startswith("memory")}, TARGETS)] == [
        "driver's peak RSS, 10^6 / 10^5 rows",
        "the same in 4,000 / 400 parts",
    ]


@pytest.mark.parametrize(
    ("measure", "numbers", "target"),
    [
        ("pipeline/headrace on Ray", {"rows_per_s": 5.9, "rows": 1, "wall_s": 1}, "headrace on Ray / headrace local"),
        ("overhead/headrace-infer/16", {"seconds": 4.5, "ideal_s": 4.0}, "overhead of hr.ray.infer, 16 slots"),
        ("scaling/headrace/8", {"rows_per_s": 600.0}, "least of rate(n) / n x rate(1), n <= 16 workers"),
        ("memory/headrace/1000000", {"driver_rss_bytes": 2.2e8}, "driver's peak RSS, 10^6 / 10^5 rows"),
    ],
)
def test_a_target_that_is_missed_is_said_to_be(measure: str, numbers: dict[str, float], target: str) -> None:
    missed = [row["name"] for row in targets(PERFECT | {measure: numbers}, TARGETS) if not row["met"]]
    assert target in missed


def test_what_the_targets_need_is_measured() -> None:
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    assert {name for target in TARGETS for name in target.needs} <= set(names)


def test_plain_ray_data_stands_beside() -> None:
    found = beside(PERFECT)
    assert found["overhead of ray-tasks, 32 slots"] == pytest.approx(0.05)
    assert found["linearity of plain Ray Data"] == 1
    assert found["rows/s of the whole process, textbook Ray Data"] == 2


def test_a_device_takes_calls_of_many_threads_one_after_the_other() -> None:
    device, began = sleepers._Device(0.02), []
    threads = [threading.Thread(target=lambda: began.append(device.run())) for _ in range(3)]
    first = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - first >= 0.06
    assert min(np.diff(sorted(began))) >= 0.019  # the two clocks that it is told by differ by microseconds


def test_stages_say_where_and_when_they_ran_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sleepers, "_SLOT", sleepers._Device(0.0))
    monkeypatch.setattr(sleepers, "_MODEL_DEVICE", sleepers._Device(0.0))
    batch = {"number": np.arange(3)}
    block = sleepers.BlockSleeper()(batch)
    assert 0 < block["ready"][0] <= block["ended"][0]
    assert sleepers.sleep_a_block(batch)["ready"].tolist() == [0.0] * 3
    assert set(sleepers.SleepingModel()(batch)) == {"number", "worker", "done_at"}
    assert sleepers.doubled(batch)["twice"].tolist() == [0, 2, 4]


def test_a_measured_process_gives_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(
        "import sys\nprint('{no}')\nprint('{\"it\": \"%s\"}' % sys.argv[1])\nprint('bye')\n"
    )
    assert json_of_module("told", ["4"], scratch=tmp_path, timeout_s=60) == {"it": "4"}


@pytest.mark.parametrize(("code", "said"), [("raise SystemExit('no slots')", "no slots"), ("", "no JSON line")])
def test_a_measured_process_that_fails_is_named(code: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(code)
    with pytest.raises(MeasureFailed, match=said):
        json_of_module("told", [], scratch=tmp_path, timeout_s=60)


def test_a_measured_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with pytest.raises(MeasureFailed, match="not done after 0 s"):
        run_command(["sleep", "1000"], scratch=tmp_path, timeout_s=0.01)


def test_the_peak_memory_of_a_process_is_not_that_of_the_one_that_started_it(tmp_path: Path) -> None:
    ballast = np.ones(100 * 10**6)
    code = "from headrace.bench.ray.child import peak_rss_bytes; print(peak_rss_bytes())"
    told = run_command([sys.executable, "-c", code], scratch=tmp_path, timeout_s=60)
    assert 0 < int(told) < ballast.nbytes / 2


def test_numbers_are_made_once(tmp_path: Path) -> None:
    made = make_numbers(tmp_path, 25_000)
    stamp = made.stat().st_mtime_ns
    assert make_numbers(tmp_path, 25_000).stat().st_mtime_ns == stamp
    assert pq.read_metadata(made).num_row_groups == 3


def test_a_measure_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="--only must be part of one of"):
        run_ray(out=tmp_path, work=tmp_path, repetitions=1, only="spark", photos=8)


def test_what_is_not_measured_again_is_kept_while_versions_and_photos_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([1.0, 2.0, 3.0, 4.0])
    monkeypatch.setattr(benchmark, "MEASURES", (Measure("startup/a", None), Measure("startup/b", None)))  # type: ignore[arg-type]
    monkeypatch.setattr(benchmark, "prepare", lambda *_: None)
    monkeypatch.setattr(benchmark, "measured", lambda *_: {"seconds": next(values)})

    def told(only: str | None, photos: int) -> dict[str, float]:
        run_ray(out=tmp_path, work=tmp_path, repetitions=1, only=only, photos=photos)
        found = json.loads((tmp_path / "ray.json").read_text())["medians"]
        return {name: numbers["seconds"] for name, numbers in found.items()}

    assert told(None, 8) == {"startup/a": 1.0, "startup/b": 2.0}
    assert told("b", 8) == {"startup/a": 1.0, "startup/b": 3.0}
    assert told("b", 9) == {"startup/b": 4.0}
