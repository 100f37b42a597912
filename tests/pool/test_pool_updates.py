"""An update of a live pool: all at once, or not at all."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from headrace.api.pool import ModelPool

MakePool = Callable[..., ModelPool]
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers then import only what a class needs


class Pair:
    """Two attributes that belong together."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.left, self.right = 0, np.zeros(1000)

    def infer(self, x: int) -> tuple[int, int, int, int]:
        left = self.left
        return x, left, int(self.right[0]), int(self.right[-1])

    def change(self, to: int) -> int:
        self.left = to
        self.right = np.full(1000, to)
        return to * 10

    def pid(self) -> int:
        return os.getpid()

    def half(self) -> None:
        self.left = 99
        raise LookupError("half-way")

    def lock(self) -> None:
        self.left, self.guard = 99, threading.Lock()

    def spoil(self) -> None:
        """Makes a state that the second worker to load it cannot load."""
        self.left, self.spoilt = 99, True

    def die(self) -> None:
        os._exit(9)

    def die_once(self, to: int) -> None:
        try:
            (self.folder / "died").touch(exist_ok=False)
        except FileExistsError:
            self.change(to)
        else:
            os._exit(9)

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state.get("spoilt"):
            try:
                (state["folder"] / "first").touch(exist_ok=False)
            except FileExistsError:
                raise OSError("no room for it here") from None
        vars(self).update(state)


class Uncopied:
    """Cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def infer(self, x: int) -> int:
        return x

    def change(self) -> None:
        """Never gets there."""


def test_calls_and_updates_race_and_no_answer_mixes_versions(make_pool: MakePool) -> None:
    pool, updates = make_pool(Pair), 12

    def change() -> None:
        for to in range(1, updates + 1):
            assert pool.update("change", to) == to * 10
            assert pool.version == to

    def ask() -> list[int]:
        versions = []
        while not versions or versions[-1] < updates:
            for (x, *seen), version in pool.map("infer", range(20), with_version=True):
                assert seen == [version] * 3, (x, seen, version)
                versions.append(version)
        return versions

    with ThreadPoolExecutor() as threads:
        asking = [threads.submit(ask) for _ in range(2)]
        threads.submit(change).result()
        for versions in asking:
            assert versions.result() == sorted(versions.result())


def test_call_after_an_update_meets_it_and_one_in_hand_does_not(make_pool: MakePool) -> None:
    pool = make_pool(Pair)
    for to in range(1, 6):
        before = [pool.submit("infer", 0) for _ in range(6)]
        pool.update("change", to)
        assert pool.infer(0)[1:] == (to, to, to)
        assert {b.result()[1] for b in before} <= {to - 1, to}


def test_updates_at_once_are_made_one_after_another(make_pool: MakePool) -> None:
    pool = make_pool(Pair)
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda to: pool.update("change", to), range(6)))
    assert pool.version == 6
    assert len({pool.infer(0)[1:] for _ in range(8)}) == 1


@pytest.mark.parametrize(
    ("method", "error", "message"),
    [
        ("half", LookupError, "half-way"),
        ("lock", TypeError, "cannot pickle"),
        ("spoil", OSError, "no room for it here"),
        ("die", RuntimeError, "Pair: 2 workers in turn died under this call"),
    ],
)
def test_failed_update_leaves_the_version_before_in_force(
    make_pool: MakePool, method: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    pool = make_pool(Pair, tmp_path)
    for before in (0, 1):
        with pytest.raises(error, match=message) as caught:
            pool.update(method)
        assert f"version {before} stays in force" in "".join(caught.value.__notes__)
        assert pool.version == before
        answers = pool.map("infer", range(12), with_version=True)
        assert list(answers) == [((x, before, before, before), before) for x in range(12)]
        pool.update("change", before + 1)
        assert {pool.infer(0)[1:] for _ in range(6)} == {(before + 1,) * 3}


def test_state_that_one_worker_cannot_load_is_loaded_by_none(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(Pair, tmp_path)
    with pytest.raises(OSError, match="no room") as caught:
        pool.update("spoil")
    assert (tmp_path / "first").exists()
    assert "of 2 could not take the new state" in "".join(caught.value.__notes__)
    assert {pool.infer(0)[1] for _ in range(6)} == {0}


def test_class_that_cannot_be_pickled_predicts_and_refuses_updates(make_pool: MakePool) -> None:
    pool = make_pool(Uncopied)
    with pytest.raises(TypeError, match="cannot pickle"):
        pool.update("change")
    with pytest.raises(TypeError, match="cannot pickle"):
        pool.update("change", threading.Lock())
    assert (pool.infer(3), pool.version) == (3, 0)


def test_update_whose_worker_dies_is_made_by_another(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(Pair, tmp_path)
    pool.update("die_once", 4)
    assert (pool.version, {pool.infer(0)[1:] for _ in range(6)}) == (1, {(4, 4, 4)})


def test_change_by_a_plain_call_stays_on_its_worker_and_out_of_later_updates(make_pool: MakePool) -> None:
    pool = make_pool(Pair, workers=1)
    pool.update("change", 1)
    pool.change(50)
    assert (pool.infer(0)[1], pool.version) == (50, 1)
    pool.update("pid")
    assert (pool.infer(0)[1], pool.version) == (1, 2)
