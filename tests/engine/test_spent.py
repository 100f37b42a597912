"""What workers in other processes spend is told in pieces, and adds up to what one process would have reported."""

import pytest

from headrace.engine.flow.meters import StageMeter
from headrace.engine.telling.spent import Ledger, Spent, Telling


def worked(meter: StageMeter, rows: int) -> None:
    with meter.working(rows):
        pass


def test_pieces_add_up_and_nothing_is_told_twice() -> None:
    meter = StageMeter("infer", 2)
    telling, ledger = Telling("node/1", {"infer": meter}), Ledger(["infer", "write"])
    for rows in (4, 0, 3):
        if rows:
            worked(meter, rows)
            meter.used_cpu(0.5)
        ledger.add(telling.since())
    infer, write = ledger.reports()
    assert (infer.name, infer.rows, infer.cpu_s, infer.workers) == ("infer", 7, 1.0, 2)
    assert (write.rows, write.workers) == (0, 1)
    assert ledger.cpu_s() == 1.0


def test_workers_of_several_processes_are_counted_together() -> None:
    ledger = Ledger([])
    for process in ("a/1", "a/2", "b/1", "a/1"):
        ledger.add([Spent("read", process, 3, 1, 0.1, 0.1, 0.0, 0.0)])
    (read,) = ledger.reports()
    assert (read.workers, read.rows, read.busy_s) == (9, 4, pytest.approx(0.4))


def test_cpu_of_a_runtime_that_computes_elsewhere_is_told_by_its_process() -> None:
    meter = StageMeter("infer", 1)
    telling = Telling("a/1", {"infer": meter})
    assert [s.cpu_s for s in telling.since({"infer": 2.0})] == [2.0]
    assert [s.cpu_s for s in telling.since({"infer": 5.0})] == [3.0]


def test_running_threads_count_while_they_run() -> None:
    meter = StageMeter("read", 1)
    with meter.thread():
        before = meter.cpu_s
        sum(range(200_000))
        assert meter.cpu_s > before
    assert meter.cpu_s > before
