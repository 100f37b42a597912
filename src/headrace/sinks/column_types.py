"""Which types a job's columns have: those of the first part in which they have a value, whoever writes it."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pyarrow as pa

from headrace.sinks.stores import Store

TYPES = "_headrace/types"


class ColumnTypes:
    """The types of one job's columns, which writers in many processes settle among themselves; safe from threads.

    They lie in `_headrace/types` as schemas, numbered, each made of the one before and created where there was none:
    who comes second takes the first one's. Null stands for a type, or a part of one, that no value has told yet. Names
    begin with the fingerprint's first digits, so that a late writer of another job settles nothing here. Pickled, it
    goes on from what it knows.
    """

    def __init__(self, store: Store, fingerprint: str, *, known: pa.Schema | None = None, number: int = 0) -> None:
        self._store, self._fingerprint, self._known, self._number = store, fingerprint, known or pa.schema([]), number
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _column_types, (self._store, self._fingerprint, self._known, self._number)

    def types(self, found: pa.Schema, *, settle: bool) -> pa.Schema:
        """The types for columns of the types `found`; for all columns there are when none are found.

        settle: what was open until now and is told here, is settled with it; rows do so, parts without rows do not.
        What nobody has told is null. Raises OSError.
        """
        with self._lock:
            joined = _joined(self._known, found)
            if not self._number or any(is_open(field.type) for field in joined):
                self._read()
                joined = _joined(self._known, found)
            while settle and not joined.equals(self._known):
                if self._store.create(self._name, joined.serialize().to_pybytes()):
                    self._known, self._number = joined, self._number + 1
                else:
                    self._read()
                joined = _joined(self._known, found)
        return pa.schema([joined.field(name) for name in found.names or joined.names])

    @property
    def _name(self) -> str:
        return f"{TYPES}/{self._fingerprint[:16]}-{self._number:04d}"

    def _read(self) -> None:
        """Catches up with what others have settled."""
        with contextlib.suppress(FileNotFoundError):
            while True:
                self._known = pa.ipc.read_schema(pa.py_buffer(self._store.read(self._name)))
                self._number += 1


def _column_types(store: Store, fingerprint: str, known: pa.Schema, number: int) -> ColumnTypes:
    return ColumnTypes(store, fingerprint, known=known, number=number)


def closed(kind: pa.DataType) -> pa.DataType:
    """The type with text in place of null: what a part has that is written before its column's type is told.

    Such a column holds only nulls and empty lists. Numbers, times and lists of them that come later are read with it
    as one table: as text where it comes first, or in their own type when that one is named. A null type in the first
    file would keep Arrow from reading the others.
    """
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(closed(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(closed(field.type)) for field in kind])
    return kind


def is_open(kind: pa.DataType) -> bool:
    """Whether there is a null in it, for which a later part may tell a type."""
    return not closed(kind).equals(kind)


def _joined(known: pa.Schema, found: pa.Schema) -> pa.Schema:
    """The types that are known, and those found where they are open; also the columns that are not known."""
    fields = [f.with_type(_merged(f.type, found.field(f.name).type)) if f.name in found.names else f for f in known]
    return pa.schema([*fields, *(field for field in found if field.name not in known.names)])


def _merged(known: pa.DataType, found: pa.DataType) -> pa.DataType:
    if pa.types.is_null(known):
        return found
    if pa.types.is_list(known) and pa.types.is_list(found):
        return pa.list_(known.value_field.with_type(_merged(known.value_type, found.value_type)))
    if pa.types.is_struct(known) and pa.types.is_struct(found):
        told = {field.name: field.type for field in found}
        return pa.struct([f.with_type(_merged(f.type, told.get(f.name, pa.null()))) for f in known])
    return known
