"""Where an output's files lie: what a store must do, and a local folder that does it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from headrace.core.errors import BadOutput, WriteFailed

_FIXES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room within your quota, or have it raised",
    errno.EROFS: "make it writable",
    errno.EACCES: "see that you may write there",
    errno.EPERM: "see that you may write there",
    errno.ENOTDIR: "name a folder",
    errno.ENODEV: "create it, or check its name",
}


def refusal(root: str, error: OSError) -> BadOutput:
    """That an output cannot be used, before anything is written there."""
    fix = _FIXES.get(error.errno or 0, "mend it")
    return BadOutput(root, f"cannot be written ({error.strerror or error})", f"{fix}, or choose another folder")


def write_failed(path: str, error: OSError) -> WriteFailed:
    """That a file could not be written, in the middle of a run."""
    return WriteFailed(path, error.strerror or str(error), _FIXES.get(error.errno or 0, "mend it"))


class Store(Protocol):
    """Files by name: relative to the root, parts separated by "/". Methods raise OSError; safe from many threads."""

    root: str
    """An absolute path or a full address, to show."""
    is_local: bool
    readers: int
    """How many reads at once pay."""

    def create(self, name: str, data: bytes) -> bool:
        """Writes a file whole, durably, in one atomic act; False when it was already there, and is then left as it
        is."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Writes a file whole, durably, in one atomic act, in place of what was there."""
        ...

    def read(self, name: str) -> bytes:
        """A whole file. Raises FileNotFoundError."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A seekable file that fetches only what is read of it. Raises FileNotFoundError."""
        ...

    def list(self, folder: str, stem: str = "") -> Iterator[tuple[str, int]]:
        """Name in the folder and size in bytes of the files directly in it, in no order; none where there is no folder.

        stem: only names that begin with it. Where digits follow it, many are listed by several threads.
        """
        ...

    def delete(self, *names: str) -> None:
        """Removes files, those that are there."""
        ...

    def clear(self, folder: str, but: Collection[str]) -> None:
        """Removes all that is below a folder, but the files directly in it that `but` names."""
        ...

    def sweep(self) -> None:
        """Removes what writers that died have left. Only for whoever holds the lock."""
        ...

    def check(self) -> None:
        """Makes sure that files can be created as `create` promises. Raises BadOutput."""
        ...


class LocalStore:
    """A local folder. Files are written in `_headrace/tmp`, synced, then linked to their name."""

    is_local = True
    readers = 4

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = str(folder)
        self.staging = folder / "_headrace" / "tmp"

    def create(self, name: str, data: bytes) -> bool:
        """After a power cut the file is there whole or not at all; when this raises too."""
        target = self.folder / name
        make_folder(target.parent)
        with self._staged(target.name, data) as temporary:
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            sync_folder(target.parent)  # raising, it leaves the file: another writer may count on it by now
            return True

    def replace(self, name: str, data: bytes) -> None:
        """By renaming."""
        target = self.folder / name
        make_folder(target.parent)
        with self._staged(target.name, data) as temporary:
            temporary.replace(target)
            sync_folder(target.parent)

    @contextlib.contextmanager
    def _staged(self, name: str, data: bytes) -> Iterator[Path]:
        """A synced temporary file on the same file system, gone afterwards."""
        make_folder(self.staging)
        temporary = self.staging / f"{name}.{uuid.uuid4().hex}"
        try:
            write_synced(temporary, data)
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, name: str) -> bytes:
        """A whole file."""
        return (self.folder / name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        """The file."""
        return (self.folder / name).open("rb")

    def list(self, folder: str, stem: str = "") -> Iterator[tuple[str, int]]:
        """By one thread, whatever the stem."""
        try:
            entries = os.scandir(self.folder / folder)
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                if not entry.name.startswith(stem) or not entry.is_file():
                    continue
                try:
                    size = entry.stat().st_size
                except FileNotFoundError:  # removed meanwhile, as another run's lock is
                    continue
                yield entry.name, size

    def delete(self, *names: str) -> None:
        """And syncs their folders, so that a power cut brings none of them back."""
        paths = [self.folder / name for name in names]
        for path in paths:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths}:
            if folder.is_dir():
                sync_folder(folder)

    def clear(self, folder: str, but: Collection[str]) -> None:
        """Files and folders."""
        above = self.folder / folder
        for path in list(above.iterdir()) if above.is_dir() else []:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in but:
                path.unlink()

    def sweep(self) -> None:
        """Temporary files."""
        self.delete(*(f"_headrace/tmp/{name}" for name, _ in self.list("_headrace/tmp")))

    def check(self) -> None:
        """By creating a file and a link to it."""
        probe = self.staging / f"probe.{uuid.uuid4().hex}"
        link = probe.with_suffix(".link")
        try:
            make_folder(self.staging)
            probe.touch()
            self._check_link(probe, link)
        except OSError as error:
            raise refusal(self.root, error) from error
        finally:
            for path in (link, probe):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _check_link(self, probe: Path, link: Path) -> None:
        try:
            os.link(probe, link)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            what = "lies on a file system without hard links, by which a part is published whole or not at all"
            raise BadOutput(self.root, what, "choose a folder on another one") from error


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it that are missing, and syncs their names to the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def write_synced(path: Path, data: bytes) -> None:
    """Writes a file and syncs it to the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Syncs a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
