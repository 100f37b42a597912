"""What the engine measures of stages, the GIL and the GPU."""

import hashlib
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headrace.engine.flow.meters import StageMeter
from headrace.engine.settling.gil import held_ratio
from headrace.engine.telling.clock import RunClock
from headrace.engine.telling.gpu import GpuSampler


def loop() -> int:
    total = 0
    end = time.perf_counter() + 0.15
    while time.perf_counter() < end:
        total += 1
    return total


def hash_much() -> str:
    return hashlib.sha256(np.zeros(150_000_000, np.uint8)).hexdigest()


def test_python_loop_holds_the_gil_and_numpy_sleep_and_hashing_do_not() -> None:
    result, seconds, held = held_ratio(loop)
    assert result > 0
    assert seconds > 0.1
    assert held > 0.5
    assert held_ratio(lambda: time.sleep(0.15))[2] < 0.5
    assert held_ratio(hash_much)[2] < 0.5


def test_call_that_is_too_short_to_tell_counts_as_free_and_errors_come_through() -> None:
    assert held_ratio(lambda: 5)[::2] == (5, 0.0)
    with pytest.raises(KeyError):
        held_ratio(lambda: {}["x"])
    assert not [t for t in threading.enumerate() if t.name == "headrace-gil"]


def test_meter_adds_up_rows_and_waits_and_counts_no_more_than_its_workers() -> None:
    meter = StageMeter("infer", 1)
    with meter.working(4), meter.working(6):
        time.sleep(0.02)
    meter.waited(1.0, 2.0)
    meter.waited(0.5, 0.0)
    meter.used_cpu(0.25)
    report = meter.report()
    assert (report.name, report.workers, report.rows) == ("infer", 1, 10)
    assert (report.wait_in_s, report.wait_out_s, report.cpu_s) == (1.5, 2.0, 0.25)
    assert 0 < report.busy_s <= report.batch_ms_p99 * 2 / 1000
    assert 0 < report.batch_ms_p50 <= report.batch_ms_p99
    assert meter.report(cpu_s=9.0).cpu_s == 9.0


def test_meter_keeps_a_bounded_sample_of_a_long_run() -> None:
    meter = StageMeter("read", 1)
    for _ in range(5000):
        with meter.working(1):
            pass
    assert meter.rows == 5000
    assert len(meter._durations) == 4096


def test_meter_without_work_reports_zeros() -> None:
    report = StageMeter("idle", 2).report()
    assert (report.rows, report.busy_s, report.batch_ms_p50, report.batch_ms_p99) == (0, 0.0, 0.0, 0.0)


def test_clock_ends_start_up_at_the_first_row_or_the_first_probe() -> None:
    clock = RunClock(before_s=2.0)
    assert clock.startup_s >= 2.0
    began = time.perf_counter()
    clock.probed(began)
    clock.started_reading()
    clock.finished()
    assert 2.0 <= clock.startup_s <= clock.wall_s
    assert clock.probe_s >= 0


class FakeNvml:
    """A GPU whose figures are known."""

    class NVMLError(Exception):
        """What NVML raises."""

    def __init__(self, *, partitioned: bool = False) -> None:
        self.partitioned = partitioned
        self.asked = threading.Semaphore(0)
        self.loads = iter([50, 100, 0])
        self.memory = iter([10, 30, 20])

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUtilizationRates(self, _handle: int) -> Any:
        if self.partitioned:
            self.asked.release()
            raise self.NVMLError("Not Supported")
        load = next(self.loads, None)
        if load is None:
            raise self.NVMLError("gone")
        return SimpleNamespace(gpu=load)

    def nvmlDeviceGetMemoryInfo(self, _handle: int) -> Any:
        self.asked.release()
        return SimpleNamespace(used=next(self.memory, 0))


def sampled(nvml: FakeNvml, samples: int) -> GpuSampler:
    sampler = GpuSampler(nvml)
    sampler.start(0.001)
    for _ in range(samples):
        assert nvml.asked.acquire(timeout=10)
    sampler.stop()
    return sampler


def test_gpu_sampler_gives_the_mean_load_and_the_most_memory() -> None:
    sampler = sampled(FakeNvml(), 4)
    assert (sampler.busy, sampler.mem_peak_bytes) == (0.5, 30)


def test_gpu_that_tells_no_load_still_tells_its_memory() -> None:
    sampler = sampled(FakeNvml(partitioned=True), 2)
    assert (sampler.busy, sampler.mem_peak_bytes) == (None, 10)


def test_without_a_gpu_there_is_nothing_to_sample() -> None:
    sampler = GpuSampler()
    sampler._nvml = None
    sampler.start()
    sampler.stop()
    assert (sampler.busy, sampler.mem_peak_bytes) == (None, None)
