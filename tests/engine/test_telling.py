"""What is told of a run: what processes spent, and how it is getting on."""

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from headrace.core.progress import Progress
from headrace.engine.flow.meters import StageMeter
from headrace.engine.telling import watch
from headrace.engine.telling.spent import Ledger, Spent, Telling
from headrace.engine.telling.watch import watched


def test_duration_of_a_batch_is_told_once() -> None:
    meter = StageMeter("infer", 1)
    telling = Telling("here", {"infer": meter})
    told = []
    for batches in (1, 2, 40, 0):
        for _ in range(batches):
            with meter.working(1):
                pass
        told.append(telling.since()[0].durations_s)
    assert [len(durations) for durations in told] == [1, 2, 32, 0]
    assert sorted(told[0] + told[1] + told[2]) == sorted((*meter.durations_s()[:3], *meter.durations_s()[-32:]))


def test_stage_with_few_batches_is_sampled_as_well_as_one_with_many() -> None:
    """However many the others had: each of its own is kept with the same chance."""
    ledger = Ledger(["read", "infer"])
    ledger.add([Spent("read", "here", 1, 1, 1.0, 1.0, 0.0, 0.0, (0.001,) * 100_000)])
    ledger.add([Spent("infer", "here", 1, 1, 1.0, 1.0, 0.0, 0.0, (0.001,) * 8192)])
    ledger.add([Spent("infer", "here", 1, 1, 1.0, 1.0, 0.0, 0.0, (0.005,) * 3 * 8192)])
    _, infer = ledger.reports()
    assert infer.batch_ms_p50 == 5.0


def test_busy_shares_are_those_of_the_last_seconds_though_a_cluster_tells_them_in_lumps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A partition's worker tells what it has spent when it is done: 2 s of work, all at once."""
    now, told = [0.0], list[float]()
    monkeypatch.setattr(watch.time, "perf_counter", lambda: now[0])
    busy = lambda: {"infer": (2.0 * (now[0] // 4), 1)}  # noqa: E731
    telling = watch.Watch(SimpleNamespace(rows=1, rejected=0), 2, busy, lambda p: told.append(p.busy["infer"]))
    for quarter in range(1, 121):
        now[0] = quarter / 4
        telling.tell()
    assert all(share == pytest.approx(0.5, abs=0.15) for share in told[40:])


def test_on_progress_that_raises_stops_the_run_where_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY_S", 0.001)
    called, counted = threading.Event(), SimpleNamespace(rows=1, rejected=0)

    def broken(_: Progress) -> None:
        called.set()
        raise ZeroDivisionError

    def asking(check: Callable[[], None]) -> None:
        assert called.wait(60)
        while True:
            check()

    with pytest.raises(ZeroDivisionError), watched(counted, 4, dict, broken) as check:
        asking(check)
