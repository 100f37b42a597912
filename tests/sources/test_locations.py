"""Keys are reversible text, and a place is named for what it is."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import fs

from headrace.core.errors import BadInput
from headrace.sources.entries import shown_path
from headrace.sources.images import ImageFiles
from headrace.sources.locations import location


def named(key: str) -> str:
    """The path that a key was made of."""
    if "\\x" not in key:
        return key
    raw = re.sub(
        rb"\\\\|\\x([0-9a-f]{2})",
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\",
        key.encode(),
    )
    return os.fsdecode(raw)


bytes_of_names = st.lists(st.sampled_from([b"\\", b"x", b"\\x", b"ff", b"a", b"/", "é".encode(), b"\xff", b"\xe9"]))


@given(bytes_of_names.map(b"".join) | st.binary())
@example(b"\\\xff")
@example(b"\\xff")
@example(b"\\\\xff")
def test_key_is_utf8_and_gives_the_path_back(raw: bytes) -> None:
    path = os.fsdecode(raw)
    key = shown_path(path)
    assert key.encode().decode() == key
    assert named(key) == path


@given(st.text(st.characters(codec="utf-8")).filter(lambda t: "\\x" not in t))
def test_key_of_an_ordinary_path_is_the_path(path: str) -> None:
    assert shown_path(path) == path


def test_unknown_scheme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput) as caught:
        location("ftp://host/photos")
    assert str(caught.value) == (
        "ftp://host/photos: unknown scheme 'ftp'; use a local path or one of file://, s3://, gs://, http://, https://"
    )


@pytest.mark.parametrize("where", ["a\0b.jpg", "https://[bad/a.jpg", "https://host:port/a.jpg", "https://"])
def test_what_is_no_path_or_address_is_refused_by_name(where: str, new_sessions: None) -> None:
    shown = where.removesuffix(":port/a.jpg")  # it might be a password
    with pytest.raises(BadInput, match=rf"^{re.escape(shown)}: cannot be listed \(.+ .+\); check access, address"):
        ImageFiles(where).list()


@pytest.mark.parametrize("where", ["s3://", "s3:///photos", "s3://KEY:SECRET@bucket/photos"])
def test_address_without_a_plain_bucket_is_refused_without_its_secret(where: str) -> None:
    with pytest.raises(BadInput, match="names no bucket; write s3://bucket/folder; keys come from") as caught:
        location(where)
    assert "SECRET" not in str(caught.value)


def test_filesystem_that_is_given_is_used(photo_folder: Path) -> None:
    below = fs.SubTreeFileSystem(str(photo_folder), fs.LocalFileSystem())
    for name in ("sub/.hidden/a.jpg", "sub/_headrace/a.jpg"):
        (photo_folder / name).parent.mkdir()
        (photo_folder / name).touch()
    listing = ImageFiles("sub", filesystem=below).list()
    assert [e.key for e in listing.entries] == ["sub/c.jpeg", "sub/deep/d.jpg"]
    assert [e.key for e in ImageFiles("sub/*.jp*g", filesystem=below).list().entries] == ["sub/c.jpeg"]
    (read,) = listing.reads(0, 2, 2)
    assert read.load().cells == [(photo_folder / k).read_bytes() for k in ("sub/c.jpeg", "sub/deep/d.jpg")]


def test_local_and_remote_paths_do_not_mix(photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = fs.SubTreeFileSystem(str(photo_folder), fs.LocalFileSystem())
    monkeypatch.setattr("headrace.sources.locations.object_store", lambda *_: location("sub", remote))
    with pytest.raises(BadInput, match="lie at different kinds of places"):
        ImageFiles([photo_folder, "s3://bucket/sub"]).list()
