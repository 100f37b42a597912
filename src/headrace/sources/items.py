"""Rows from a list in memory."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle

from headrace.core.batch import Cell, Columns, Rows, stacked
from headrace.core.contracts import Read
from headrace.core.errors import BadInput

_IMAGE = "image"


@dataclass(frozen=True)
class Items:
    """Dictionaries (or plain values, under the name "item") as rows; key: their number, or the `key_column`'s value.

    A column "image" of encoded bytes or uint8 [H, W, 3] arrays is taken as photos.
    """

    items: Sequence[Any]
    key_column: str | None = None

    def describe(self) -> dict[str, Any]:
        """Its kind; the rows are in the listing's digest."""
        return {"kind": "items", "key_column": self.key_column}

    def list(self) -> ItemListing:
        """Checks that all rows have the same names, as text. Raises BadInput."""
        rows = [i if isinstance(i, dict) else {"item": i} for i in self.items]
        if not rows:
            raise BadInput("from_items", "got no items", "give at least one")
        if others := [n for n in rows[0] if not isinstance(n, str)]:
            raise BadInput("item 0", f"has the names {others}, which are no text", "name columns by text")
        for number, row in enumerate(rows):
            if row.keys() != rows[0].keys():
                names = sorted(map(str, row))
                raise BadInput(
                    f"item {number}", f"has the names {names}, item 0 {sorted(rows[0])}", "give all the same"
                )
        if self.key_column is not None and self.key_column not in rows[0]:
            raise BadInput("from_items", f"items have no {self.key_column!r}", "they have " + ", ".join(rows[0]))
        return ItemListing(rows, self.key_column, has_images=_IMAGE in rows[0])


@dataclass(frozen=True)
class ItemListing:
    """The rows, as dictionaries."""

    items: list[dict[str, Any]]
    key_column: str | None
    has_images: bool
    image_name: str = _IMAGE
    decodes: bool = False
    remote: bool = False
    row_a_file: bool = False
    burst_bytes: int = 0

    def inside(self, folder: str) -> bool:
        """Never: there are no files."""
        return False

    @property
    def rows(self) -> int:
        """How many items there are."""
        return len(self.items)

    @property
    def key_name(self) -> str:
        """The key column's name, or "item_id"."""
        return self.key_column or "item_id"

    def digest(self) -> str:
        """sha256 over the items, each pickled by value alone: without a memo, equal items give equal bytes.

        Raises BadInput for an item that cannot be pickled.
        """
        total = hashlib.sha256()
        for number, item in enumerate(self.items):
            try:
                total.update(_pickled_by_value(item))
            except Exception as error:
                what = f"cannot be pickled, which tells changed items ({type(error).__name__}: {error})"
                raise BadInput(
                    f"item {number}", what, "give numbers, text, bytes, arrays, lists, dictionaries"
                ) from error
        return total.hexdigest()

    def head(self, rows: int) -> ItemListing:
        """The first `rows` items."""
        return replace(self, items=self.items[:rows])

    def files(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """None."""
        return iter(())

    def only(self, keys: Collection[str]) -> ItemListing:
        """Raises BadInput."""
        what = "items in memory have no files that new ones could be told by"
        raise BadInput("from_items", what, "write the new items to an output folder of their own")

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Reads of at most `size` items."""
        for first in range(start, stop, size):
            last = min(first + size, stop)
            yield Read(last - first, 0, _Load(self, first, last))


@dataclass(frozen=True, slots=True)
class _Load:
    listing: ItemListing
    first: int
    last: int

    def __call__(self) -> Rows:
        listing = self.listing
        items = listing.items[self.first : self.last]
        if listing.key_column is None:
            keys = [str(i) for i in range(self.first, self.last)]
        else:
            keys = [str(item[listing.key_column]) for item in items]
        skipped = (listing.image_name, listing.key_column)
        columns: Columns = {n: stacked([i[n] for i in items]) for n in items[0] if n not in skipped}
        cells: list[Cell] | None = [i[listing.image_name] for i in items] if listing.has_images else None
        return Rows(keys, columns, cells)


def _pickled_by_value(item: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pickler = cloudpickle.Pickler(buffer)
    pickler.fast = True
    try:
        pickler.dump(item)
    except (ValueError, pickle.PicklingError):  # it refers to itself, as functions do
        pickled: bytes = cloudpickle.dumps(item)
        return pickled
    return buffer.getvalue()
