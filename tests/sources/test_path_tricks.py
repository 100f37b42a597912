"""Names and files made to lead astray, to hang or to be taken for another: each is read, passed over or refused."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from outputs import rejected, written

import headrace as hr
from headrace.api.verifying import verify
from headrace.core.errors import BadInput, ReadFailed
from headrace.sources import local, retrying
from headrace.sources.images import ImageFiles, ImageListing


def keys(listing: ImageListing) -> list[str]:
    return [e.key for e in listing.entries]


def cells(listing: ImageListing) -> list[Any]:
    return [c for r in listing.reads(0, listing.rows, 2) for c in r.load().cells or ()]


OPTIONS: dict[str, Any] = {"batch_size": 1, "partition_rows": 1}


def sizes(batch: dict[str, Any]) -> dict[str, Any]:
    return {"size": [p.shape[0] for p in batch["image"]]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a.jpg and b.jpg, beside which a secret.jpg lies."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.jpg").write_bytes(f"bytes of {name}".encode())
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return folder


def test_two_dots_lead_where_the_system_takes_them(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere/inner"
    elsewhere.mkdir(parents=True)
    (elsewhere.parent / "a.jpg").write_bytes(b"elsewhere")
    (folder / "link").symlink_to(elsewhere)
    for named in (folder / "link/../a.jpg", f"{folder}/link/../*.jpg", f"{folder}/lin*/../a.jpg", f"{folder}/link/.."):
        listing = ImageFiles(named).list()
        assert keys(listing) == [f"{tmp_path}/elsewhere/a.jpg"], named
        assert cells(listing) == [b"elsewhere"]
    assert keys(ImageFiles(f"{folder}/../photos/*.jpg").list()) == [f"{folder}/{n}.jpg" for n in "ab"]


def test_glob_characters_of_the_folder_we_stand_in_are_none_of_the_globs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = folder.rename(folder.parent / "[abc]*")
    monkeypatch.chdir(odd)
    assert keys(ImageFiles("*.jpg").list()) == [f"{odd}/{n}.jpg" for n in "ab"]
    assert keys(ImageFiles("./../[[]abc]?/a*").list()) == [f"{odd}/a.jpg"]


def test_links_out_of_the_folder_are_followed_under_their_own_name(folder: Path, tmp_path: Path) -> None:
    (folder / "c.jpg").symlink_to(tmp_path / "secret.jpg")
    listing = ImageFiles(folder).list()
    assert keys(listing)[-1] == f"{folder}/c.jpg"
    assert cells(listing)[-1] == b"secret"


def test_circles_of_links_end(folder: Path) -> None:
    for name, target in (
        ("self", "self"),
        ("here", "."),
        ("up", ".."),
        ("one", "two"),
        ("two", "one"),
        ("l.jpg", "l.jpg"),
    ):
        (folder / name).symlink_to(target)
    assert [k for k in keys(ImageFiles(folder).list()) if "/up/" not in k] == [f"{folder}/{n}.jpg" for n in "ab"]
    assert keys(ImageFiles(f"{folder}/*.jpg").list()) == [f"{folder}/{n}.jpg" for n in "ab"]


def test_links_that_multiply_the_ways_to_a_folder_are_refused(folder: Path) -> None:
    for level in range(30):  # 2**30 ways to the last one
        (folder / f"level{level}").mkdir()
        for name in ("one", "other"):
            (folder / f"level{level}" / name).symlink_to(folder / f"level{level + 1}")
    (folder / "level30").mkdir()
    with pytest.raises(BadInput, match=f"^{folder}: cannot be listed .*Reached in more than 1,000 ways, by links"):
        ImageFiles(folder).list()


NAMES = [
    *(
        b"new\nline.jpg",
        b"tab\t.jpg",
        b"\x1b[31mred\x1b[0m.jpg",
        b" .jpg",
        b"-rf.jpg",
        b"*?[.jpg",
        b"x" * 251 + b".jpg",
    ),
    *(b"\xff\xfe.jpg", b"caf\xe9\\x41.jpg", "\u202egpj.jpg".encode()),
]


def test_odd_names_are_found_read_and_told_apart_by_their_keys(folder: Path) -> None:
    for name in NAMES:
        (folder / os.fsdecode(name)).write_bytes(name)
    listing = ImageFiles(folder).list()
    found = dict(zip(keys(listing), cells(listing), strict=True))
    assert len(found) == 2 + len(NAMES)
    assert {n for n in found.values() if not n.startswith(b"bytes of")} == set(NAMES)
    for key, name in found.items():
        assert key.encode().decode() == key
        if not name.startswith(b"bytes of") and b"\\" not in key.encode():
            assert key == f"{folder}/{name.decode()}"
    assert keys(ImageFiles(f"{folder}/*.jpg").list()) == keys(listing)
    assert len(listing.digest()) == 64


def test_folders_deeper_than_python_recurses_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = sys.getrecursionlimit() + 100
    monkeypatch.chdir(tmp_path)
    try:
        for _ in range(depth):
            Path("d").mkdir()
            os.chdir("d")
        Path("a.jpg").write_bytes(b"deep")
        listing = ImageFiles(tmp_path).list()
        assert cells(listing) == [b"deep"]
        assert keys(listing)[0].count("/d") == depth
    finally:
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # too deep for shutil


def special_files(folder: Path) -> list[Path]:
    """A pipe, a socket and a device, by names of photos."""
    pipe, listener, device = folder / "pipe.jpg", folder / "socket.jpg", folder / "zero.jpg"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(listener))
    device.symlink_to("/dev/zero")
    return [pipe, listener, device]


def test_what_is_no_regular_file_is_passed_over_and_refused_by_name(folder: Path) -> None:
    for path in special_files(folder):
        with pytest.raises(BadInput, match=r"cannot be listed \(.*Neither a file nor a folder"):
            ImageFiles(path).list()
    for everything in (folder, f"{folder}/*.jpg"):
        assert keys(ImageFiles(everything).list()) == [f"{folder}/{n}.jpg" for n in "ab"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_file_replaced_by_what_would_hang_becomes_an_error_of_its_row(folder: Path, number: int) -> None:
    listing = ImageFiles(folder).list()
    special_files(folder)[number].rename(folder / "a.jpg")
    swapped, other = cells(listing)
    assert type(swapped) is OSError
    assert swapped.errno in (errno.EINVAL, errno.ENXIO)
    assert other == b"bytes of b"


def test_folder_named_as_a_photo_is_a_folder(folder: Path) -> None:
    listing = ImageFiles(folder).list()
    (folder / "b.jpg").rename(folder / "c.jpg")
    (folder / "b.jpg").mkdir()
    (folder / "b.jpg/d.jpg").write_bytes(b"inside")
    assert isinstance(cells(listing)[1], IsADirectoryError)
    assert keys(ImageFiles(folder).list()) == [f"{folder}/{n}.jpg" for n in ("a", "b.jpg/d", "c")]


@pytest.mark.parametrize("now", [b"", b"short", b"grown by a lot" * 1000])
def test_file_that_changed_since_it_was_listed_is_read_as_it_is(folder: Path, now: bytes) -> None:
    listing = ImageFiles(folder).list()
    (folder / "a.jpg").write_bytes(now)
    assert cells(listing) == [now, b"bytes of b"]


def test_file_that_shrinks_while_it_is_read_is_read_to_its_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = local._opened

    def shrinking(path: str) -> tuple[int, int]:
        descriptor, size = opened(path)
        os.truncate(path, 5)
        return descriptor, size

    listing = ImageFiles(folder).list()
    monkeypatch.setattr(local, "_opened", shrinking)
    assert cells(listing) == [b"bytes"] * 2


def test_deleted_forbidden_and_looped_files_become_errors_of_their_rows(folder: Path) -> None:
    listing = ImageFiles(folder).list()
    (folder / "a.jpg").unlink()
    (folder / "b.jpg").unlink()
    (folder / "b.jpg").symlink_to("b.jpg")
    gone, loop = cells(listing)
    assert isinstance(gone, FileNotFoundError)
    assert loop.errno == errno.ELOOP


def test_folder_deleted_while_it_is_listed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "sub").mkdir()
    scanned = local._scanned

    def deleting(*arguments: Any) -> list[str]:
        folders = scanned(*arguments)
        (folder / "sub").rmdir()
        return folders

    monkeypatch.setattr(local, "_scanned", deleting)
    with pytest.raises(BadInput, match=f"^{folder}/sub: does not exist"):
        ImageFiles(folder).list()


def test_file_larger_than_any_photo_becomes_an_error_of_its_row_unread(folder: Path) -> None:
    os.truncate(folder / "a.jpg", 1 << 40)
    listing = ImageFiles(folder).list()
    huge, other = cells(listing)
    assert (huge.errno, other) == (errno.EFBIG, b"bytes of b")


def failing_reads(
    monkeypatch: pytest.MonkeyPatch, number: int, failures: int, *, only: Path | None = None
) -> list[int]:
    """Makes the first reads from a mount, or those of `only` one file, fail with an error number; the descriptors that
    were read from."""
    read, tried = os.read, []

    def failing(descriptor: int, size: int) -> bytes:
        tried.append(descriptor)
        failed = only is None or os.path.samestat(os.fstat(descriptor), only.stat())
        if failed and len(tried) <= failures:
            raise OSError(number, os.strerror(number))
        return read(descriptor, size)

    monkeypatch.setattr(local.os, "read", failing)
    return tried


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_mount_that_falters_costs_no_row(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    listing = ImageFiles(folder).list()
    tried = failing_reads(monkeypatch, number, retrying.PATIENCE.tries - 1)
    assert cells(listing) == [b"bytes of a", b"bytes of b"]
    assert len(tried) == retrying.PATIENCE.tries + 1


def test_mount_that_stays_away_stops_the_run_and_the_file_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = ImageFiles(folder).list()
    open_files = len([*Path("/proc/self/fd").iterdir()])
    tried = failing_reads(monkeypatch, errno.ESTALE, 1000)
    with pytest.raises(ReadFailed, match=rf"^{folder}/a.jpg: cannot be read .+Stale.+, each time it was tried; wait"):
        cells(listing)
    assert len(tried) == retrying.PATIENCE.tries + 1
    assert len([*Path("/proc/self/fd").iterdir()]) == open_files


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_bad_sector_costs_only_the_rows_on_it(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    bad, out = photo_folder / "sub/c.jpeg", tmp_path / "o"
    job = hr.read_images(photo_folder).map_batches(sizes)
    with monkeypatch.context() as patch:
        failing_reads(patch, number, 1000, only=bad)
        report = job.write_parquet(out, max_rejected=0.5, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (5, 4, 1)
    (reject,) = rejected(out)
    assert (reject["key"], reject["row"], reject["stage"]) == (str(bad), 2, "read")
    assert reject["message"].endswith(os.strerror(number))
    report = job.write_parquet(out, retry=True, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (5, 5, 0)
    assert [r["path"] for r in written(out)][-1] == str(bad)
    assert verify(out).whole


def test_run_that_a_mount_stopped_goes_on_when_it_is_back(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, out = hr.read_images(photo_folder).map_batches(sizes), tmp_path / "o"
    job.write_parquet(tmp_path / "whole", **OPTIONS)
    with monkeypatch.context() as patch:
        failing_reads(patch, errno.ESTALE, 1000)
        with pytest.raises(ReadFailed, match=r"Stale file handle.+; wait until it answers, then run the same command"):
            job.write_parquet(out, **OPTIONS)
    report = job.write_parquet(out, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (5, 5, 0)
    assert written(out) == written(tmp_path / "whole")
