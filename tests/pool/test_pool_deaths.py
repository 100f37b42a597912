"""Workers of a live pool that die, pools that are let go of, and programs that end."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import psutil
import pytest

from headrace.api.pool import ModelPool
from headrace.core.errors import StageNotBuilt
from headrace.core.faults import WorkerDied

MakePool = Callable[..., ModelPool]
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers then import only what a class needs


class Model:
    def __init__(self, folder: Path) -> None:
        self.folder, self.value = folder, 0
        if (folder / "broken").exists():
            raise OSError("the weights are gone")

    def infer(self, x: int) -> tuple[int, int]:
        return x, self.value

    def change(self, value: int) -> None:
        self.value = value

    def pid(self) -> int:
        return os.getpid()

    def wait(self, x: int) -> int:
        """Says that it is here, and answers when it is let go on."""
        (self.folder / f"here-{os.getpid()}").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.01)
        return x

    def die(self) -> None:
        os._exit(9)


def workers_at_wait(folder: Path, number: int) -> list[int]:
    """The process ids of workers, when `number` of them are in `wait`."""
    while len(here := sorted(folder.glob("here-*"))) < number:
        time.sleep(0.01)
    return [int(p.name.removeprefix("here-")) for p in here]


def gone(pid: int) -> bool:
    """Whether the process ends; waits for it."""
    try:
        psutil.Process(pid).wait(30)
    except psutil.NoSuchProcess:
        return True
    return True


def test_call_whose_worker_is_killed_is_run_again(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(Model, tmp_path)
    future = pool.submit("wait", 5)
    os.kill(workers_at_wait(tmp_path, 1)[0], signal.SIGKILL)
    workers_at_wait(tmp_path, 2)
    (tmp_path / "go").touch()
    assert future.result() == 5
    assert sorted(pool.map("infer", range(10))) == [(x, 0) for x in range(10)]


def test_call_that_kills_two_workers_raises_and_the_pool_goes_on(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(Model, tmp_path)
    with pytest.raises(WorkerDied, match="Model: 2 workers in turn died under this call"):
        pool.die()
    assert [x for x, _ in pool.map("infer", range(10))] == list(range(10))


def test_worker_that_is_killed_comes_back_with_the_committed_version(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(Model, tmp_path, workers=1)
    pool.update("change", 1)
    pool.update("change", 2)
    (tmp_path / "broken").touch()  # it is loaded, not built
    before = pool.pid()
    os.kill(before, signal.SIGKILL)
    assert pool.infer(0) == (0, 2)
    assert pool.pid() != before
    pool.update("change", 3)
    assert pool.infer(0) == (0, 3)


def test_worker_that_cannot_be_built_again_leaves_its_calls_to_the_others(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(Model, tmp_path)
    future = pool.submit("wait", 5)
    killed = workers_at_wait(tmp_path, 1)[0]
    (tmp_path / "broken").touch()
    (tmp_path / "go").touch()
    os.kill(killed, signal.SIGKILL)
    assert future.result() == 5
    assert [x for x, _ in pool.map("infer", range(10))] == list(range(10))


def test_pool_whose_last_worker_cannot_be_built_again_says_so_until_it_can(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(Model, tmp_path, workers=1)
    (tmp_path / "broken").touch()
    with pytest.raises((StageNotBuilt, WorkerDied)):
        pool.die()
    with pytest.raises(StageNotBuilt, match="the weights are gone"):
        pool.infer(1)
    (tmp_path / "broken").unlink()
    assert pool.infer(1) == (1, 0)


def test_closing_ends_the_workers(make_pool: MakePool, tmp_path: Path) -> None:
    with make_pool(Model, tmp_path, workers=1) as pool:
        pid = pool.pid()
    assert gone(pid)


def test_pool_that_is_let_go_of_answers_what_it_was_asked_and_ends(
    make_pool: MakePool, engine: str, tmp_path: Path
) -> None:
    pool = ModelPool(Model, engine=engine, fn_constructor_args=(tmp_path,))
    pid = pool.pid()
    future = pool.submit("infer", 3)
    del pool
    gc.collect()
    assert future.result() == (3, 0)
    assert gone(pid)


SCRIPT = """
import os, sys, time
from headrace.api.pool import ModelPool

class Slow:
    def pid(self): return os.getpid()
    def nap(self): time.sleep(600)
    def close(self): print("closed", file=sys.stderr)

pool = ModelPool(Slow, workers=2, engine=sys.argv[1], **({"num_cpus": 0.5} if sys.argv[1] == "ray" else {}))
print(*{pool.pid() for _ in range(2)})
futures = [pool.submit("nap") for _ in range(int(sys.argv[2]))]
while futures and not futures[0].running():
    pass
"""


@pytest.mark.parametrize(("engine_name", "busy"), [("local", 0), ("local", 1), ("local", 4), ("ray", 1)])
def test_program_that_never_closes_its_pool_ends_and_leaves_no_worker(engine_name: str, busy: int) -> None:
    command = [sys.executable, "-c", SCRIPT, engine_name, str(busy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.split()
    assert all(gone(int(pid)) for pid in done.stdout.split())
    assert "Traceback" not in done.stderr


def test_workers_end_with_a_program_that_is_killed() -> None:
    command = [sys.executable, "-c", SCRIPT + "print(flush=True)\ntime.sleep(600)", "local", "2"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    pids = [int(p) for p in program.stdout.readline().split()]
    program.kill()
    program.wait()
    program.stdout.close()
    assert all(gone(pid) for pid in pids)
