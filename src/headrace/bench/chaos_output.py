"""An output folder as a stranger reads it: names, tables and footers, by pyarrow alone, on any file system."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

Rows = list[dict[str, Any]]

_FOOTER = b"headrace"
_HELD = frozenset({"lock", "lease.json"})


@dataclass(frozen=True)
class Part:
    """A part file: its rows, what its footer says, and the rejects that it names."""

    table: pa.Table
    footer: dict[str, Any]
    rejects: Rows

    @property
    def keys(self) -> list[str]:
        """The keys of its rows: the first column."""
        keys: list[str] = self.table.column(0).to_pylist()
        return keys


@dataclass(frozen=True)
class Output:
    """All that a run has left. left_over: files below _headrace that no finished run should leave."""

    parts: dict[str, Part]
    report: dict[str, Any]
    left_over: tuple[str, ...]


class Folder:
    """The output folder `root` on `filesystem`; poll_s: how often to look whether there is something new."""

    def __init__(self, filesystem: fs.FileSystem, root: str, poll_s: float = 0.0005) -> None:
        self.filesystem, self.root, self.poll_s = filesystem, root, poll_s

    def names(self, below: str = "") -> frozenset[str]:
        """The names of the files that lie in it, or in a folder below; none where there is no folder."""
        selector = fs.FileSelector(f"{self.root}/{below}".rstrip("/"), allow_not_found=True)
        return frozenset(i.base_name for i in self.filesystem.get_file_info(selector) if i.type == fs.FileType.File)

    def parts(self) -> frozenset[str]:
        """The names of the part files."""
        return frozenset(n for n in self.names() if n.startswith("part-"))

    def staged(self) -> frozenset[str]:
        """The names of files that are being written."""
        return self.names("_headrace/tmp")

    def look(self) -> Output:
        """Reads all of it. Raises OSError, ArrowInvalid, KeyError or ValueError where it is not whole."""
        parts = {name: self._part(name) for name in sorted(self.parts())}
        named = {p.footer["rejects"] for p in parts.values()}
        unnamed = self.names("_headrace/rejects") - named
        left_over = {f"tmp/{n}" for n in self.staged()} | {f"rejects/{n}" for n in unnamed}
        left_over |= self.names("_headrace") & _HELD
        return Output(parts, json.loads(self._bytes("_headrace/report.json")), tuple(sorted(left_over)))

    def _part(self, name: str) -> Part:
        table = self._table(name)
        footer = json.loads(table.schema.metadata[_FOOTER])
        named = footer["rejects"]
        rejects = self._table(f"_headrace/rejects/{named}").to_pylist() if named else []
        return Part(table.replace_schema_metadata(None), footer, rejects)

    def _table(self, name: str) -> pa.Table:
        return pq.ParquetFile(pa.BufferReader(self._bytes(name))).read()

    def _bytes(self, name: str) -> bytes:
        with self.filesystem.open_input_stream(f"{self.root}/{name}") as file:
            data: bytes = file.read()
        return data
