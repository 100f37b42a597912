"""A user's function or class over batches, by Ray Data's conventions."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headrace.core.batch import Columns, stacked
from headrace.core.contracts import BatchFunction
from headrace.core.errors import BadOption
from headrace.core.faults import WrongAnswer
from headrace.core.needs import Needs
from headrace.core.optional import load
from headrace.core.options import count, one_of

FORMATS = ("numpy", "pandas", "pyarrow")


@dataclass(frozen=True, kw_only=True)
class MapBatches:
    """`fn` called on every batch: a function, or a class that is built once a worker and then called.

    batch_size: rows a call; the run's when not given. batch_format: "numpy" (dict of arrays), "pandas" or "pyarrow".
    concurrency: workers, or (at least, at most) so many on a cluster; measured when not given. resources,
    label_selector: what a worker asks of a cluster's nodes beside CPUs and GPUs. The result has as many rows as the
    batch.
    """

    fn: Callable[..., Any]
    batch_size: int | None = None
    batch_format: str = "numpy"
    fn_args: tuple[Any, ...] = ()
    fn_kwargs: Mapping[str, Any] = field(default_factory=dict)
    fn_constructor_args: tuple[Any, ...] = ()
    fn_constructor_kwargs: Mapping[str, Any] = field(default_factory=dict)
    num_cpus: float | None = None
    num_gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    label_selector: Mapping[str, str] = field(default_factory=dict)
    concurrency: int | tuple[int, int] | None = None
    needs: Needs = field(init=False)

    def __post_init__(self) -> None:
        if not callable(self.fn):
            raise BadOption("map_batches", "given a function or a class", self.fn)
        if isinstance(self.fn, type) and not callable(getattr(self.fn, "__call__", None)):  # noqa: B004 - type.__call__
            raise BadOption("map_batches", "given a class with __call__(batch)", self.fn.__name__)
        if isinstance(self.fn, type) and "__call__" not in {n for c in self.fn.__mro__[:-1] for n in vars(c)}:
            raise BadOption("map_batches", "given a class with __call__(batch)", self.fn.__name__)
        one_of("batch_format", self.batch_format, FORMATS)
        if self.batch_size is not None:
            count("batch_size", self.batch_size)
        object.__setattr__(self, "needs", self._needs())

    @property
    def name(self) -> str:
        """The function's or class's name."""
        return str(getattr(self.fn, "__name__", type(self.fn).__name__))

    @property
    def is_class(self) -> bool:
        """Whether `fn` is a class, or an object with state of its own: neither is called from many threads at once."""
        called = self.fn.func if isinstance(self.fn, functools.partial) else self.fn
        return not inspect.isroutine(called)

    @property
    def workers(self) -> int | None:
        """`concurrency`; the most where there are two."""
        return self.needs.workers[1] if self.needs.workers is not None else None

    def _needs(self) -> Needs:
        return Needs.of(
            num_cpus=self.num_cpus,
            num_gpus=self.num_gpus or None,
            resources=self.resources,
            label_selector=self.label_selector,
            concurrency=self.concurrency,
        )

    def describe(self) -> dict[str, Any]:
        """Name, source text and arguments: a pickle's hash would change from process to process."""
        arguments = [self.fn_args, self.fn_kwargs, self.fn_constructor_args, self.fn_constructor_kwargs]
        return {
            "name": self.name,
            "source": _source(self.fn),
            "arguments": _shown(arguments),
            "format": self.batch_format,
        }

    def open(self) -> BatchFunction:
        """Builds the class if it is one; the result is called by one thread at a time."""
        call = self.fn
        if isinstance(self.fn, type):
            try:
                call = self.fn(*self.fn_constructor_args, **self.fn_constructor_kwargs)
            except SystemExit as error:  # it would end the run as if it were done
                raise RuntimeError(f"{self.name} called sys.exit({error.code})") from error

        def run(columns: Columns) -> Columns:
            given = _given(columns, self.batch_format)
            try:
                returned = call(given, *self.fn_args, **self.fn_kwargs)
            except SystemExit as error:  # it would end the run as if it were done
                raise WrongAnswer(f"{self.name} called sys.exit({error.code})") from error
            return _returned(returned, self.name)

        return run


def _shown(value: object) -> str:
    """Its repr, whole, without the addresses in it, which change from process to process."""
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _source(fn: Callable[..., Any]) -> str:
    if isinstance(fn, functools.partial):
        return f"{_source(fn.func)} {_shown([fn.args, fn.keywords])}"
    try:
        return _state(fn) + inspect.getsource(fn if inspect.isclass(fn) or inspect.isroutine(fn) else type(fn))
    except (OSError, TypeError):  # typed at a prompt, or built in
        code = getattr(fn, "__code__", None)
        return _shown(fn) if code is None else f"{code.co_code.hex()} {code.co_consts!r} {code.co_names!r}"


def _state(fn: Callable[..., Any]) -> str:
    """What a function has closed over and its defaults, or an object's attributes."""
    if inspect.isclass(fn):
        return ""
    if not inspect.isroutine(fn):
        return _shown(sorted(getattr(fn, "__dict__", {}).items()))
    cells = [c.cell_contents for c in getattr(fn, "__closure__", None) or ()]
    return _shown([cells, getattr(fn, "__defaults__", None), getattr(fn, "__kwdefaults__", None)])


def _given(columns: Columns, batch_format: str) -> Any:
    if batch_format == "numpy":
        return dict(columns)
    if batch_format == "pandas":
        pandas = load("pandas", extra="pandas", needed_for='batch_format="pandas"')
        return pandas.DataFrame({n: a if a.ndim == 1 else list(a) for n, a in columns.items()})
    import pyarrow as pa

    return pa.table({n: a if a.ndim == 1 else list(a) for n, a in columns.items()})


def _returned(result: Any, name: str) -> Columns:
    """A batch that a user's code returned, as arrays. Raises WrongAnswer with what to return instead."""
    if hasattr(result, "to_pydict") and hasattr(result, "column_names"):
        result = {n: result.column(n).to_numpy() for n in result.column_names}
    elif hasattr(result, "to_dict") and hasattr(result, "columns"):
        result = {str(n): result[n].to_numpy() for n in result.columns}
    if not isinstance(result, Mapping):
        what = f"{name} returned {type(result).__name__}"
        raise WrongAnswer(f"{what}; return a dict of arrays (or a DataFrame, or a pyarrow Table), one value a row")
    arrays = {str(n): _array(v) for n, v in result.items()}
    lengths = {n: len(a) if a.ndim else -1 for n, a in arrays.items()}
    if len(set(lengths.values())) > 1 or -1 in lengths.values():
        raise WrongAnswer(f"{name} returned columns of different lengths: {lengths}; return one value a row in each")
    return arrays


def _array(values: Any) -> Any:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    if isinstance(values, np.ndarray):
        return values.astype(object) if values.dtype.kind in "US" else values
    return stacked(values) if isinstance(values, list | tuple) else np.asarray(values)
