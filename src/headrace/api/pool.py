"""A live pool: workers that hold a class's instance, for programs that predict now and then."""

from __future__ import annotations

import inspect
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

import cloudpickle

from headrace.core.errors import BadOption
from headrace.core.optional import load
from headrace.core.options import count, one_of
from headrace.engine.pooling.contracts import PoolEngine
from headrace.engine.pooling.dispatcher import Dispatcher
from headrace.engine.pooling.updates import Updates

ENGINES = ("local", "ray")

_AHEAD = 4  # calls of a map in flight a worker: one that is slow leaves the other workers this many to go on with


class ModelPool:
    """Workers that each build a class once and answer calls of its methods.

    `pool.infer(x)` runs the class's `infer` on a free worker; `submit` and `map` are concurrent.futures'. Arguments and
    answers are copied between processes. What a method changes of its object stays on that one worker and may be
    lost: `update` is the way to change them all.

    A call whose worker dies is given to another one; when that dies too it raises WorkerDied. Methods are therefore to
    be such that they can be called again.
    """

    def __init__(
        self,
        cls: type,
        *,
        workers: int = 1,
        engine: str = "local",
        fn_constructor_args: Iterable[Any] = (),
        fn_constructor_kwargs: Mapping[str, Any] | None = None,
        address: str | None = None,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        """Starts the workers and waits until all have built the class.

        engine: "local" (processes of this machine) or "ray" (actors). For "ray" alone: address, of a cluster, where
        none is connected to; num_cpus (1 when not given), num_gpus and resources that each worker asks for.
        Raises BadOption, BadCluster, MissingExtra before anything is started, StageNotBuilt when the class cannot be
        built, with the worker's error as its cause.
        """
        self._name = _checked_class(cls)
        self._methods = _methods_of(cls)
        workers = count("workers", workers)
        one_of("engine", engine, ENGINES)
        for_ray = {"address": address, "num_cpus": num_cpus, "num_gpus": num_gpus, "resources": resources}
        _check_amounts({"num_cpus": num_cpus, "num_gpus": num_gpus}, resources)
        recipe = _recipe(cls, tuple(fn_constructor_args), dict(fn_constructor_kwargs or {}))
        self._text = f"<ModelPool of {self._name}: {workers} workers, engine {engine}"
        self._dispatcher = Dispatcher(_engine(engine, workers, for_ray), workers, self._name, recipe)
        self._updates = Updates(self._dispatcher)
        self._ahead = _AHEAD * workers
        # A pool that is let go of does what it was given, then ends its workers.
        weakref.finalize(self, self._dispatcher.retire).atexit = False

    @property
    def version(self) -> int:
        """How many updates have been committed."""
        return self._dispatcher.committed.version

    def submit(self, method: str, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future of the method's answer, from the next worker that is free.

        The arguments are sent when a worker is free: leave them as they are until then. The future raises what the
        method raised. Raises BadOption for what is not a method, UsageError when the pool is closed.
        """
        return self._submit(method, args, kwargs, with_version=False)

    def map(self, method: str, /, *iterables: Iterable[Any], with_version: bool = False) -> Iterator[Any]:
        """The method's answers in order, over all workers, as Executor.map gives them.

        Takes from the iterables only what is in flight (4 calls a worker), so that they may be endless. with_version:
        pairs of the answer and the version of the state that gave it. An error of a call, or of the iterables, comes in
        its place and ends the iteration.
        """
        self._check_method(method)
        if not iterables:
            raise BadOption("map", f'given what to call it with, as map("{method}", xs)', iterables)
        rows = zip(*iterables, strict=False)  # as Executor.map and map do
        return _Answers(partial(self._submit, method, kwargs={}, with_version=with_version), rows, self._ahead)

    def update(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Changes the state of all workers at once; returns the method's answer.

        Runs the method on a copy, on one worker, and loads what it leaves on every worker; then, all together, calls
        are answered by the new state. A call is answered by one state alone, and one that is submitted after this
        returns by the new one. Updates are made one after another. Raises whatever fails (the method, pickling, a
        worker); then the version before stays in force everywhere.
        """
        self._check_method(method)
        return self._updates.make(method, args, kwargs)

    def close(self, *, cancel_futures: bool = False) -> None:
        """Waits for what was submitted, calls the class's close() on every worker if it has one, and ends them.

        cancel_futures: calls that no worker has begun are cancelled. May be called again. Raises the first error that a
        close() raised, when all workers have ended.
        """
        with self._updates.lock:
            self._dispatcher.close(cancel=cancel_futures)

    def __enter__(self) -> ModelPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(cancel_futures=kind is not None)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in self._methods:
            known = ", ".join(self.__dict__.get("_methods", ()))
            raise AttributeError(f"{self.__dict__.get('_name')} has no method {name!r}; it has: {known}", name=name)
        return partial(self._call, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._methods})

    def __repr__(self) -> str:
        return f"{self._text}, version {self.version}>"

    def _call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        future = self._submit(method, args, kwargs, with_version=False)
        try:
            return future.result()
        finally:
            future.cancel()  # where the wait was interrupted

    def _submit(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, with_version: bool) -> Future[Any]:
        self._check_method(method)

        def answer(seat: Any, committed: Any) -> Any:
            value = seat.call(committed.version, method, args, kwargs)
            return (value, committed.version) if with_version else value

        return self._dispatcher.anywhere(answer)

    def _check_method(self, method: object) -> None:
        if method == "close":
            raise BadOption("method", "other than close, which is called when the pool is closed", method)
        if not isinstance(method, str) or method not in self._methods:
            names = ", ".join(self._methods)
            raise BadOption("method", f"the name of a method of {self._name} ({names})", method)


class _Answers(Iterator[Any]):
    """Answers in order, with a bounded number of calls in flight."""

    def __init__(
        self, submit: Callable[[tuple[Any, ...]], Future[Any]], rows: Iterator[tuple[Any, ...]], in_flight: int
    ) -> None:
        self._submit, self._rows, self._in_flight = submit, rows, in_flight
        self._futures: deque[Future[Any]] = deque()
        self._ended: Exception | None = None
        self._fill()

    def __next__(self) -> Any:
        self._fill()
        if self._futures:
            try:
                return self._futures.popleft().result()
            except BaseException:
                self.close()
                raise
        assert self._ended is not None
        ended, self._ended = self._ended, StopIteration()
        raise ended

    def _fill(self) -> None:
        while self._ended is None and len(self._futures) < self._in_flight:
            try:
                self._futures.append(self._submit(next(self._rows)))
            except Exception as error:  # noqa: BLE001 - the end, or an error: raised in its place
                self._ended = error

    def close(self) -> None:
        """Cancels the calls that no worker has begun."""
        self._ended = StopIteration()
        while self._futures:
            self._futures.popleft().cancel()

    def __del__(self) -> None:
        self.close()


def _checked_class(cls: object) -> str:
    if not isinstance(cls, type):
        raise BadOption("ModelPool", "given a class (without @ray.remote)", cls)
    return cls.__name__


def _methods_of(cls: type) -> tuple[str, ...]:
    """What may be called: the class's public methods, and __call__."""
    names = [n for n in dir(cls) if n != "close" and (not n.startswith("_") or n == "__call__")]
    return tuple(n for n in names if callable(inspect.getattr_static(cls, n)) or inspect.isroutine(getattr(cls, n)))


def _check_amounts(amounts: Mapping[str, object], resources: object) -> None:
    named = {} if resources is None else resources
    if not isinstance(named, Mapping) or {"CPU", "GPU"} & set(named):
        raise BadOption("resources", "a mapping of names to amounts, without CPU (num_cpus) and GPU (num_gpus)", named)
    for name, amount in [*amounts.items(), *named.items()]:
        if amount is None:
            continue
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not amount >= 0:
            raise BadOption(name, "a number >= 0", amount)


def _recipe(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    try:
        return bytes(cloudpickle.dumps((cls, args, kwargs)))
    except Exception as error:
        what = f"a class and arguments that can be pickled ({type(error).__name__}: {error})"
        raise BadOption("ModelPool", f"given {what}", (cls, args, kwargs)) from error


def _engine(name: str, workers: int, for_ray: dict[str, Any]) -> PoolEngine:
    if name == "ray":
        load("ray", extra="ray", needed_for='engine="ray"')
        from headrace.engine.ray_data.pool_actor import RayPool

        return RayPool(workers, **for_ray)
    from headrace.engine.local.pool_process import LocalPool

    for option, value in for_ray.items():
        if value is not None:
            raise BadOption(
                option, 'left out with engine="local", which runs on this machine and divides nothing', value
            )
    return LocalPool()
