"""Parquet files: rows of row groups, with an image column if there is one."""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from headrace.core.batch import Cell, Columns, Rows, end_to_end, objects
from headrace.core.contracts import Read
from headrace.core.errors import BadInput
from headrace.sources.listed import list_files
from headrace.sources.locations import LocalFolder, Location


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
    filesystem: Any = None

    def describe(self) -> dict[str, Any]:
        """Kind and columns."""
        columns = list(self.columns) if self.columns is not None else None
        return {"kind": "parquet", "image_column": self.image_column, "key_column": self.key_column, "columns": columns}

    def list(self) -> ParquetListing:
        """Reads every file's footer."""
        import pyarrow.parquet as pq
        from pyarrow import ArrowInvalid

        place, entries = list_files(self.paths, (".parquet", ".pq"), filesystem=self.filesystem)
        groups: list[_Group] = []
        row = 0
        names: tuple[str, ...] = ()
        image: str | None = None
        for entry in entries:
            try:
                with place.open(entry.path) as file:
                    footer = pq.read_metadata(file)
            except (ArrowInvalid, OSError) as error:
                raise BadInput(entry.key, f"is not a readable Parquet file ({error})", "remove or mend it") from error
            schema = footer.schema.to_arrow_schema()
            if entry is entries[0]:
                names, image = self._chosen(entry.key, schema)
            if missing := [n for n in names if n not in schema.names]:
                what = f"lacks the columns {missing} of {entries[0].key}"
                raise BadInput(entry.key, what, "read files of one schema in a run, or fewer columns")
            first = 0
            for number in range(footer.num_row_groups):
                group = footer.row_group(number)
                groups.append(_Group(entry.path, entry.key, number, row, group.num_rows, first, group.total_byte_size))
                row, first = row + group.num_rows, first + group.num_rows
        filled = [g for g in groups if g.rows]
        return ParquetListing(place, filled, names, image, self.key_column, self.image_column is not None)

    def _chosen(self, where: str, schema: Any) -> tuple[tuple[str, ...], str | None]:
        """The columns to read, and which of them is the image."""
        for name in [*(self.columns or ()), self.image_column, self.key_column]:
            if name is not None and name not in schema.names:
                raise BadInput(where, f"has no column {name!r}", "it has " + ", ".join(schema.names))
        image = self.image_column or _find_image(schema, self.columns)
        names = list(self.columns if self.columns is not None else schema.names)
        names += [n for n in (image, self.key_column) if n is not None and n not in names]
        return tuple(names), image


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
    path: str
    key: str
    number: int
    start: int  # in the listing
    rows: int
    first: int  # in the file
    nbytes: int


@dataclass(frozen=True)
class ParquetListing:
    """The row groups that were found, in order of files."""

    place: Location
    groups: list[_Group]
    names: tuple[str, ...]
    image: str | None
    key_column: str | None
    decodes: bool
    limit: int | None = None

    @property
    def rows(self) -> int:
        """Rows of all groups, or fewer when limited."""
        found = self.groups[-1].start + self.groups[-1].rows if self.groups else 0
        return found if self.limit is None else min(self.limit, found)

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

    @property
    def remote(self) -> bool:
        """Whether the files are on another machine."""
        return not isinstance(self.place, LocalFolder)

    def inside(self, folder: str) -> bool:
        """Whether any file lies below a local folder."""
        return not self.remote and any(Path(g.path).is_relative_to(folder) for g in self.groups)

    def digest(self) -> str:
        """sha256 over files, row groups, their sizes, and the columns read."""
        facts = [[g.key, g.number, g.rows, g.nbytes] for g in self.groups]
        return hashlib.sha256(json.dumps([self.names, self.rows, facts]).encode()).hexdigest()

    def head(self, rows: int) -> ParquetListing:
        """The first `rows` rows."""
        return replace(self, limit=min(rows, self.rows))

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Reads of at most `size` rows; those of one row group share its loading, and it is freed after the last.

        A read may cover two groups, so that `size` alone decides where batches lie.
        """
        loaded = _LoadedGroups(self)
        starts = [g.start for g in self.groups]
        for first in range(start, stop, size):
            last = min(first + size, stop)
            pieces = []
            position = first
            while position < last:
                index = bisect_right(starts, position) - 1
                group = self.groups[index]
                end = min(last, group.start + group.rows)
                pieces.append((loaded.at(index), position - group.start, end - group.start))
                position = end
            nbytes = sum((b - a) * g.group.nbytes // g.group.rows for g, a, b in pieces)
            yield Read(last - first, nbytes, _Load(pieces))


@dataclass(frozen=True, slots=True)
class _Load:
    pieces: list[tuple[_LoadedGroup, int, int]]

    def __call__(self) -> Rows:
        parts = [group.slice(a, b) for group, a, b in self.pieces]
        if len(parts) == 1:
            return parts[0]
        columns = {n: end_to_end([p.columns[n] for p in parts]) for n in parts[0].columns}
        cells = None if parts[0].cells is None else [c for p in parts for c in p.cells or ()]
        return Rows([k for p in parts for k in p.keys], columns, cells)


class _LoadedGroups:
    """The row group that reads have come to, and the one after it."""

    def __init__(self, listing: ParquetListing) -> None:
        self._listing = listing
        self._here: dict[int, _LoadedGroup] = {}

    def at(self, index: int) -> _LoadedGroup:
        """The group at `index` of the listing; that before it is let go."""
        here = self._here.get(index) or _LoadedGroup(self._listing, index)
        self._here = {index: here, index + 1: here.following} if here.following is not None else {index: here}
        return here


class _LoadedGroup:
    """A row group, read when the first of its rows is asked for."""

    def __init__(self, listing: ParquetListing, index: int) -> None:
        self.listing, self.group = listing, listing.groups[index]
        self._index = index
        self._lock = threading.Lock()
        self._table: Any = None

    @cached_property
    def following(self) -> _LoadedGroup | None:
        """The group behind this one."""
        behind = self._index + 1
        return _LoadedGroup(self.listing, behind) if behind < len(self.listing.groups) else None

    def slice(self, first: int, last: int) -> Rows:
        """Rows `first` to `last` of the group. While another thread is reading it, this one reads the one behind."""
        if self._lock.locked() and self.following is not None:
            self.following.load()
        table = self.load().slice(first, last - first)
        return self._rows(table, self.group.first + first)

    def load(self) -> Any:
        """The group's table."""
        with self._lock:
            if self._table is None:
                self._table = self._read()
            return self._table

    def _read(self) -> Any:
        import pyarrow.parquet as pq

        with self.listing.place.open(self.group.path) as file:
            table = pq.ParquetFile(file).read_row_group(
                self.group.number, columns=list(self.listing.names), use_threads=False
            )
        return table.combine_chunks()

    def _rows(self, table: Any, first: int) -> Rows:
        listing = self.listing
        if listing.key_column is None:
            keys = [f"{self.group.key}#{i}" for i in range(first, first + len(table))]
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
