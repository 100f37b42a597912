"""Image files are found, sorted, keyed and read, whatever they are called."""

import os
import re
from pathlib import Path

import pytest

from headrace.core.errors import BadInput
from headrace.sources.images import ImageFiles, ImageListing


def keys(listing: ImageListing) -> list[str]:
    return [e.key for e in listing.entries]


def names(listing: ImageListing, below: Path) -> list[str]:
    return [os.path.relpath(key, below) for key in keys(listing)]


def test_folder_is_walked_and_sorted_by_key(photo_folder: Path) -> None:
    listing = ImageFiles(photo_folder).list()
    assert names(listing, photo_folder) == ["a.JPG", "b.jpg", "sub/c.jpeg", "sub/deep/d.jpg", "z.jpg"]
    assert (listing.rows, listing.key_name, listing.image_name, listing.has_images) == (5, "path", "image", True)
    assert ImageFiles(f"file://{photo_folder}").list().digest() == listing.digest()


def test_relative_path_gives_absolute_keys(photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photo_folder.parent)
    assert keys(ImageFiles("photos").list()) == keys(ImageFiles(photo_folder).list())
    assert keys(ImageFiles("./photos/../photos/*.jpg").list()) == [str(photo_folder / n) for n in ("b.jpg", "z.jpg")]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jpg", ["b.jpg", "z.jpg"]),
        ("**/*.jpg", ["b.jpg", "sub/deep/d.jpg", "z.jpg"]),
        ("sub/**", ["sub/c.jpeg", "sub/deep/d.jpg"]),
        ("[ab].*", ["a.JPG", "b.jpg"]),
    ],
)
def test_glob_goes_into_folders_only_with_two_stars(photo_folder: Path, pattern: str, found: list[str]) -> None:
    assert names(ImageFiles(str(photo_folder / pattern)).list(), photo_folder) == found


def test_list_is_sorted_and_named_once(photo_folder: Path) -> None:
    paths = [photo_folder / "z.jpg", str(photo_folder / "sub"), photo_folder / "z.jpg"]
    assert names(ImageFiles(paths).list(), photo_folder) == ["sub/c.jpeg", "sub/deep/d.jpg", "z.jpg"]


def test_single_file_is_taken_whatever_its_suffix(photo_folder: Path) -> None:
    odd = photo_folder / "upload"
    (photo_folder / "z.jpg").rename(odd)
    assert keys(ImageFiles(odd).list()) == [str(odd)]


def test_only_file_of_a_folder_is_judged_by_its_suffix(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "notes").write_text("ends like its folder")
    with pytest.raises(BadInput, match="has no files with"):
        ImageFiles(folder).list()


def test_names_that_look_like_globs_are_names_where_they_exist(photo_folder: Path) -> None:
    odd = photo_folder / "sub [1]"
    (photo_folder / "sub").rename(odd)
    assert ImageFiles(odd).list().rows == 2


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        ImageFiles(tmp_path / "nowhere").list()
    assert str(caught.value) == f"{tmp_path}/nowhere: does not exist; check the path"


@pytest.mark.parametrize("file", [None, "notes.txt"])
def test_folder_without_photos_is_refused_with_the_suffixes(tmp_path: Path, file: str | None) -> None:
    if file:
        (tmp_path / file).touch()
    with pytest.raises(BadInput, match=re.escape(f"{tmp_path}: has no files with .jpg .jpeg .png")):
        ImageFiles(tmp_path).list()


def test_glob_without_a_match_and_empty_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\*\.jpg: matches no file with .jpg .*; check the pattern"):
        ImageFiles(f"{tmp_path}/*.jpg").list()
    with pytest.raises(BadInput, match="input: no path given"):
        ImageFiles([]).list()


def test_hidden_files_and_headraces_own_folder_are_passed_over(photo_folder: Path) -> None:
    before = keys(ImageFiles(photo_folder).list())
    for name in (".hidden.jpg", ".git/a.jpg", "_headrace/tmp/a.jpg"):
        (photo_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (photo_folder / name).write_bytes(b"x")
    assert keys(ImageFiles(photo_folder).list()) == before
    assert keys(ImageFiles(f"{photo_folder}/**").list()) == before


def test_links_are_followed_and_loops_end(photo_folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (photo_folder / "z.jpg").rename(elsewhere / "z.jpg")
    (photo_folder / "linked").symlink_to(elsewhere)
    (photo_folder / "sub/up").symlink_to(photo_folder)
    (photo_folder / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    (photo_folder / "itself.jpg").symlink_to(photo_folder / "itself.jpg")
    assert names(ImageFiles(photo_folder).list(), photo_folder) == [
        "a.JPG", "b.jpg", "linked/z.jpg", "sub/c.jpeg", "sub/deep/d.jpg",
    ]  # fmt: skip


def test_name_that_is_not_utf8_is_read_and_its_key_is_text(photo_folder: Path) -> None:
    raw = os.fsencode(photo_folder) + b"/caf\xe9.jpg"
    (photo_folder / "z.jpg").rename(os.fsdecode(raw))
    (read,) = ImageFiles(photo_folder).list().reads(2, 3, 1)
    rows = read.load()
    assert rows.keys == [f"{photo_folder}/caf\\xe9.jpg"]
    assert rows.cells == [Path(os.fsdecode(raw)).read_bytes()]
    assert keys(ImageFiles(os.fsdecode(raw)).list()) == rows.keys


def test_file_that_cannot_be_read_becomes_an_error_and_the_others_stay(photo_folder: Path) -> None:
    listing = ImageFiles(photo_folder).list()
    (photo_folder / "b.jpg").unlink()
    (read,) = listing.reads(0, 5, 8)
    cells = read.load().cells
    assert cells is not None
    assert [isinstance(c, FileNotFoundError) for c in cells] == [False, True, False, False, False]
    assert "b.jpg" in str(cells[1])


def test_digest_follows_names_and_sizes(photo_folder: Path) -> None:
    first = ImageFiles(photo_folder).list()
    assert ImageFiles(photo_folder).list().digest() == first.digest()
    assert first.head(4).digest() != first.digest()
    (photo_folder / "b.jpg").rename(photo_folder / "c.jpg")
    renamed = ImageFiles(photo_folder).list()
    with (photo_folder / "c.jpg").open("ab") as file:
        file.write(b"\0")
    longer = ImageFiles(photo_folder).list()
    assert len({first.digest(), renamed.digest(), longer.digest()}) == 3


def test_size_of_reads_is_that_of_the_files(photo_folder: Path) -> None:
    reads = list(ImageFiles(photo_folder).list().reads(0, 5, 2))
    assert [r.rows for r in reads] == [2, 2, 1]
    assert sum(r.nbytes for r in reads) == sum(p.stat().st_size for p in photo_folder.rglob("*.*"))


def test_describing_does_not_read(tmp_path: Path) -> None:
    assert ImageFiles(tmp_path / "nowhere").describe() == {"kind": "images"}
