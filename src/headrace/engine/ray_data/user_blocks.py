"""Blocks of a user's dataset, as Arrow tables: the rows in them, and the columns that a model adds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from ray.data.block import BlockAccessor

from headrace.core.batch import Columns, objects
from headrace.core.errors import BadInput
from headrace.core.faults import WrongAnswer

ERROR = "headrace_error"
"""Why a row has nothing in the model's columns; null where it has."""

NAMES = ("image", "bytes", "path")
"""What a column with images is called, the first of them before the others."""

ArrowOf = Callable[[Columns], pa.Table]
"""Columns as Arrow, where [N, D] become lists, which may be null: Ray's tensors may not."""


@dataclass(frozen=True)
class Outcome:
    """What became of a block's rows.

    places: int64, those that came through, ascending. columns: theirs. errors: of the others, by place.
    """

    places: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    columns: Columns
    errors: Mapping[int, str]


def photo_column(schema: pa.Schema, given: str | None) -> str:
    """The column that images come in: the one that was given, else by name, else the only one of a fitting type.

    Raises BadInput.
    """
    names = ", ".join(schema.names)
    if given is not None:
        if given not in schema.names:
            raise BadInput("the dataset", f"has no column {given!r}, but {names}", "name another as column=")
        return given
    found = next((name for name in NAMES if name in schema.names), None)
    if found is None:
        fitting = [f.name for f in schema if _is_tensor(f.type) or _is_binary(f.type)]
        found = fitting[0] if len(fitting) == 1 else None
    if found is None:
        what = f"has no column that is clearly the images, but {names}"
        raise BadInput("the dataset", what, "name it: column= an image, bytes or path column")
    return found


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text, as paths are."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view())


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_tensor(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.ExtensionType)


def values_of(table: pa.Table, name: str) -> list[Any]:
    """A column's values: bytes, text, arrays, lists, None."""
    column = table.column(name)
    if not _is_tensor(column.type):
        listed: list[Any] = column.to_pylist()
        return listed
    valid = np.flatnonzero(column.is_valid().to_numpy())
    values: list[Any] = [None] * len(column)
    if len(valid):
        kept = table.select([name]).take(pa.array(valid)) if column.null_count else table
        for place, value in zip(valid.tolist(), BlockAccessor.for_block(kept).to_numpy(name), strict=True):
            values[place] = value
    return values


def columns_of(table: pa.Table) -> Columns:
    """All columns as arrays, as `map_batches` gives them to a user's code."""
    accessor = BlockAccessor.for_block(table)
    holed = {n for n in table.column_names if _is_tensor(table.column(n).type) and table.column(n).null_count}
    return {n: objects(values_of(table, n)) if n in holed else accessor.to_numpy(n) for n in table.column_names}


def tensors(columns: Columns) -> pa.Table:
    """Columns as Arrow, as Ray makes it of what `map_batches` returns: [N, ...] become tensors."""
    return BlockAccessor.batch_to_arrow_block(columns)


def errors_of(table: pa.Table) -> list[str | None]:
    """Why rows failed at a stage before; None for each that did not."""
    if ERROR not in table.column_names:
        return [None] * table.num_rows
    errors: list[str | None] = table.column(ERROR).to_pylist()
    return errors


def extended(table: pa.Table, drop: Collection[str], added: pa.Table, outcome: Outcome) -> pa.Table:
    """A block with a model's columns: `added` has a row for each that came through, the others get nulls.

    drop: columns that are left out. Raises BadInput where a column is there already.
    """
    kept = table.drop_columns([name for name in (*drop, ERROR) if name in table.column_names])
    if clash := set(kept.column_names) & set(added.column_names):
        shown = ", ".join(sorted(clash))
        raise BadInput("the dataset", f"has columns that the model writes too: {shown}", "drop or rename them")
    placed = _placed(added, outcome.places, table.num_rows)
    for field, column in zip(placed.schema, placed.columns, strict=True):
        kept = kept.append_column(field, column)
    return _with_errors(kept, outcome.errors)


def replaced(table: pa.Table, added: pa.Table, outcome: Outcome) -> pa.Table:
    """A block of the columns that a user's class returned; rows that failed have their own values where a returned
    column has the name and type of one that was given, else nulls."""
    if len(outcome.places) == table.num_rows:
        return _with_errors(added, {})
    own = {n for n in added.column_names if n in table.column_names and added.column(n).type == table.column(n).type}
    placed = _placed(added.select([n for n in added.column_names if n not in own]), outcome.places, table.num_rows)
    columns = {
        name: _merged(table.column(name), added.column(name), outcome.places) if name in own else placed.column(name)
        for name in added.column_names
    }
    return _with_errors(pa.table(columns), outcome.errors)


def failed(table: pa.Table, errors: Mapping[int, str]) -> pa.Table:
    """A block of which nothing came through a class that has not yet said what its columns are."""
    return _with_errors(table.drop_columns([ERROR] if ERROR in table.column_names else []), errors)


def cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """With the types that the first block had. Raises WrongAnswer."""
    if table.schema.equals(schema):
        return table
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError, ValueError) as error:
        raise WrongAnswer(f"the stage returned {table.schema}, before {schema}; return one type a column") from error


def _merged(own: pa.ChunkedArray, good: pa.ChunkedArray, places: Sequence[int] | np.ndarray[Any, Any]) -> Any:
    """`good` at `places`, `own` elsewhere."""
    order = np.arange(len(own))
    order[places] = len(own) + np.arange(len(good))
    both = pa.chunked_array([*own.chunks, *good.chunks], type=own.type)
    return pa.table({"both": both}).take(pa.array(order)).column("both")


def _placed(added: pa.Table, places: np.ndarray[Any, Any], rows: int) -> pa.Table:
    """A table of `rows` rows, with those of `added` at `places` and nulls elsewhere."""
    if len(places) == rows:
        return added
    if added.num_rows == 0:
        return pa.table({f.name: pa.nulls(rows, f.type) for f in added.schema}, schema=added.schema)
    order, missing = np.zeros(rows, np.int64), np.ones(rows, np.bool_)
    order[places], missing[places] = np.arange(len(places)), False
    return added.take(pa.array(order, mask=missing))


def _with_errors(table: pa.Table, errors: Mapping[int, str]) -> pa.Table:
    texts = pa.array([errors.get(row) for row in range(table.num_rows)], pa.string())
    if ERROR in table.column_names:
        table = table.drop_columns([ERROR])
    return table.append_column(ERROR, texts)
