"""Columns as Arrow tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow.lib import StringBuilder

from headrace.core.batch import Columns, Reject

_REJECT_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("row", pa.int64()),
        ("stage", pa.string()),
        ("error_type", pa.string()),
        ("message", pa.string()),
        ("original", pa.binary()),
    ]
)


def table_of(columns: Columns) -> pa.Table:
    """A table; [N, D] floats become fixed-size lists, other [N, D] lists, more axes nested lists; objects that are all
    None become text."""
    return _table(columns, pa.string())


def typed_table(columns: Columns) -> pa.Table:
    """As `table_of`, with the type null, also in lists and structs, where no value tells another."""
    return _table(columns, pa.null())


def _table(columns: Columns, untold: pa.DataType) -> pa.Table:
    return pa.table({name: _arrow(array, untold) for name, array in columns.items()})


def _arrow(array: Any, untold: pa.DataType) -> pa.Array:
    if array.dtype == object:
        return _objects(array, untold)
    array = np.ascontiguousarray(array)
    if array.ndim == 1:
        return _values(array)
    if array.dtype.kind == "f" and array.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(_values(array.reshape(-1)), array.shape[1])
    return _nested(array)


def _values(array: Any) -> pa.Array:
    """Plain numbers, not copied. pa.array() would import pandas where it is installed: 0.3 s of a short run."""
    if array.dtype.kind in "iuf" and array.dtype.isnative:
        return pa.Array.from_buffers(pa.from_numpy_dtype(array.dtype), len(array), [None, pa.py_buffer(array)])
    return pa.array(array)


def _objects(array: Any, untold: pa.DataType) -> pa.Array:
    """Text, as labels and keys are, or whatever Arrow makes of other objects."""
    values = _cells(array)
    if array.ndim == 1 and all(v is None for v in values):
        return pa.nulls(len(values), untold)
    if array.ndim == 1 and all(v is None or isinstance(v, str) for v in values):
        builder = StringBuilder()
        builder.append_values(values)
        return builder.finish()
    return pa.array(values, _cell_type(array, untold), from_pandas=array.ndim == 1)


def _cells(array: Any) -> list[Any]:
    return [v.tolist() if isinstance(v, np.ndarray) and v.ndim > 1 else v for v in array.tolist()]


def _cell_type(array: Any, untold: pa.DataType) -> pa.DataType | None:
    """Lists of text (or nothing), nested lists where the first cell has several axes; else Arrow finds it."""
    if array.ndim == 2 and all(v is None for v in array.flat):
        return pa.list_(untold)
    if array.ndim == 2 and all(v is None or isinstance(v, str) for v in array.flat):
        return pa.list_(pa.string())
    first = array[0] if array.ndim == 1 and len(array) else None
    if not isinstance(first, np.ndarray) or first.ndim < 2 or first.dtype == object:
        return None
    kind = pa.from_numpy_dtype(first.dtype)
    for _ in first.shape:
        kind = pa.list_(kind)
    return kind


def _nested(array: Any) -> pa.Array:
    """[N, ...] as lists in lists. Raises ValueError past their 2^31 values."""
    if array.size >= 2**31:
        raise ValueError(f"{len(array)} rows of {array.shape[1:]} are over 2^31 values; use a smaller --partition-rows")
    result = _values(array.reshape(-1))
    for axis in range(array.ndim - 1, 0, -1):
        rows, length = int(np.prod(array.shape[:axis])), array.shape[axis]
        offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(length)
        result = pa.ListArray.from_arrays(_values(offsets), result)
    return result


def reject_table(rejects: Sequence[Reject]) -> pa.Table:
    """Rejects as a table: key, row (in the listing), stage, error_type, message, original."""
    rows = {name: [getattr(r, name) for r in rejects] for name in _REJECT_SCHEMA.names}
    return pa.table(rows, schema=_REJECT_SCHEMA)
