"""Columns become Arrow tables with one type in all parts."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.core.batch import Reject
from headrace.sinks.tables import reject_table, table_of


def objects(*values: Any) -> Any:
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


CASES: list[tuple[str, Any, pa.DataType, Any]] = [
    ("integers", np.arange(2, dtype=np.int32), pa.int32(), [0, 1]),
    ("floats", np.array([0.5, np.nan], np.float32)[:1], pa.float32(), [0.5]),
    ("truths", np.array([True, False]), pa.bool_(), [True, False]),
    ("labels", objects("cat", None), pa.string(), ["cat", None]),
    ("no labels", objects(None, None), pa.string(), [None, None]),
    ("no rows", objects(), pa.string(), []),
    ("bytes", objects(b"a", b"\xff"), pa.binary(), [b"a", b"\xff"]),
    ("dates", np.array(["2026-01-01"], "datetime64[D]"), pa.date32(), None),
    ("embedding", np.ones((2, 3), np.float32), pa.list_(pa.float32(), 3), [[1.0] * 3] * 2),
    ("embedding, no rows", np.ones((0, 3), np.float32), pa.list_(pa.float32(), 3), []),
    ("class ids", np.array([[1, 2], [3, 4]], np.int32), pa.list_(pa.int32()), [[1, 2], [3, 4]]),
    ("top labels", np.array([["a", "b"]], dtype=object), pa.list_(pa.string()), [["a", "b"]]),
    ("top labels, none", np.full((2, 2), None, dtype=object), pa.list_(pa.string()), [[None, None]] * 2),
    ("top labels, no rows", np.empty((0, 2), dtype=object), pa.list_(pa.string()), []),
    ("pixels", np.zeros((1, 2, 1, 3), np.uint8), pa.list_(pa.list_(pa.list_(pa.uint8()))), [[[[0] * 3]] * 2]),
    ("empty cells", np.zeros((2, 0), np.int64), pa.list_(pa.int64()), [[], []]),
    ("uneven lists", objects([1], [2, 3]), pa.list_(pa.int64()), [[1], [2, 3]]),
    (
        "photos of several sizes",
        objects(np.zeros((1, 2, 3), np.uint8), np.ones((2, 1, 3), np.uint8)),
        pa.list_(pa.list_(pa.list_(pa.uint8()))),
        [[[[0] * 3] * 2], [[[1] * 3]] * 2],
    ),
    ("structs", objects({"a": 1}, {"a": 2}), pa.struct({"a": pa.int64()}), [{"a": 1}, {"a": 2}]),
]


@pytest.mark.parametrize(("values", "kind", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_column_keeps_its_values_and_type(values: Any, kind: pa.DataType, expected: Any) -> None:
    column = table_of({"x": values}).column("x")
    assert column.type == kind
    assert len(column) == len(values)
    if expected is not None:
        assert column.to_pylist() == expected


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_does_not_matter(order: Any) -> None:
    values = np.asarray(np.arange(24).reshape(2, 3, 4), order=order)
    assert table_of({"x": values}).column("x").to_pylist() == values.tolist()
    assert table_of({"x": values[:, :, ::2]}).column("x").to_pylist() == values[:, :, ::2].tolist()
    assert table_of({"x": values[1, 0, ::-1]}).column("x").to_pylist() == values[1, 0, ::-1].tolist()


def test_rejects_are_a_table_of_six_columns() -> None:
    table = reject_table([Reject.of("k", 3, "decode", KeyError("x"), b"raw"), Reject.of("l", 4, "read", OSError(), 5)])
    assert table.to_pylist() == [
        {"key": "k", "row": 3, "stage": "decode", "error_type": "KeyError", "message": "'x'", "original": b"raw"},
        {"key": "l", "row": 4, "stage": "read", "error_type": "OSError", "message": "OSError", "original": None},
    ]
