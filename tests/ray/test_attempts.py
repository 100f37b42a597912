"""Which rows workers died over, and which they merely had in hand when their node went."""

import pytest

pytest.importorskip("ray")

from headrace.core.errors import KeepsCrashing
from headrace.engine.ray_data.attempts import Record

ROWS = (8, 11)


def died(record: Record, node: str, times: int = 1) -> None:
    """Workers on a node begin with partition 2, take rows in hand, and are not heard of again."""
    for _ in range(times):
        record.begin("infer", 2, node)
        record.hold("infer", 2, "infer", ROWS)


def test_rows_that_workers_die_over_are_suspects() -> None:
    record = Record(lambda: {"a", "b"})
    assert record.begin("infer", 2, "a").deaths == 0
    record.hold("infer", 2, "infer", ROWS)
    died(record, "b")
    begun = record.begin("infer", 2, "a")
    assert (begun.deaths, begun.suspects) == (2, {"infer": {ROWS: 2}})


def test_rows_that_a_worker_was_done_with_are_no_suspects() -> None:
    record = Record(lambda: {"a"})
    died(record, "a")
    record.release("infer", 2, "infer", ROWS)
    assert record.begin("infer", 2, "a").suspects == {}


def test_worker_that_went_with_its_node_says_nothing_against_its_rows() -> None:
    living = {"a", "b"}
    record = Record(lambda: living)
    died(record, "a")
    assert record.begin("infer", 2, "b").suspects == {"infer": {ROWS: 1}}  # nobody knows yet that the node is gone
    living.remove("a")
    assert record.begin("infer", 2, "b").suspects == {}


def test_partition_that_is_done_is_forgotten() -> None:
    record = Record(lambda: {"a"})
    died(record, "a")
    record.end("infer", 2)
    assert record.begin("infer", 2, "a").deaths == 0


def test_workers_that_die_again_and_again_stop_the_run() -> None:
    record = Record(lambda: {"a"})
    died(record, "a", 24)
    with pytest.raises(KeepsCrashing):
        record.begin("infer", 2, "a")


def test_nodes_that_go_again_and_again_do_not() -> None:
    living = {"a", "b"}
    record = Record(lambda: living)
    died(record, "a")
    living.remove("a")
    for number in range(100):
        record.begin("read", number, "a")
    for number in range(100):
        assert record.begin("read", number, "b").suspects == {}


def test_partition_whose_reading_kills_stops_the_run_though_its_neighbour_is_done_again_and_again() -> None:
    record = Record(lambda: {"a"})
    for _ in range(24):
        record.begin("read", 1, "a")
        record.begin("read", 2, "a")
        record.hold("read", 2, "read", ROWS)
        record.end("read", 1)
    with pytest.raises(KeepsCrashing, match=r"read, partition 2: the process has died 24 times"):
        record.begin("read", 2, "a")


def test_partition_whose_rows_are_being_found_goes_on_while_others_are_done() -> None:
    """Each death says more of which rows to leave out: 24 of them find but 3 of 64."""
    record = Record(lambda: {"a"})
    for _ in range(100):
        record.begin("infer", 1, "a")
        died(record, "a")
        record.end("infer", 1)
    assert record.begin("infer", 2, "a").suspects["infer"] == {ROWS: 100}


def test_step_that_has_worked_somewhere_is_told_to_all_that_begin() -> None:
    record = Record(lambda: {"a"})
    assert record.begin("infer", 1, "a").working == frozenset()
    record.end("infer", 1, frozenset({"infer"}))
    died(record, "a")
    assert record.begin("infer", 2, "a").working == {"infer"}
    assert record.begin("infer", 3, "a").working == {"infer"}
