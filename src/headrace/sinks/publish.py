"""Publishing a file whole, or not at all, by create-if-absent; local file systems."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def publish(data: bytes, target: Path, staging: Path) -> bool:
    """Writes `data` to `target` in one atomic act; False when `target` was already there, which is then left as it is.

    A temporary file in `staging` (same file system) is written and synced, linked to `target`, and the folder synced:
    after a power cut the file is there whole or not at all. Raises OSError.
    """
    temporary = staging / f"{target.name}.{uuid.uuid4().hex}"
    try:
        write_synced(temporary, data)
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        sync_folder(target.parent)
        return True
    finally:
        temporary.unlink(missing_ok=True)


def replace(data: bytes, target: Path, staging: Path) -> None:
    """Writes `data` to `target` in one atomic act, in place of what was there. Raises OSError."""
    temporary = staging / f"{target.name}.{uuid.uuid4().hex}"
    try:
        write_synced(temporary, data)
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


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
