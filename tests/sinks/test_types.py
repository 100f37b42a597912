"""A column's type is that of the first part in which it has a value, in all parts that are written from then on."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.core.partition import Account, Partition
from headrace.sinks.column_types import TYPES, ColumnTypes, closed
from headrace.sinks.footers import part_name
from headrace.sinks.object_store import S3Store
from headrace.sinks.parquet import ParquetFolder
from headrace.sinks.press import PartPress
from headrace.sinks.stores import LocalStore

Put = Callable[..., pa.Table]


def objects(*values: Any) -> Any:
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


@pytest.fixture
def folder(address: str) -> ParquetFolder:
    return ParquetFolder(address, "the job")


@pytest.fixture
def put(folder: ParquetFolder) -> Put:
    """Publishes a part of one column, or of those given, and reads it."""
    numbers = count()

    def put(press: PartPress | ParquetFolder, *values: Any, **columns: Any) -> pa.Table:
        columns = columns or {"x": objects(*values)}
        number, rows = next(numbers), len(next(iter(columns.values()), ()))
        account = Account(rows_in=rows, rows_out=rows) if rows else Account(rows_in=1, rows_dropped=1)
        press.publish(Partition(number, 10 * number, 10 * number + account.rows_in), columns, account, ())
        with folder.store.open(part_name(number)) as file:
            return pq.ParquetFile(file).read()

    return put


def kind(table: pa.Table) -> str:
    return str(table.schema.field("x").type).replace("element: ", "").replace("item: ", "")


VALUES: list[tuple[str, tuple[Any, ...], tuple[Any, ...], str]] = [
    ("integers", (None, None), (1, None), "int64"),
    ("floats", (None,), (0.5, None), "double"),
    ("times", (None,), (np.datetime64("2026-01-01T00:00:00.5", "us").item(),), "timestamp[us]"),
    ("text", (None,), ("cat",), "string"),
    ("lists", (None,), ([1], [2, 3]), "list<int64>"),
    ("empty lists", ([], []), ([0.5], []), "list<double>"),
    ("lists of nothing", ([None], None), ([1], None), "list<int64>"),
    ("boxes", ([], []), ([{"x": 1, "label": "cat"}], []), "list<struct<x: int64, label: string>>"),
    ("structs", (None,), ({"a": 1},), "struct<a: int64>"),
    ("fields", ({"a": 1, "b": None},), ({"a": 2, "b": [3]},), "struct<a: int64, b: list<int64>>"),
]


@pytest.mark.parametrize(("nothing", "values", "expected"), [v[1:] for v in VALUES], ids=[v[0] for v in VALUES])
def test_type_is_open_until_there_is_a_value(
    folder: ParquetFolder, put: Put, nothing: tuple[Any, ...], values: tuple[Any, ...], expected: str
) -> None:
    assert put(folder, *nothing)["x"].to_pylist() == list(nothing)
    told = put(folder, *values)
    assert (kind(told), told["x"].to_pylist()) == (expected, list(values))
    again = put(folder, *nothing)
    assert (kind(again), again["x"].to_pylist()) == (expected, list(nothing))
    assert kind(put(folder)) == expected


@pytest.mark.parametrize("first", [0, 1])
def test_parts_before_and_after_the_type_is_told_read_as_one(tmp_path: Path, first: int) -> None:
    folder = ParquetFolder(tmp_path, "the job")
    columns = [
        {"x": objects(None), "boxes": objects([])},
        {"x": objects(1), "boxes": objects([0.5])},
    ]
    for time in (0, 1):
        number = (first + time) % 2
        folder.publish(Partition(number, number, number + 1), columns[time], Account(rows_in=1, rows_out=1), ())
    named = pa.schema({"x": pa.int64(), "boxes": pa.list_(pa.float64())})
    rows = sorted(pq.read_table(tmp_path, schema=named).to_pylist(), key=str)
    assert rows == [{"x": 1, "boxes": [0.5]}, {"x": None, "boxes": []}]
    assert pq.read_table(tmp_path).num_rows == 2


def test_a_column_without_any_value_is_text(folder: ParquetFolder, put: Put) -> None:
    assert [kind(put(folder, None)), kind(put(folder)), kind(put(folder, None, None))] == ["string"] * 3
    assert kind(put(folder, x=np.full((2, 2), None, dtype=object))) == "list<string>"


def test_whoever_comes_second_takes_the_first_ones_type(folder: ParquetFolder, put: Put) -> None:
    one, other, third = (pickle.loads(pickle.dumps(folder.publisher({}))) for _ in range(3))
    assert kind(put(one, None)) == "string"
    assert kind(put(one, 1, 2)) == "int64"
    floats = put(other, 1.0, 2.0)
    assert (kind(floats), floats["x"].to_pylist()) == ("int64", [1, 2])
    assert kind(put(third, None)) == "int64"


def test_first_batch_settles_what_it_has_values_in(folder: ParquetFolder, put: Put) -> None:
    press = folder.publisher({"n": np.arange(2), "x": objects(None, None)})
    one, other = (pickle.loads(pickle.dumps(press)) for _ in range(2))
    halves = put(one, x=objects(0.5), n=np.array([3.0]))
    assert halves.schema == pa.schema({"x": pa.float64(), "n": pa.int64()})
    assert kind(put(other, 1, 2)) == "double"


def test_types_outlive_the_session(folder: ParquetFolder, put: Put) -> None:
    put(folder, None)
    put(folder, 1)
    again = ParquetFolder(folder.root)
    again.fingerprint = "the job"
    assert kind(put(again, None)) == "int64"
    assert kind(put(again, 1.0)) == "int64"


def test_another_jobs_types_do_not_count(folder: ParquetFolder, put: Put) -> None:
    put(folder, 1)
    assert kind(put(ParquetFolder(folder.root, "that job"), 0.5)) == "double"
    folder.clear()
    assert not any(folder.store.list(TYPES))
    assert kind(put(folder, 0.5)) == "double"


def test_part_without_rows_has_all_columns_and_settles_none(folder: ParquetFolder, put: Put) -> None:
    assert kind(put(folder, x=np.empty(0, np.float64))) == "double"
    put(folder, x=np.arange(2), y=objects("a", None))
    assert folder.publisher({}).publish(Partition(7, 70, 71), {}, Account(rows_in=1, rows_dropped=1), ())
    with folder.store.open(part_name(7)) as file:
        assert pq.read_schema(file).remove_metadata() == pa.schema({"x": pa.int64(), "y": pa.string()})


@pytest.mark.parametrize("later", [(0.5,), ([1],), ("a",)])
def test_values_of_another_type_are_refused_with_their_columns_name(
    folder: ParquetFolder, put: Put, later: tuple[Any, ...]
) -> None:
    put(folder, 1)
    with pytest.raises(pa.ArrowInvalid, match=r"column 'x': .* here, int64 in the parts before .* one type"):
        put(folder, *later)
    assert len(list(folder.store.list("", "part-"))) == 1


def test_many_writers_settle_one_type(store: LocalStore | S3Store) -> None:
    kinds = [pa.int64(), pa.float64(), pa.string(), pa.list_(pa.int64())]
    barrier = threading.Barrier(8)

    def settle(number: int) -> pa.Schema:
        types = ColumnTypes(store, "job")
        barrier.wait(30)
        types.types(pa.schema({"x": pa.null(), f"own {number}": pa.int64()}), settle=True)
        return types.types(pa.schema({"x": kinds[number % 4]}), settle=True)

    with ThreadPoolExecutor(8) as pool:
        schemas = list(pool.map(settle, range(8)))
    assert schemas == [schemas[0]] * 8
    late = ColumnTypes(store, "job").types(pa.schema([]), settle=False)
    assert set(late.names) == {"x", *(f"own {n}" for n in range(8))}
    assert late.field("x") == schemas[0].field("x")


def test_types_that_are_known_cost_no_request(folder: ParquetFolder, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    press = folder.publisher({"x": np.arange(2)})
    asked: list[str] = []
    monkeypatch.setattr(type(folder.store), "read", lambda _self, name: asked.append(name))
    for _ in range(3):
        put(press, 1, None)
    assert asked == []


def test_open_types_close_as_text() -> None:
    kind = pa.struct({"a": pa.null(), "b": pa.list_(pa.null()), "c": pa.int64()})
    assert closed(kind) == pa.struct({"a": pa.string(), "b": pa.list_(pa.string()), "c": pa.int64()})
