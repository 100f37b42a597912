"""Decisions are pure functions: tables of facts and what follows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.core.report import StageReport
from headrace.job.job import Settings
from headrace.plan import agreement, sizing
from headrace.plan.bottleneck import verdict
from headrace.plan.draft import draft, unmeasured
from headrace.plan.machine import this_machine
from headrace.plan.recipe import make_recipe
from headrace.plan.settling import shared_partition_choice
from headrace.plan.shape import PHOTO_BYTES

MIB = 1 << 20


def stage(name: str, *, workers: int = 1, busy: float = 0.0, cpu: float = 0.0, wait: float = 0.0) -> StageReport:
    return StageReport(name, workers, 100, busy, cpu, wait, 0.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("stages", "bottleneck", "limit", "words"),
    [
        # 2 cores, 10 s, 100 rows: 19 of 20 CPU-seconds are used, most of them in infer.
        (
            [stage("prepare", cpu=4), stage("infer", cpu=15)],
            "infer",
            2 * 100 / 19,
            "infer-bound: 2 cores busy 95%, 79%",
        ),
        ([stage("prepare", cpu=15), stage("infer", cpu=3)], "prepare", 2 * 100 / 18, "prepare-bound"),
        # Cores idle: the stage whose workers wait the least.
        ([stage("read", busy=9.5, cpu=0.1), stage("infer", busy=2, cpu=2)], "read", 100 / 9.5, "read-bound: 1 read"),
        ([stage("read", workers=4, busy=9, cpu=0.1), stage("f", busy=5, cpu=5)], "f", 100 / 5, "f-bound"),
    ],
)
def test_verdict_names_the_stage_and_the_limit(
    stages: list[StageReport], bottleneck: str, limit: float, words: str
) -> None:
    found = verdict(stages, rows=100, seconds=10, cores=2)
    assert (found.bottleneck, found.limit_rows_per_s) == (bottleneck, pytest.approx(limit))
    assert words in found.text


@pytest.mark.parametrize(("rows", "seconds", "count"), [(0, 10, 1), (10, 0, 1), (10, 10, 0), (10, 10, 2)])
def test_verdict_without_work_names_nothing(rows: int, seconds: float, count: int) -> None:
    found = verdict([stage("a", cpu=count % 2)] * count, rows=rows, seconds=seconds, cores=2)
    assert (found.bottleneck, found.limit_rows_per_s) == (None, None)


@pytest.mark.parametrize(
    ("rows", "rate", "batch", "expected"),
    [
        (7, 100, 8, 8),  # one part of one batch
        (2000, 100, 8, 2000),  # 20 s of work: one part
        (4000, 100, 8, 4000),  # 40 s: nearly one part, so one
        (10_000, 100, 8, 3000),  # 30 s a part
        (10**10, 1e6, 8, 65_536),  # the most rows a part may have
        (10_000, 0.001, 8, 8),  # slow: a part is at least a batch
        (10**6, 10**6, 100, 65_500),  # whole batches
        (10**6, 1, 100_000, 100_000),  # a batch larger than the largest part
    ],
)
def test_partition_is_about_half_a_minute_of_whole_batches(rows: int, rate: float, batch: int, expected: int) -> None:
    assert sizing.partition_rows(rows, rate, batch, 100.0, 128 * MIB) == expected


def test_partition_of_large_rows_stays_below_128_mib() -> None:
    assert sizing.partition_rows(10**6, 1000.0, 8, 2.0**20, 128 * MIB) == 128
    assert sizing.partition_rows(200, 1000.0, 8, 2.0**20, 128 * MIB) == 128


@given(rows=st.integers(1, 10**10), rate=st.floats(1e-3, 1e7), batch=st.integers(1, 4096))
def test_partitions_are_whole_batches_and_few(rows: int, rate: float, batch: int) -> None:
    size = sizing.partition_rows(rows, rate, batch, 100.0, 128 * MIB)
    assert size % batch == 0
    assert size <= max(sizing.MAX_PARTITION_ROWS, batch) or size == -(-rows // batch) * batch


@pytest.mark.parametrize(
    ("held", "seconds", "cores", "rows", "expected"),
    [
        (0.1, 0.01, 4, 10**6, ("threads", 4)),
        (0.9, 0.01, 4, 10**6, ("processes", 4)),
        (0.9, 0.01, 4, 500, ("threads", 1)),  # 5 s of work: processes do not pay
        (0.9, 0.01, 1, 10**6, ("threads", 1)),
    ],
)
def test_processes_are_for_long_work_that_holds_the_gil(
    held: float, seconds: float, cores: int, rows: int, expected: tuple[str, int]
) -> None:
    found = sizing.stage_workers(gil_held_ratio=held, seconds_per_row=seconds, cores=cores, rows_left=rows)
    assert found == expected


def test_queues_io_and_trials_follow_the_machine() -> None:
    assert sizing.queue_bytes(128 * MIB, 1, 1, remote=True) == 4 * MIB
    assert [sizing.queue_bytes(64_000 * MIB, 1, 1, remote=r) for r in (True, False)] == [64 * MIB, 8 * MIB]
    assert sizing.queue_bytes(8192 * MIB, 100 * MIB, 2, remote=False) == 400 * MIB
    assert sizing.queue_bytes(512 * MIB, 100 * MIB, 2, remote=False) == 64 * MIB
    assert [
        sizing.io_concurrency(remote=r, in_bursts=b, cores=c)
        for r, b, c in ((True, True, 2), (False, False, 1), (False, True, 1), (False, True, 64))
    ] == [32, 1, 2, 4]
    assert sizing.worth_trying(1.0, 31.0)
    assert not sizing.worth_trying(1.0, 30.0)
    assert sizing.read_chunk_rows(64, prepared=True) == sizing.READ_CHUNK_ROWS
    assert sizing.read_chunk_rows(64, prepared=False) == 64


def test_classes_agree_by_share_of_rows_and_mean_difference() -> None:
    reference = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], np.float32)
    same = agreement.compare_classes("bf16", reference, reference + np.float32(0.001), 0.99)
    assert (same.agree, same.rows, same.kept) == (1.0, 4, True)
    assert same.mean_dp == pytest.approx(0.001, abs=1e-6)
    turned = agreement.compare_classes("bf16", reference, reference[[0, 1, 3, 2]], 0.99)
    assert (turned.agree, turned.kept) == (0.5, False)
    shifted = agreement.compare_classes("bf16", reference, reference * np.float32(0.95), 0.99)
    assert (shifted.agree, shifted.kept) == (1.0, False)


def test_vectors_agree_by_their_cosine() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    assert agreement.compare_vectors("bf16", vectors, vectors * 2).kept
    assert not agreement.compare_vectors("bf16", vectors, -vectors).kept
    zeros = agreement.compare_vectors("bf16", np.zeros((2, 3)), np.zeros((2, 3)))
    assert (zeros.agree, zeros.kept) == (1.0, True)


@given(rows=st.integers(1, 2000), wrong=st.integers(0, 2000), minimum=st.floats(0.5, 1.0))
def test_comparison_is_given_up_only_when_it_cannot_be_won(rows: int, wrong: int, minimum: float) -> None:
    if agreement.hopeless(wrong, rows, minimum):
        assert 1 - wrong / rows < minimum + 1e-9


@given(rows=st.integers(1, 10**9), sample=st.integers(1, 300))
def test_sample_is_spread_over_all_rows(rows: int, sample: int) -> None:
    chosen = agreement.spread(rows, sample)
    assert len(chosen) == min(rows, sample)
    assert chosen[0] == 0
    assert sample == 1 or chosen[-1] == rows - 1


def test_a_first_batch_that_says_nothing_of_its_cost_leaves_partitions_that_can_travel() -> None:
    recipe = make_recipe(hr.from_items(range(1_000_000)).job)
    plan = unmeasured(draft(recipe, Settings(), this_machine(), saved={}), recipe)
    found = shared_partition_choice(
        10**6, plan, slots=4, seconds_per_row=0.0, bytes_per_row=0.0, sent_bytes_per_row=0.0
    )
    assert int(found.value) * PHOTO_BYTES <= 40 * MIB
