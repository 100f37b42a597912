"""One run at a time: a second is refused and told by whom, a dead one's lock is taken, a lost one stops its run."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.core.errors import BadOutput, WriteFailed
from headrace.core.partition import Account, Partition
from headrace.engine.local.processes import ProcessWorker
from headrace.sinks import locks
from headrace.sinks.holders import Holder
from headrace.sinks.locks import LEASE, LOCK, FolderLock, Lease
from headrace.sinks.object_store import Found, S3Store
from headrace.sinks.parquet import ParquetFolder
from headrace.sinks.stores import LocalStore
from headrace.stages.map_batches import MapBatches

HOLDER = """
import os, sys
from headrace.sinks.parquet import ParquetFolder
with ParquetFolder(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does not wait for a lock that is held."""
    monkeypatch.setattr(locks, "PATIENCE_S", 0.0)


@pytest.fixture
def holder(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock there, until its stdin closes."""
    command = [sys.executable, "-c", HOLDER, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def traces(folder: ParquetFolder) -> list[str]:
    return [n for below in ("_headrace", "_headrace/tmp") for n, _ in folder.store.list(below)]


@pytest.mark.usefixtures("impatient")
def test_second_run_is_refused_and_told_who_holds_it(address: str, holder: subprocess.Popen[bytes]) -> None:
    with pytest.raises(BadOutput) as caught, ParquetFolder(address).lock():
        pass
    assert str(caught.value).startswith(f"{address}: another run is writing there (process {holder.pid} on ")
    assert str(caught.value).endswith("; wait for it, or choose another folder")
    assert holder.stdin is not None
    holder.stdin.close()
    holder.wait()
    with ParquetFolder(address).lock():
        pass


def test_lock_of_a_killed_run_is_taken_at_once(address: str, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()  # and is not waited for: it may be a zombie still
    with ParquetFolder(address).lock():
        pass
    assert traces(ParquetFolder(address)) == []


def test_of_many_at_once_one_holds_it_at_a_time(address: str) -> None:
    inside: list[int] = []

    def run(_number: int) -> None:
        with ParquetFolder(address).lock():
            inside.append(1)
            assert sum(inside) == 1
            inside.append(-1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(6)))
    assert sum(inside) == 0
    assert len(inside) == 12


def test_lock_leaves_no_trace(address: str, tmp_path: Path) -> None:
    folder = ParquetFolder(address)
    with folder.lock():
        assert traces(folder) != []
    assert traces(folder) == []
    assert list(tmp_path.rglob("*")) == []


def test_run_that_has_let_go_writes_no_more(address: str) -> None:
    folder = ParquetFolder(address)
    with folder.lock():
        folder.write_state("plan.toml", "x")
    with pytest.raises(WriteFailed, match="does not hold the output any more"):
        folder.write_state("plan.toml", "y")
    with pytest.raises(WriteFailed, match="see that no other run writes there, and run the same command again"):
        folder.publish(Partition(0, 0, 1), {"x": np.ones(1)}, Account(rows_in=1, rows_out=1), ())
    assert folder.read_state("plan.toml") == "x"


def test_lock_file_that_was_removed_is_a_lost_lock(tmp_path: Path) -> None:
    folder = ParquetFolder(tmp_path)
    with folder.lock():
        (tmp_path / LOCK).unlink()
        with ParquetFolder(tmp_path).lock(), pytest.raises(WriteFailed, match="_headrace/lock was removed"):
            folder.write_state("plan.toml", "x")
        assert not (tmp_path / "_headrace/plan.toml").exists()


def open_files(batch: dict[str, Any]) -> dict[str, Any]:
    files = [str(n.readlink()) for n in Path("/proc/self/fd").iterdir() if n.is_symlink()]
    return {"files": np.array([" ".join(files)])}


def test_worker_processes_do_not_inherit_the_lock(tmp_path: Path) -> None:
    with FolderLock(LocalStore(tmp_path)):
        worker = ProcessWorker(MapBatches(fn=open_files), 60.0)
        try:
            worker.wait_built()
            (files,) = worker({"x": np.ones(1)})["files"]
        finally:
            worker.hang_up()
            worker.wait(5)
        command = f"ls -l /proc/self/fd; readlink {tmp_path / LOCK}; true"
        listed = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout
    assert LOCK not in files
    assert LOCK not in listed


FORKING = """
import os, sys
from headrace.sinks.parquet import ParquetFolder
folder = ParquetFolder(sys.argv[1])
with folder.lock():
    child = os.fork()
    if child == 0:
        os.setsid()
        print(any("_headrace/lock" in os.readlink(f"/proc/self/fd/{n}") for n in (3, 4, 5, 6, 7)
                  if os.path.exists(f"/proc/self/fd/{n}")), flush=True)
        sys.stdin.read()
        sys.exit()  # runs what "with" leaves behind
    sys.stderr.write("parent gone\\n")
    sys.stderr.flush()
    os.kill(os.getpid(), 9)
"""


def test_forked_child_that_outlives_the_run_does_not_hold_its_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"False\n"
        assert process.wait(30) == -signal.SIGKILL
        folder = ParquetFolder(tmp_path)
        with folder.lock():
            process.stdin.close()
            assert process.stdout.read() == b""  # the child has ended, and has let go of nothing
            folder.write_state("plan.toml", "x")


def test_interrupted_waiting_leaves_the_lock_to_its_holder(
    address: str, holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(locks.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt), ParquetFolder(address).lock():
        pass
    assert traces(ParquetFolder(address)) != []
    assert holder.poll() is None


def test_lock_that_says_nothing_is_refused_all_the_same(tmp_path: Path, impatient: None) -> None:
    with FolderLock(LocalStore(tmp_path)):
        (tmp_path / LOCK).write_text("no json")
        with pytest.raises(BadOutput, match="another run is writing there; wait"), ParquetFolder(tmp_path).lock():
            pass


@pytest.fixture
def s3(bucket: Any) -> S3Store:
    return S3Store("s3://outputs/out")


def elsewhere(store: S3Store, **changes: Any) -> Holder:
    """A lease of a process on another machine."""
    there = dataclasses.replace(Holder.me(60.0), host="far", kernel="another boot", **changes)
    store.replace(LEASE, there.to_json())
    return there


def aged(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Makes objects older by the store's clock."""
    look = S3Store.look

    def older(self: S3Store, name: str) -> Found:
        found = look(self, name)
        return dataclasses.replace(found, age_s=found.age_s + seconds)

    monkeypatch.setattr(S3Store, "look", older)


@pytest.mark.usefixtures("impatient")
def test_lease_of_another_machine_is_kept_until_it_expires(s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(s3)
    aged(monkeypatch, 50)
    with pytest.raises(BadOutput, match=r"another run is writing there \(process \d+ on far"), Lease(s3):
        pass
    aged(monkeypatch, 20)
    with Lease(s3) as lease:
        lease.check()
    assert list(s3.list("_headrace")) == []


@pytest.mark.usefixtures("impatient")
def test_of_many_who_find_an_expired_lease_one_takes_it(s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(s3)
    look = S3Store.look
    barrier = threading.Barrier(6)

    def together(self: S3Store, name: str) -> Found:
        found = look(self, name)
        if b"another boot" not in found.data:
            return found
        barrier.wait(10)
        return dataclasses.replace(found, age_s=100.0)

    monkeypatch.setattr(S3Store, "look", together)
    done = threading.Event()
    taken = threading.Semaphore(0)

    def take(_number: int) -> bool:
        try:
            with Lease(s3):
                taken.release()
                done.wait(30)
                return True
        except BadOutput:
            taken.release()
            return False

    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(take, n) for n in range(6)]
        for _ in answers:
            assert taken.acquire(timeout=30)
        done.set()
        assert sorted(a.result() for a in answers) == [False] * 5 + [True]


def test_lease_taken_by_another_run_stops_this_one(s3: S3Store) -> None:
    folder = ParquetFolder(s3.root)
    with folder.lock():
        other = elsewhere(s3)
        lease = folder._lock
        assert isinstance(lease, Lease)
        assert not lease.renew()
        with pytest.raises(WriteFailed, match="another run has taken it"):
            folder.publish(Partition(0, 0, 1), {"x": np.ones(1)}, Account(rows_in=1, rows_out=1), ())
    assert Holder.from_json(s3.read(LEASE)) == other  # and it is left to it
    s3.delete(LEASE)
    with Lease(s3) as lease:
        s3.delete(LEASE)
        assert not lease.renew()


def test_lease_that_cannot_be_renewed_in_its_time_stops_the_run(s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(locks, "_now_s", lambda: clock[0])
    with Lease(s3, lease_s=30.0) as lease:
        clock[0] = 29.0
        lease.check()
        assert lease.renew()
        clock[0] = 58.0
        lease.check()
        clock[0] = 60.0
        with pytest.raises(WriteFailed, match="it could not be renewed for 30 s"):
            lease.check()
    assert len(list(s3.list("_headrace"))) == 1  # it may be another's by now


def test_renewal_whose_answer_was_lost_is_known_for_ones_own(s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lease(s3) as lease:
        swap = S3Store.swap

        def lost(self: S3Store, name: str, data: bytes, etag: str | None) -> str | None:
            swap(self, name, data, etag)
            raise OSError(5, "127.0.0.1 cannot be reached: ReadTimeoutError")

        with monkeypatch.context() as patch:
            patch.setattr(S3Store, "swap", lost)
            with pytest.raises(OSError, match="ReadTimeoutError"):
                lease.renew()
        assert lease.renew()
        lease.check()
    assert list(s3.list("_headrace")) == []


def test_lease_is_renewed_by_itself_and_again_after_a_failure(s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed, renew = threading.Semaphore(0), Lease.renew
    failures = [OSError(5, "not now")]

    def flaky(self: Lease) -> bool:
        if failures:
            raise failures.pop()
        done = renew(self)
        renewed.release()
        return done

    monkeypatch.setattr(Lease, "renew", flaky)
    with Lease(s3, lease_s=0.6) as lease:
        began = lease._renewed_s
        assert renewed.acquire(timeout=60)
        assert lease._renewed_s > began
    assert failures == []


def test_process_that_has_another_ones_number_is_not_taken_for_it() -> None:
    me = Holder.me()
    assert not me.is_gone()
    assert dataclasses.replace(me, started="1").is_gone()
    assert not dataclasses.replace(me, started="1", kernel="another boot").is_gone()
    assert not dataclasses.replace(me, started="1", kernel=None).is_gone()
    assert Holder.from_json(me.to_json()) == me
    assert Holder.from_json(json.dumps([1]).encode()) is None
