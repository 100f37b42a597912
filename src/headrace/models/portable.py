"""Models on their way to another process: what they were made of travels, and is opened there."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.cache import cache_folder

_KEPT_S = 7 * 24 * 3600  # how long a model's files are kept on a node that has no use for them


class Portable:
    """A model that is pickled as what it was made of; `origin` reopens it, and is pickled in its place."""

    origin: Callable[[], Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            raise TypeError(f"{type(self).__name__} was not opened by its reference, so it cannot be sent to a worker")
        return _opened, (self.origin,)


def _opened(origin: Callable[[], Any]) -> Any:
    return origin()


@dataclass(frozen=True)
class OfFiles:
    """A model that `reopen` opens from the first of some files; their bytes are pickled."""

    reopen: Callable[[Path], Any]
    files: Sequence[Path]

    def __call__(self) -> Any:
        """The model, on the fastest runtime of this machine."""
        return self.reopen(self.files[0])

    def __reduce__(self) -> tuple[Any, ...]:
        folder = self.files[0].parent
        data = {os.path.relpath(file, folder): file.read_bytes() for file in self.files}
        return _unpacked, (self.reopen, data)


def _unpacked(reopen: Callable[[Path], Any], data: Mapping[str, bytes]) -> OfFiles:
    """The files as they lie on this machine, once for all its processes, in the user's cache."""
    digest = hashlib.sha256()
    for name, content in data.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + hashlib.sha256(content).digest())
    kept = cache_folder("models")
    folder = kept / digest.hexdigest()[:32]
    if folder.is_dir():
        os.utime(folder)
    else:
        kept.mkdir(parents=True, exist_ok=True)
        with _alone(kept):
            if not folder.is_dir():
                _write(kept, folder, data)
    return OfFiles(reopen, [folder / name for name in data])


@contextlib.contextmanager
def _alone(kept: Path) -> Iterator[None]:
    """Lets one process of the machine write at a time: the others then find what they need. Where a file system knows
    no locks, each writes its own copy."""
    descriptor = os.open(kept, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(kept: Path, folder: Path, data: Mapping[str, bytes]) -> None:
    """Writes a folder whole, unless another process is quicker; what has long been of no use goes."""
    for old in kept.iterdir():
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < time.time() - _KEPT_S:
                shutil.rmtree(old)
    scratch = Path(tempfile.mkdtemp(dir=kept))
    for name, content in data.items():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).write_bytes(content)
    try:
        scratch.rename(folder)
    except OSError:
        shutil.rmtree(scratch)
        if not folder.is_dir():
            raise
