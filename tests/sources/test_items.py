"""Items in memory become rows with keys, columns and photos."""

import threading
from typing import Any

import numpy as np
import pytest

from headrace.core.batch import Rows
from headrace.core.errors import BadInput
from headrace.sources.items import Items


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def read(items: list[Any], **options: Any) -> Rows:
    (only,) = Items(items, **options).list().reads(0, len(items), len(items))
    return only.load()


def test_plain_values_get_a_name_and_numbers_as_keys() -> None:
    rows = read([5, 6, 7])
    assert rows.keys == ["0", "1", "2"]
    assert rows.columns["item"].tolist() == [5, 6, 7]
    assert rows.cells is None
    assert Items([5]).list().key_name == "item_id"


def test_key_column_names_the_rows() -> None:
    rows = read([{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], key_column="sku")
    assert rows.keys == ["a", "b"]
    assert list(rows.columns) == ["n"]
    assert Items([{"sku": 1}], key_column="sku").list().key_name == "sku"


def test_image_column_is_photos() -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    listing = Items([{"image": pixels}, {"image": b"jpeg"}]).list()
    assert listing.has_images
    assert listing.head(0).has_images
    rows = read([{"image": pixels}, {"image": b"jpeg"}])
    assert rows.cells is not None
    assert rows.cells[0] is pixels
    assert rows.cells[1] == b"jpeg"
    assert rows.columns == {}


@pytest.mark.parametrize(
    ("values", "shape", "kind"),
    [
        ([1, 2], (2,), "i"),
        ([1, 2.5], (2,), "f"),
        ([[1, 2], [3, 4]], (2, 2), "i"),
        ([np.zeros((2, 3)), np.ones((2, 3))], (2, 2, 3), "f"),
        ([[1], [2, 3]], (2,), "O"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], (2,), "O"),
        ([["a", "b"], ["c", "d"]], (2,), "O"),
        (["a", "bc"], (2,), "O"),
        ([b"a\0", b"b"], (2,), "O"),
        ([1, None], (2,), "O"),
        ([{"a": 1}, {"a": 2}], (2,), "O"),
    ],
)
def test_column_has_one_value_a_row(values: list[Any], shape: tuple[int, ...], kind: str) -> None:
    column = read([{"x": v} for v in values]).columns["x"]
    assert (column.shape, column.dtype.kind) == (shape, kind)
    assert all(np.array_equal(got, value) for got, value in zip(column, values, strict=True))


def test_faults_are_named() -> None:
    with pytest.raises(BadInput, match="from_items: got no items; give at least one"):
        Items([]).list()
    with pytest.raises(BadInput, match=r"item 1: has the names \['b'\], item 0 \['a'\]"):
        Items([{"a": 1}, {"b": 1}]).list()
    with pytest.raises(BadInput, match="from_items: items have no 'id'; they have a"):
        Items([{"a": 1}], key_column="id").list()


@pytest.mark.parametrize("first", [{1: 2}, {"a": 1, 2: 3}, {None: 1}])
def test_names_that_are_no_text_are_refused(first: dict[Any, Any]) -> None:
    with pytest.raises(BadInput, match=r"item 0: has the names \[.+\], which are no text; name columns by text"):
        Items([first]).list()
    with pytest.raises(BadInput, match=r"item 1: has the names \['2', 'a'\], item 0 \['b'\]; give all the same"):
        Items([{"b": 1}, {"a": 1, 2: 3}]).list()


class Unpicklable:
    def __reduce__(self) -> str:
        raise ZeroDivisionError("hostile")


@pytest.mark.parametrize("value", [threading.Lock(), (n for n in range(3)), Unpicklable(), nested(100_000)], ids=type)
def test_item_that_cannot_be_pickled_is_named(value: Any) -> None:
    with pytest.raises(
        BadInput, match=r"item 1: cannot be pickled, which tells changed items \(\w+: .+\); give numbers"
    ):
        Items([{"a": 1}, {"a": value}]).list().digest()


def test_digest_is_that_of_the_values_not_of_the_objects() -> None:
    word, photo = "wo" + "rd", np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    shared = [{"a": word, "b": word, "image": photo}, {"a": word, "b": word, "image": photo}]
    apart = [{"a": "".join(["wo", "rd"]), "b": "".join(["w", "ord"]), "image": photo.copy()} for _ in range(2)]
    assert Items(shared).list().digest() == Items(apart).list().digest()
    changed = [*shared[:1], {"a": word, "b": word, "image": photo + 1}]
    assert Items(changed).list().digest() != Items(shared).list().digest()
    assert Items(shared).list().head(1).digest() != Items(shared).list().digest()


def test_items_that_refer_to_themselves_have_a_digest() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert Items([{"a": loop}]).list().digest() == Items([{"a": loop}]).list().digest()
