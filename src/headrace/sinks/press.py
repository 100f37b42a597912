"""Parts and their rejects are made and published; in the process that has the folder, or in any other."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from headrace.core.batch import Columns, Reject
from headrace.core.contracts import Published
from headrace.core.errors import BadOutput, WriteFailed
from headrace.core.partition import Account, Partition
from headrace.sinks.column_types import TYPES, ColumnTypes, closed
from headrace.sinks.footers import Footer, encode, part_name, read_footer, rejects_name
from headrace.sinks.stores import Store, write_failed
from headrace.sinks.tables import reject_table, typed_table

REJECTS = "_headrace/rejects"


class PartPress:
    """Makes part files of one job; pickled, it goes on elsewhere, where nobody checks whether the folder is held.

    types: of the columns, on which it agrees with all that publish there. held: raises WriteFailed when the folder is
    not this run's any more.
    """

    def __init__(
        self,
        store: Store,
        fingerprint: str,
        *,
        types: ColumnTypes | None = None,
        held: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self.fingerprint, self._held = store, fingerprint, held
        self._types = types or ColumnTypes(store, fingerprint)

    def __reduce__(self) -> tuple[Any, ...]:
        return _press, (self._store, self.fingerprint, self._types)

    def settle(self, columns: Columns) -> None:
        """Settles the types that these rows tell, as publishing them would. Raises WriteFailed."""
        self._held()
        try:
            self._uniform(typed_table(columns))
        except OSError as error:
            raise write_failed(f"{self._store.root}/{TYPES}", error) from error

    def publish(self, partition: Partition, columns: Columns, account: Account, rejects: Sequence[Reject]) -> Published:
        """Writes the rejects under a name of their own, then publishes the part, which names them.

        When another attempt has published the partition, this one's files are discarded and the other's account is
        returned. Raises WriteFailed.
        """
        assert account.balanced(), (partition, account)
        self._held()
        attempt, name = uuid.uuid4().hex[:12], part_name(partition.number)
        named = rejects_name(partition.number, int(attempt, 16)) if rejects else None
        footer = Footer(partition, attempt, account, named, self.fingerprint)
        try:
            data, digest = encode(self._uniform(typed_table(columns)), footer)
            if rejects:
                self._store.create(f"{REJECTS}/{named}", encode(reject_table(rejects))[0])
            self._held()  # encoding and sending the rejects may have taken longer than the lease
            published = self._store.create(name, data)
            if not published:
                self._discard(named)
                return Published(self.footer(partition.number).account)
        except WriteFailed:
            self._discard(named)
            raise
        except OSError as error:
            if self._is_absent(name):
                self._discard(named)
            raise write_failed(f"{self._store.root}/{name}", error) from error
        return Published(account, (len(data), replace(footer, sha256=digest)))

    def footer(self, number: int) -> Footer:
        """What a partition's part says of itself. Raises BadOutput when it is broken or another job's; OSError."""
        name = part_name(number)
        with self._store.open(name) as file:
            footer = read_footer(file, f"{self._store.root}/{name}")
        if footer.fingerprint != self.fingerprint or footer.partition.number != number:
            fix = "write to another folder, or --overwrite to start anew"
            raise BadOutput(f"{self._store.root}/{name}", "belongs to another job", fix)
        return footer

    def _is_absent(self, name: str) -> bool:
        """Whether a part that could not be created is certainly not there. An object may be though its answer was lost,
        a local file though its folder could not be synced; then it names its rejects."""
        if not self._store.is_local:
            return False
        try:
            self._store.open(name).close()
        except OSError as error:
            return isinstance(error, FileNotFoundError)
        return False

    def _discard(self, named: str | None) -> None:
        if named is not None:
            with contextlib.suppress(OSError):  # no part names it: the next session removes it
                self._store.delete(f"{REJECTS}/{named}")

    def _uniform(self, table: pa.Table) -> pa.Table:
        """The table in the types on which all parts agree, so that they read as one. Raises ArrowInvalid where it does
        not fit them; OSError."""
        agreed = self._types.types(table.schema, settle=len(table) > 0)
        schema = pa.schema([field.with_type(closed(field.type)) for field in agreed])
        if not len(table):
            return schema.empty_table()
        return pa.table([_cast(table.column(field.name), field) for field in schema], schema=schema)


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        what = f"column {field.name!r}: {column.type} here, {field.type} in the parts before ({error})"
        raise pa.ArrowInvalid(f"{what}; give it one type in all batches") from error


def _press(store: Store, fingerprint: str, types: ColumnTypes) -> PartPress:
    return PartPress(store, fingerprint, types=types)
