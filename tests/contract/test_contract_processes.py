"""Stages in worker processes give the same rows as threads, and die without taking rows with them."""

import contextlib
import faulthandler
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from outputs import leftovers, only, parts, rejected, written

import headrace as hr
from headrace.engine.flow.queues import Closed
from headrace.engine.local.processes import ProcessWorker, end_workers

ROWS = 60


def digits(batch: dict[str, Any]) -> dict[str, Any]:
    """Holds the GIL: pure Python."""
    return {"digits": [sum(map(int, str(int(n) ** 40))) for n in batch["n"]], "text": [str(n) for n in batch["n"]]}


def failing(batch: dict[str, Any]) -> dict[str, Any]:
    if 40 in batch["n"]:
        raise ValueError("forty is too much")
    return {"n": batch["n"]}


def dying(batch: dict[str, Any]) -> dict[str, Any]:
    if 40 in batch["n"]:
        os._exit(9)
    return {"n": batch["n"]}


def crashing(batch: dict[str, Any]) -> dict[str, Any]:
    if 40 in batch["n"]:
        faulthandler._sigsegv()
    return {"n": batch["n"]}


def dying_at_once(batch: dict[str, Any]) -> dict[str, Any]:
    os._exit(9)


class Unbuilt:
    def __init__(self) -> None:
        raise LookupError("no weights")

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return batch


class Unpicklable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raising_oddly(batch: dict[str, Any]) -> dict[str, Any]:
    raise Unpicklable(1, 2)


@pytest.fixture
def in_processes(tmp_path: Path) -> Callable[[Callable[..., Any]], tuple[hr.Dataset, Path]]:
    """A job with the stage, and a saved plan that puts it into two processes."""

    def make(stage: Callable[..., Any]) -> tuple[hr.Dataset, Path]:
        job = hr.from_items([{"n": i} for i in range(ROWS)]).map_batches(stage)
        plan = tmp_path / "plan.toml"
        drafted = job.plan(batch_size=5, partition_rows=20)
        two = {name: replace(choice, value="processes:2") for name, choice in drafted.stages.items()}
        plan.write_text(replace(drafted, stages=two).to_toml())
        return job, plan

    return make


InProcesses = Callable[[Callable[..., Any]], tuple[hr.Dataset, Path]]


OF_LOCAL = only("local", "a plan that puts a stage into worker processes is the local engine's")


def children() -> list[psutil.Process]:
    """The worker processes that are there (other tests may have left children of other kinds)."""
    running = [p for p in psutil.Process().children() if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    return [p for p in running if "headrace.engine.local.child" in p.cmdline()]


@pytest.mark.timeout(60)
@OF_LOCAL
def test_processes_give_the_same_rows_as_threads(engine: str, in_processes: InProcesses, tmp_path: Path) -> None:
    job, plan = in_processes(digits)
    report = job.write_parquet(tmp_path / "p", engine=engine, plan=plan)
    job.write_parquet(tmp_path / "t", engine=engine, batch_size=5)
    assert written(tmp_path / "p") == written(tmp_path / "t")
    assert next(s for s in report.stages if s.name == "digits").workers == 2
    assert children() == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("stage", "error_type", "message"),
    [
        (failing, "ValueError", "forty is too much"),
        (dying, "WorkerDied", "the worker process of dying died (exit 9)"),
        (crashing, "WorkerDied", "the worker process of crashing died (SIGSEGV)"),
    ],
)
@OF_LOCAL
def test_row_that_fails_or_kills_a_process_is_rejected_alone(
    engine: str, stage: Callable[..., Any], error_type: str, message: str, in_processes: InProcesses, tmp_path: Path
) -> None:
    job, plan = in_processes(stage)
    report = job.write_parquet(tmp_path / "o", engine=engine, plan=plan)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (ROWS, ROWS - 1, 1)
    assert [r["n"] for r in written(tmp_path / "o")] == [n for n in range(ROWS) if n != 40]
    (reject,) = rejected(tmp_path / "o")
    assert (reject["key"], reject["row"], reject["stage"]) == ("40", 40, stage.__name__)
    assert (reject["error_type"], reject["message"]) == (error_type, message)
    assert json.loads(reject["original"]) == {"n": 40}
    assert children() == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("stage", "kept", "message"),
    [
        (dying_at_once, "WorkerDied", "the worker process of dying_at_once died"),
        (raising_oddly, "RuntimeError", "Unpicklable: 1 and 2"),
    ],
)
@OF_LOCAL
def test_failure_in_a_process_comes_through_with_its_cause(
    engine: str, stage: Callable[..., Any], kept: str, message: str, in_processes: InProcesses, tmp_path: Path
) -> None:
    job, plan = in_processes(stage)
    with pytest.raises(hr.StageFailed, match=message) as caught:
        job.write_parquet(tmp_path / "o", engine=engine, plan=plan)
    assert type(caught.value.__cause__).__name__ == kept
    assert len(parts(tmp_path / "o")) <= 2
    assert leftovers(tmp_path / "o") == []
    assert children() == []


@pytest.mark.timeout(60)
@OF_LOCAL
def test_class_that_cannot_be_built_in_a_process_is_told(
    engine: str, in_processes: InProcesses, tmp_path: Path
) -> None:
    job, plan = in_processes(Unbuilt)
    with pytest.raises(hr.StageNotBuilt, match="Unbuilt: could not be built: LookupError: no weights"):
        job.write_parquet(tmp_path / "o", engine=engine, plan=plan)
    assert children() == []


SCRIPT = """
import headrace as hr

calls = []

def triple(batch):
    return {"n": batch["n"] * 3}

calls.append(1)
job = hr.from_items([{"n": i} for i in range(20)]).map_batches(triple)
report = job.write_parquet("out", plan="plan.toml")
print(report.rows_out, len(calls), [s.workers for s in report.stages if s.name == "triple"])
"""


@pytest.mark.timeout(60)
def test_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "plan.toml").write_text('schema_version = 1\n[stages.triple]\nvalue = "processes:2"\n')
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "20 1 [2]"
    assert [r["n"] for r in written(tmp_path / "out")] == [3 * i for i in range(20)]


def endless(batch: dict[str, Any]) -> dict[str, Any]:
    while True:
        pass


@pytest.mark.timeout(60)
def test_process_in_the_middle_of_a_batch_is_ended(in_processes: InProcesses) -> None:
    worker = ProcessWorker(in_processes(endless)[0].job.steps[0])  # type: ignore[arg-type]
    worker.wait_built()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(worker, {"n": np.arange(3)})
        while not worker._calling.locked():
            pass
        end_workers([worker], 1.0)
        with pytest.raises(Closed):
            call.result(20)
    assert children() == []


@pytest.mark.timeout(60)
def test_rows_looked_at_and_left_end_the_threads(in_processes: InProcesses) -> None:
    job, _ = in_processes(digits)
    assert len(job.take(3)) == 3
    assert children() == []
    assert [t.name for t in threading.enumerate() if t.name.startswith("headrace-")] == []


ORPHANING = """
import os, signal, sys, threading
import numpy as np
from headrace.engine.local.processes import ProcessWorker
from headrace.stages.map_batches import MapBatches

def endless(batch):
    while True:
        pass

worker = ProcessWorker(MapBatches(fn=endless))
worker.wait_built()
threading.Thread(target=worker, args=({"n": np.arange(3)},), daemon=True).start()
print(worker._running.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.timeout(60)
def test_worker_in_the_middle_of_a_batch_ends_with_a_parent_that_was_killed() -> None:
    done = subprocess.run([sys.executable, "-c", ORPHANING], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(30)
