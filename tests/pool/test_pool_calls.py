"""Calls of a live pool: any method, on any worker, in order; what a method raises is raised as it is."""

import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from headrace.api.pool import ModelPool
from headrace.core.errors import BadCluster, BadOption, StageNotBuilt, UsageError

MakePool = Callable[..., ModelPool]
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers then import only what a class needs


class OddError(Exception):
    """Cannot be rebuilt from its args, and carries what cannot be pickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.two = two
        self.lock = threading.Lock()


class Kit:
    """Methods of many kinds."""

    limit = 3

    def __init__(self, log: Path | None = None) -> None:
        self.log = log

    def __call__(self, x: int) -> int:
        return -x

    def add(self, x: int, y: int = 1) -> int:
        return x + y

    def update(self, x: int) -> int:
        return x * 100

    @staticmethod
    def double(x: int) -> int:
        return 2 * x

    def fail(self, x: int) -> int:
        if x == 5:
            raise OddError(x, 7)
        return x

    def exit(self) -> None:
        raise SystemExit(3)

    def lock(self) -> Any:
        return threading.Lock()

    def scale(self, array: Any) -> Any:
        array *= 2
        return array

    def pid(self) -> int:
        return os.getpid()

    def close(self) -> None:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write("closed\n")


class BadClose:
    def close(self) -> None:
        raise RuntimeError("would not close")


class Unbuilt:
    def __init__(self, path: str) -> None:
        raise FileNotFoundError(2, "no weights", path)


@pytest.fixture(scope="module")
def kit(engine: str) -> Iterator[ModelPool]:
    """A pool for tests that leave it as it was."""
    with ModelPool(Kit, workers=2, engine=engine) as pool:
        yield pool


def test_every_method_can_be_called(kit: ModelPool) -> None:
    assert (kit.add(1), kit.add(1, y=5), kit.double(4)) == (2, 6, 8)
    assert kit.submit("__call__", 4).result() == -4
    assert kit.submit("update", 2).result() == 200  # the pool's own name comes first as an attribute
    assert list(kit.map("add", [1, 2], [10, 20])) == [11, 22]
    assert "double" in dir(kit)
    assert "2 workers" in repr(kit)


def test_map_keeps_order_over_all_workers(kit: ModelPool) -> None:
    assert list(kit.map("add", range(50))) == list(range(1, 51))
    assert list(kit.map("add", [], with_version=True)) == []


def test_map_takes_from_an_endless_iterable_only_what_is_in_flight(kit: ModelPool) -> None:
    taken = itertools.count()
    answers = kit.map("add", taken, with_version=True)
    assert list(itertools.islice(answers, 5)) == [(i + 1, 0) for i in range(5)]
    assert next(taken) <= 5 + 2 * 4


def test_error_in_a_map_comes_in_its_place_and_ends_it(kit: ModelPool) -> None:
    answers = kit.map("fail", itertools.count())
    assert list(itertools.islice(answers, 5)) == list(range(5))
    with pytest.raises(OddError):
        next(answers)
    assert list(answers) == []


def test_error_of_the_iterable_comes_after_the_answers_before_it(kit: ModelPool) -> None:
    answers = kit.map("add", (6 // (2 - i) for i in itertools.count()))
    assert [next(answers), next(answers)] == [4, 7]
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_odd_exception_is_raised_as_it_is_and_the_worker_goes_on(make_pool: MakePool) -> None:
    pool = make_pool(Kit, workers=1)
    pid = pool.pid()
    with pytest.raises(OddError, match="5 and 7") as caught:
        pool.fail(5)
    assert (caught.value.args, caught.value.two) == (("5 and 7",), 7)
    assert "raise OddError" in "".join(caught.value.__notes__)
    with pytest.raises(RuntimeError, match=r"sys.exit\(3\)"):
        pool.exit()
    with pytest.raises(TypeError, match="cannot pickle"):
        pool.lock()
    with pytest.raises(TypeError, match="cannot pickle"):
        pool.add(threading.Lock())
    assert pool.pid() == pid


def test_a_method_may_write_into_what_it_is_given(kit: ModelPool) -> None:
    array = np.ones(200_000)
    answer = kit.scale(array)
    answer += 1
    assert (answer[0], array[0]) == (3, 1)


def test_close_is_called_once_on_every_worker(make_pool: MakePool, tmp_path: Path) -> None:
    with make_pool(Kit, tmp_path / "log") as pool:
        pending = [pool.submit("add", i) for i in range(20)]
    assert [f.result() for f in pending] == list(range(1, 21))
    pool.close()
    assert (tmp_path / "log").read_text() == "closed\n" * 2


def test_error_of_close_is_raised_once_all_have_ended(make_pool: MakePool) -> None:
    pool = make_pool(BadClose)
    with pytest.raises(RuntimeError, match="would not close"):
        pool.close()
    pool.close()


def test_leaving_by_an_error_cancels_what_waits(make_pool: MakePool) -> None:
    with contextlib.suppress(KeyError), make_pool(Kit, workers=1) as pool:
        futures = [pool.submit("add", i) for i in range(100)]
        raise KeyError
    assert futures[-1].cancelled()


def test_a_closed_pool_says_so(make_pool: MakePool) -> None:
    pool = make_pool(Kit)
    pool.close()
    for use in (lambda: pool.add(1), lambda: pool.submit("add", 1), lambda: pool.update("add", 1)):
        with pytest.raises(UsageError, match="Kit: the pool is closed"):
            use()
    with pytest.raises(UsageError, match="closed"):
        list(pool.map("add", [1]))


def test_constructor_that_raises_is_told_with_the_workers_error(make_pool: MakePool) -> None:
    with pytest.raises(
        StageNotBuilt, match=r"Unbuilt: could not be built: FileNotFoundError.*no weights.*a.pt"
    ) as caught:
        make_pool(Unbuilt, "a.pt")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert "in __init__" in "".join(caught.value.__cause__.__notes__)


def test_unknown_methods_are_refused_by_name(kit: ModelPool) -> None:
    with pytest.raises(AttributeError, match=r"Kit has no method 'predict'; it has: __call__, add"):
        kit.predict(1)
    for wrong in ("predict", "_private", "limit", "__init__", "close", 4, None):
        for use in (kit.submit, kit.update, lambda m: kit.map(m, [1])):
            with pytest.raises(BadOption, match="method must be"):
                use(wrong)
    with pytest.raises(BadOption, match=r'as map\("add", xs\)'):
        kit.map("add")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be an integer >= 1, got 0"),
        ({"engine": "x"}, "engine must be one of local, ray, got 'x'"),
        ({"address": "auto"}, 'address must be left out with engine="local"'),
        ({"num_gpus": 1}, "num_gpus must be left out"),
        ({"fn_constructor_args": [threading.Lock()]}, "can be pickled"),
        ({"engine": "ray", "num_cpus": -1}, "num_cpus must be a number >= 0, got -1"),
        ({"engine": "ray", "resources": {"GPU": "x"}}, "resources must be"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOption) as caught:
        ModelPool(Kit, **options)
    assert message in str(caught.value)


def test_only_a_class_makes_a_pool() -> None:
    with pytest.raises(BadOption, match="given a class"):
        ModelPool(Kit())  # type: ignore[arg-type]


def test_more_than_the_cluster_has_is_refused(local_ray: None) -> None:
    with pytest.raises(BadCluster, match=r"3 workers ask for 6 CPU, and it has 4; ask for fewer"):
        ModelPool(Kit, workers=3, engine="ray", num_cpus=2)
    with pytest.raises(BadCluster, match="1 GPU, and it has 0"):
        ModelPool(Kit, engine="ray", num_gpus=1)
