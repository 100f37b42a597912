"""A store creates a file whole, once, or not at all, on a local disk as on S3."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import BadOutput
from headrace.sinks.parquet import store_at
from headrace.sinks.stores import LocalStore, Store


def names(store: Store, folder: str = "") -> dict[str, int]:
    return dict(store.list(folder))


def test_of_many_at_once_exactly_one_creates_it(store: Store) -> None:
    barrier = threading.Barrier(8)

    def attempt(number: int) -> bool:
        barrier.wait(10)
        return store.create("part", str(number).encode() * 1000)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(8)))
    assert won.count(True) == 1
    assert store.read("part") == str(won.index(True)).encode() * 1000
    assert names(store, "_headrace/tmp") == {}


def test_file_is_read_replaced_and_deleted(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.read("a/b")
    with pytest.raises(FileNotFoundError):
        store.open("a/b")
    store.replace("a/b", b"one")
    store.replace("a/b", b"two")
    assert store.read("a/b") == b"two"
    assert not store.create("a/b", b"three")
    store.delete("a/b", "a/c")
    assert store.create("a/b", b"three")


def test_folder_lists_what_is_directly_in_it(store: Store) -> None:
    assert names(store) == names(store, "no/such") == {}
    for name in ("part-1", "part-2x", "b", "in/part-3", "in/deeper/part-4", "a b+%é"):
        store.create(name, name.encode())
    assert names(store) == {"part-1": 6, "part-2x": 7, "b": 1, "a b+%é": 7}
    assert names(store, "in") == {"part-3": 9}
    assert dict(store.list("", "part-")) == {"part-1": 6, "part-2x": 7}


def test_clearing_takes_all_below_but_what_is_named(store: Store) -> None:
    for name in ("x/a", "x/b/c", "x/keep", "xy", "x/d/keep"):
        store.create(name, b"")
    store.clear("x", {"keep"})
    store.clear("nowhere", {"keep"})
    assert (names(store), names(store, "x"), names(store, "x/b")) == ({"xy": 0}, {"keep": 0}, {})
    assert names(store, "x/d") == {}


def test_opened_file_is_read_from_anywhere(store: Store) -> None:
    data = bytes(range(256)) * 1000
    store.create("whole", data)
    store.create("empty", b"")
    with store.open("whole") as file:
        assert (file.seekable(), file.readable()) == (True, True)
        assert file.seek(-5, os.SEEK_END) == len(data) - 5
        assert file.read(10) == data[-5:]
        assert file.read() == b""
        assert file.seek(1000) == 1000
        assert file.read(3) == data[1000:1003]
        assert file.seek(2, os.SEEK_CUR) == file.tell() == 1005
        assert file.read() == data[1005:]
    with store.open("empty") as file:
        assert file.read() == b""


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["create", "replace", "delete"]), st.sampled_from("ab"), st.binary())))
def test_local_store_behaves_as_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, str, bytes]]
) -> None:
    local = LocalStore(tmp_path_factory.mktemp("model"))
    model: dict[str, bytes] = {}
    for call, name, data in calls:
        if call == "create":
            assert local.create(name, data) == (name not in model)
            model.setdefault(name, data)
        elif call == "replace":
            local.replace(name, data)
            model[name] = data
        else:
            local.delete(name)
            model.pop(name, None)
    assert {name: local.read(name) for name in names(local)} == model


def test_check_leaves_nothing_behind(store: Store) -> None:
    store.check()
    assert names(store, "_headrace/tmp") == {}


@pytest.mark.parametrize("call", ["link", "fsync"])
def test_failed_create_leaves_nothing(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = LocalStore(tmp_path / "out")
    local.check()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            local.create("part", b"x")
    assert (names(local), names(local, "_headrace/tmp")) == ({}, {})
    assert local.create("part", b"y")


def test_create_whose_name_may_not_outlive_a_power_cut_raises_and_leaves_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer has found it there meanwhile, perhaps, and discarded its own."""
    local = LocalStore(tmp_path)
    local.check()

    def broken(_folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("headrace.sinks.stores.sync_folder", broken)
        with pytest.raises(OSError, match="Input/output error"):
            local.create("part", b"x")
    assert not local.create("part", b"y")
    assert local.read("part") == b"x"


def test_failed_replacement_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = LocalStore(tmp_path)
    local.create("plan", b"old")

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        local.replace("plan", b"new")
    assert (names(local), names(local, "_headrace/tmp")) == ({"plan": 3}, {})
    assert local.read("plan") == b"old"


KILLED_BEFORE_THE_LINK = """
import os, signal, sys
from pathlib import Path
from headrace.sinks.stores import LocalStore
os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
LocalStore(Path(sys.argv[1])).create("part", b"x" * 100_000)
"""


def test_killed_writer_leaves_nothing_but_what_the_next_run_sweeps(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_LINK, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    local = LocalStore(tmp_path)
    assert (names(local), len(names(local, "_headrace/tmp"))) == ({}, 1)
    local.sweep()
    assert names(local, "_headrace/tmp") == {}
    assert local.create("part", b"y")


def test_disk_that_is_really_full_leaves_no_half_file(tiny: Path) -> None:
    local = LocalStore(tiny / "out")
    assert local.create("part-1", b"x" * 100_000)
    with pytest.raises(OSError, match="No space left"):
        local.create("part-2", b"x" * 300_000)
    assert (names(local), names(local, "_headrace/tmp")) == ({"part-1": 100_000}, {})
    assert local.create("part-2", b"x" * 100_000)


def test_output_that_can_only_be_read_is_refused(tiny: Path) -> None:
    local = LocalStore(tiny / "out")
    local.check()
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)
    with pytest.raises(BadOutput, match=r"cannot be written \(Read-only file system\); make it writable"):
        local.check()


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_file_system_without_links_is_refused(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(BadOutput, match="without hard links"):
        LocalStore(tmp_path).check()


@pytest.mark.parametrize(
    ("out", "shown"),
    [
        ("gs://bucket/x", "gs://bucket/x: cannot be written to; name a local folder or s3://bucket/folder"),
        ("http://user:s3cr3t@host/x", "http://host/x: cannot be written to"),
        ("file:///tmp/x", "file:///tmp/x: cannot be written to"),
        ("ftp://x", "ftp://x: cannot be written to"),
        ("s3://", "s3://: names no bucket; write s3://bucket/folder"),
        ("s3://AKIA:s3cr3t/more@bucket/x", "s3://bucket/x: names no bucket"),
        (Path("s3://bucket/x"), "s3:/bucket/x: is neither a path nor an address; write s3://bucket/folder"),
    ],
)
def test_other_places_are_refused_without_their_credentials(out: str | Path, shown: str) -> None:
    with pytest.raises(BadOutput) as caught:
        store_at(out)
    assert str(caught.value).startswith(shown)
    assert "s3cr3t" not in str(caught.value)
