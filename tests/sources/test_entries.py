"""Entries are a sequence like any other, only smaller."""

import hashlib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import BadInput
from headrace.sources.entries import Entries, Entry
from headrace.sources.images import ImageListing
from headrace.sources.local import LocalFolder

paths = st.text(st.sampled_from("ab/-.é"), min_size=1, max_size=6)
files = st.lists(st.builds(Entry, paths, paths, st.integers(-1, 2**40)))


def gathered(files: list[Entry]) -> Entries:
    entries = Entries()
    for file in files:
        entries.add(file.path, file.key, file.size)
    return entries


@given(files=files, start=st.integers(0, 9), stop=st.integers(0, 9))
def test_entries_are_the_list_that_was_added(files: list[Entry], start: int, stop: int) -> None:
    entries = gathered(files)
    assert [*entries] == files
    assert [*entries[start:stop]] == files[start:stop]
    assert [entries[i] for i in range(len(entries))] == files
    entries.extend(gathered(files))
    assert [*entries] == files * 2


@given(named=st.lists(st.tuples(paths, st.integers(0, 9))))
def test_order_is_that_of_the_keys_and_each_file_stands_once(named: list[tuple[str, int]]) -> None:
    entries = gathered([Entry(path, path, size) for path, size in named]).in_order()
    assert entries.keys == sorted({path for path, _ in named})
    assert all((e.path, e.size) in named for e in entries)


def test_two_files_of_one_key_are_refused() -> None:
    with pytest.raises(BadInput, match=r"^key: is the name of two addresses"):
        gathered([Entry("one", "key", 1), Entry("other", "key", 1)]).in_order()


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 9000])
def test_digest_is_that_of_keys_and_sizes_one_a_line(count: int) -> None:
    files = [Entry(f"path {i}", f"key {i}", i) for i in range(count)]
    lines = "".join(f"{e.key}\0{e.size}\n" for e in files)
    listing = ImageListing(LocalFolder("."), gathered(files))
    assert listing.digest() == hashlib.sha256(lines.encode()).hexdigest()


def test_below_is_told_by_whole_names() -> None:
    entries = gathered([Entry("/data/photos/a.jpg", "", 0)])
    assert [entries.below(folder) for folder in ("/data", "/data/photos", "/", "/data/phot", "/data/photos/a.jpg")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_entry_takes_less_than_200_bytes_also_while_sorted(tmp_path: Path) -> None:
    count = 50_000
    tracemalloc.start()
    try:
        entries = Entries()
        for i in reversed(range(count)):
            path = f"/data/photos/train/class_{i // 1000:04d}/shard_{i % 10}/IMG_{i:08d}.jpg"
            entries.add(path, path, i)
        entries = entries.in_order()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(entries) == count
    assert peak < 200 * count
