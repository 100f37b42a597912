"""Parquet files: rows of row groups, with an image column if there is one."""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, cast
from weakref import WeakValueDictionary

from headrace.core.batch import Cell, Columns, Lost, Rows, joined, objects
from headrace.core.contracts import Read
from headrace.core.errors import BadInput
from headrace.sources.entries import Entries, Entry
from headrace.sources.listed import FileListing, list_files
from headrace.sources.locations import Location
from headrace.sources.retrying import fault_of, patiently, unreadable

_KEPT = 2  # row groups: rows that are run again, and the originals of those that are rejected again


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files below a folder, by a glob, or listed.

    image_column: the column that holds photos (encoded bytes, a {bytes, path} struct, or uint8 [H, W, 3] tensors);
    found by its type when not given. key_column: the column that names rows; without one the key is `path` = file#row.
    columns: the columns to read, all when not given.
    """

    paths: str | Path | Sequence[str | Path]
    image_column: str | None = None
    key_column: str | None = None
    columns: tuple[str, ...] | None = None
    filesystem: Any = field(default=None, repr=False)

    def describe(self) -> dict[str, Any]:
        """Kind and columns."""
        columns = list(self.columns) if self.columns is not None else None
        return {"kind": "parquet", "image_column": self.image_column, "key_column": self.key_column, "columns": columns}

    def list(self) -> ParquetListing:
        """Reads every file's footer."""
        place, entries = list_files(self.paths, (".parquet", ".pq"), filesystem=self.filesystem)
        groups: list[_Group] = []
        names: tuple[str, ...] = ()
        image: str | None = None
        for file_number, entry in enumerate(entries):
            footer = _footer(place, entry)
            schema = footer.schema.to_arrow_schema()
            if file_number == 0:
                names, image = self._chosen(entry.key, schema)
            if missing := [n for n in names if n not in schema.names]:
                what = f"lacks the columns {missing} of {entries[0].key}"
                raise BadInput(entry.key, what, "read files of one schema in a run, or fewer columns")
            first = 0
            for number in range(footer.num_row_groups):
                group = footer.row_group(number)
                rows = group.num_rows
                if rows:
                    groups.append(_Group(file_number, number, rows, rows, first, group.total_byte_size))
                first += rows
        return ParquetListing(place, entries, groups, names, image, self.key_column, self.image_column is not None)

    def _chosen(self, where: str, schema: Any) -> tuple[tuple[str, ...], str | None]:
        """The columns to read, and which of them is the image."""
        for name in [*(self.columns or ()), self.image_column, self.key_column]:
            if name is not None and name not in schema.names:
                raise BadInput(where, f"has no column {name!r}", "it has " + ", ".join(schema.names))
        image = self.image_column or _find_image(schema, self.columns)
        names = list(self.columns if self.columns is not None else schema.names)
        names += [n for n in (image, self.key_column) if n is not None and n not in names]
        return tuple(names), image


def _footer(place: Location, entry: Entry) -> Any:
    """A file's footer. Raises BadInput."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    def read() -> Any:
        with place.open(entry.path) as file:
            return pq.read_metadata(file)

    try:
        return patiently(read)
    except (ArrowException, OSError) as error:
        if fault_of(error) == "permanent":
            raise BadInput(entry.key, f"is not a readable Parquet file ({error})", "remove or mend it") from error
        raise BadInput(entry.key, f"cannot be read ({error})", "check access, address and credentials") from error


def _find_image(schema: Any, columns: tuple[str, ...] | None) -> str | None:
    fields = [f for f in schema if columns is None or f.name in columns]
    return next((f.name for f in fields if _is_image(f.type)), None)


def _is_image(kind: Any) -> bool:
    import pyarrow as pa

    if isinstance(kind, pa.FixedShapeTensorType):
        return kind.value_type == pa.uint8() and len(kind.shape) == 3 and kind.shape[2] == 3
    if pa.types.is_struct(kind):
        return "bytes" in {kind.field(i).name for i in range(kind.num_fields)}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


@dataclass(frozen=True, slots=True)
class _Group:
    file: int  # among the listing's entries
    number: int
    rows: int
    rows_in_file: int  # more than `rows` where a limit cuts it
    first: int  # its first row in the file
    nbytes: int


@dataclass(frozen=True)
class ParquetListing(FileListing):
    """The row groups that were found, in order of files."""

    place: Location
    entries: Entries
    groups: list[_Group]
    names: tuple[str, ...]
    image: str | None
    key_column: str | None
    decodes: bool
    row_a_file: bool = False
    loaded: _LoadedGroups = field(default_factory=lambda: _LoadedGroups(), repr=False, compare=False)

    @cached_property
    def starts(self) -> list[int]:
        """The row each group begins at; behind them, how many rows there are."""
        return list(accumulate((g.rows for g in self.groups), initial=0))

    @property
    def rows(self) -> int:
        """Rows of all groups."""
        return self.starts[-1]

    @property
    def key_name(self) -> str:
        """The key column's name, or "path"; "row_path" where the files have a column "path" of their own."""
        return self.key_column or ("row_path" if "path" in self.names else "path")

    @property
    def image_name(self) -> str:
        """The image column's name, or "image"."""
        return self.image or "image"

    @property
    def has_images(self) -> bool:
        """Whether there is an image column."""
        return self.image is not None

    @property
    def burst_bytes(self) -> int:
        """Bytes of the largest row group, not compressed."""
        return max((g.nbytes for g in self.groups), default=0)

    def digest(self) -> str:
        """sha256 over files, row groups, their sizes, and the columns read."""
        facts = [[self.entries[g.file].key, g.number, g.rows, g.nbytes] for g in self.groups]
        return hashlib.sha256(json.dumps([self.names, self.rows, facts]).encode()).hexdigest()

    def head(self, rows: int) -> ParquetListing:
        """The first `rows` rows; the row group they end in is cut."""
        last = bisect_left(self.starts, rows, hi=len(self.groups))
        groups = self.groups[:last]
        if last and (left := rows - self.starts[last - 1]) < groups[-1].rows:
            groups[-1] = replace(groups[-1], rows=left)
        return replace(self, groups=groups)

    def files(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Key, size and the row groups' row counts of every file that has rows."""
        for number, groups in groupby(self.groups, lambda g: g.file):
            entry = self.entries[number]
            yield entry.key, entry.size, tuple(g.rows_in_file for g in groups)

    def only(self, keys: Collection[str]) -> ParquetListing:
        """Just the row groups of the files whose key is in `keys`."""
        wanted = frozenset(keys)
        return replace(self, groups=[g for g in self.groups if self.entries[g.file].key in wanted])

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Reads of at most `size` rows; those of one row group share its loading, and it is freed after the last.

        A read may cover two groups, so that `size` alone decides where batches lie. Rows asked for one by one share
        the loading too: the two groups that were read last stay, until some group's last row is read.
        """
        for first in range(start, stop, size):
            last = min(first + size, stop)
            pieces = []
            position = first
            while position < last:
                index = bisect_right(self.starts, position) - 1
                begin = self.starts[index]
                end = min(last, self.starts[index + 1])
                here = self.loaded.at(self, index)  # is held on to until the next one is: it holds the one behind it
                pieces.append((here, position - begin, end - begin))
                position = end
            nbytes = sum((b - a) * g.group.nbytes // g.group.rows_in_file for g, a, b in pieces)
            yield Read(last - first, nbytes, _Load(self.loaded, pieces))


@dataclass(frozen=True, slots=True)
class _Load:
    loaded: _LoadedGroups
    pieces: list[tuple[_LoadedGroup, int, int]]

    def __call__(self) -> Rows:
        return joined([self._rows(*piece) for piece in self.pieces])

    def _rows(self, group: _LoadedGroup, first: int, last: int) -> Rows:
        self.loaded.keep(group, moving_on=last == group.group.rows)
        return group.slice(first, last)


class _LoadedGroups:
    """The row groups of a listing, and of those cut from it, that are in use; for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_use: WeakValueDictionary[_Group, _LoadedGroup] = WeakValueDictionary()
        self._kept: deque[_LoadedGroup] = deque(maxlen=_KEPT)

    def __reduce__(self) -> tuple[Any, ...]:
        return _LoadedGroups, ()  # another process reads for itself

    def at(self, listing: ParquetListing, index: int) -> _LoadedGroup:
        """The group at `index` of the listing, which holds the one behind it; the one in use, if it is."""
        with self._lock:
            here = self._of(listing, index)
            if index + 1 < len(listing.groups):
                here.following = self._of(listing, index + 1)
            return here

    def _of(self, listing: ParquetListing, index: int) -> _LoadedGroup:
        group = listing.groups[index]
        found = self._in_use.get(group)
        if found is None:
            # Of a listing that keeps none: tables in a cycle would outlive it.
            found = self._in_use[group] = _LoadedGroup(replace(listing, groups=[], loaded=_LoadedGroups()), group)
        return found

    def keep(self, group: _LoadedGroup, *, moving_on: bool) -> None:
        """Makes room for a group that is about to be read, and keeps it; moving on, all that are kept are let go."""
        with self._lock:
            if moving_on:
                self._kept.clear()
                return
            if group in self._kept:
                self._kept.remove(group)
            self._kept.append(group)


class _LoadedGroup:
    """A row group, read when the first of its rows is asked for."""

    def __init__(self, listing: ParquetListing, group: _Group) -> None:
        self.listing, self.group = listing, group
        self.following: _LoadedGroup | None = None
        self._entry = listing.entries[group.file]
        self._lock = threading.Lock()
        self._table: Any = None
        self._lost: Exception | None = None

    def slice(self, first: int, last: int) -> Rows:
        """Rows `first` to `last` of the group. While another thread is reading it, this one reads the one behind."""
        if self._lock.locked() and (following := self.following) is not None:
            following.load()
        table = self.load()
        if table is None:
            said = f"row group {self.group.number} cannot be read ({self._lost})"
            return self._lost_rows(range(self.group.first + first, self.group.first + last), said)
        return self._sound_rows(table.slice(first, last - first), self.group.first + first)

    def load(self) -> Any:
        """The group's table; None when it is lost: missing, forbidden or damaged."""
        with self._lock:
            if self._table is None and self._lost is None:
                self._table = self._read()
            return self._table

    def _read(self) -> Any:
        from pyarrow import ArrowException

        where = f"{self._entry.key}, row group {self.group.number}"
        try:
            table = patiently(self._read_once)
        except (ArrowException, OSError) as error:
            if fault_of(error) in ("no_place", "transient"):
                raise unreadable(where, error) from error
            self._lost = error
            return None
        if table is None or table.num_rows != self.group.rows_in_file or {*self.listing.names} - {*table.column_names}:
            raise unreadable(where, OSError("It is not what its footer said when it was listed"))
        return table.combine_chunks()

    def _read_once(self) -> Any:
        import pyarrow.parquet as pq

        with self.listing.place.open(self._entry.path) as file:
            parquet = pq.ParquetFile(file)
            if self.group.number >= parquet.num_row_groups:
                return None
            columns = list(self.listing.names)
            return parquet.read_row_group(self.group.number, columns=columns, use_threads=False)

    def _sound_rows(self, table: Any, first: int) -> Rows:
        """The table's rows; one with a value that is none of its column's type, such as text not in UTF-8, is lost."""
        try:
            return self._rows(table, first)
        except (ValueError, OverflowError) as error:
            if len(table) == 1:
                return self._lost_rows(range(first, first + 1), f"a value of the row cannot be read ({error})")
        half = len(table) // 2
        parts = ((table.slice(0, half), first), (table.slice(half), first + half))
        return joined([self._sound_rows(*part) for part in parts])

    def _lost_rows(self, rows: range, said: str) -> Rows:
        """Rows without columns; their keys are file#row, also where a column has others."""
        lost = (Lost(place, f"{self._entry.key}#{row}", OSError(said)) for place, row in enumerate(rows))
        return Rows([], {}, None if self.listing.image is None else [], tuple(lost))

    def _rows(self, table: Any, first: int) -> Rows:
        listing = self.listing
        if listing.key_column is None:
            keys = [f"{self._entry.key}#{i}" for i in range(first, first + len(table))]
        else:
            keys = [str(k) for k in table.column(listing.key_column).to_pylist()]
        skipped = (listing.image, listing.key_column)
        columns: Columns = {n: to_numpy(table.column(n)) for n in table.column_names if n not in skipped}
        return Rows(keys, columns, None if listing.image is None else _cells(table.column(listing.image)))


def to_numpy(column: Any) -> Any:
    """An Arrow column as an array: tensors as [N, ...], numbers as they are, the rest and what has nulls as objects."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    if isinstance(array, pa.FixedShapeTensorArray):
        return array.to_numpy_ndarray()
    kind = array.type
    if array.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return array.to_numpy(zero_copy_only=False).copy()  # a view would keep the whole row group in memory
    return objects(array.to_pylist())


def _cells(column: Any) -> list[Cell]:
    values = to_numpy(column)
    return [_cell(v) for v in values]


def _cell(value: Any) -> Cell:
    if isinstance(value, dict):
        value = value.get("bytes")
    if value is None:
        return ValueError("the image is null")
    return cast("Cell", value)
