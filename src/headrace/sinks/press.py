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
from headrace.sinks.footers import Footer, encode, part_name, read_footer, rejects_name
from headrace.sinks.stores import Store, write_failed
from headrace.sinks.tables import reject_table, table_of

REJECTS = "_headrace/rejects"


class PartPress:
    """Makes part files of one job; pickled, it goes on elsewhere, where nobody checks whether the folder is held.

    schema: the types of all parts with rows; those of the first one when not given. held: raises WriteFailed when the
    folder is not this run's any more.
    """

    def __init__(
        self,
        store: Store,
        fingerprint: str,
        *,
        schema: pa.Schema | None = None,
        held: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self.fingerprint, self.schema, self._held = store, fingerprint, schema, held

    def __reduce__(self) -> tuple[Any, ...]:
        return _press, (self._store, self.fingerprint, self.schema)

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
            data, digest = encode(self._uniform(table_of(columns)), footer)
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
            if self._store.is_local:  # an object may be there though its answer was lost; then it names these rejects
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

    def _discard(self, named: str | None) -> None:
        if named is not None:
            with contextlib.suppress(OSError):  # no part names it: the next session removes it
                self._store.delete(f"{REJECTS}/{named}")

    def _uniform(self, table: pa.Table) -> pa.Table:
        """The table in the types of the first part that has rows, so that all read as one. Raises ArrowInvalid where
        they do not fit."""
        if self.schema is None and len(table):
            self.schema = table.schema
        if self.schema is None or table.schema.names != self.schema.names:
            return table
        return table.cast(self.schema) if len(table) else self.schema.empty_table()


def _press(store: Store, fingerprint: str, schema: pa.Schema | None) -> PartPress:
    return PartPress(store, fingerprint, schema=schema)


def schema_of(columns: Columns) -> pa.Schema | None:
    """The types that a part of these columns has; None without rows."""
    table = table_of(columns) if columns else None
    return table.schema if table is not None and len(table) else None
