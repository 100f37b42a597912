"""Enumerating files: folders, globs and lists, filtered by suffix and sorted."""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from headrace.core.errors import BadInput
from headrace.sources.addresses import shown_address
from headrace.sources.entries import Entries, shown_path
from headrace.sources.local import LocalFolder, absolute
from headrace.sources.locations import Location, location
from headrace.sources.retrying import patiently
from headrace.sources.stores import ArrowLocation

_WILD = re.compile(r"[*?\[]")
_NAMED = 3  # paths that an error names


class FileListing:
    """What listings of files share: the place they lie at, and the files."""

    place: Location
    entries: Entries

    @property
    def remote(self) -> bool:
        """Whether the files are on another machine."""
        return not isinstance(self.place, LocalFolder)

    def inside(self, folder: str) -> bool:
        """Whether any file lies below a local folder."""
        return not self.remote and self.entries.below(folder)


def list_files(
    paths: str | Path | Sequence[str | Path], suffixes: tuple[str, ...], *, filesystem: Any = None
) -> tuple[Location, Entries]:
    """The files that `paths` name, sorted by key, and the place to read them at.

    A file named outright is taken whatever its suffix; of folders and globs only files with one of `suffixes` (lower
    case) are. Raises BadInput when a path is missing, when nothing fits, or when paths lie at different places.
    """
    named = [str(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    if not named:
        raise BadInput("input", "no path given", "name a folder, a glob or files")
    place, entries = _list_one(named[0], suffixes, filesystem)
    for one in named[1:]:
        other, found = _list_one(one, suffixes, filesystem)
        if type(other) is not type(place) or other.filesystem != place.filesystem:
            raise BadInput(_joined(named), "lie at different kinds of places", "read each place in a run of its own")
        entries.extend(found)
    if not entries:
        what = "has no files with " + " ".join(suffixes)
        raise BadInput(_joined(named), what, "check the path and the files' suffixes")
    return place, entries.in_order()


def _joined(named: list[str]) -> str:
    more = f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
    return ", ".join(map(_shown, named[:_NAMED])) + more


def _shown(path: str) -> str:
    return shown_address(path) if "://" in path else shown_path(path)


def _list_one(path: str, suffixes: tuple[str, ...], filesystem: Any) -> tuple[Location, Entries]:
    path = path if filesystem is not None else path.removeprefix("file://")
    remote = "://" in path or filesystem is not None
    try:
        if _has_wildcards(path) and (remote or not Path(path).exists()):
            return _list_remote_glob(path, suffixes, filesystem) if remote else _list_glob(path, suffixes)
        place = location(path, filesystem)
        return place, patiently(partial(place.walk, partial(_fits, suffixes)))
    except FileNotFoundError as error:
        where = error.filename if isinstance(error.filename, str) else path
        raise BadInput(_shown(where), "does not exist", "check the path") from error
    except (OSError, ValueError) as error:  # a ValueError: malformed, by what pyarrow, yarl or the system take
        what = f"cannot be listed ({error})"
        raise BadInput(_shown(path), what, "check access, address and credentials") from error


def _has_wildcards(path: str) -> bool:
    """Whether a path is a glob; the ? of a web address begins its query."""
    return "*" in path if path.startswith(("http://", "https://")) else bool(_WILD.search(path))


def _fits(suffixes: tuple[str, ...], name: str) -> bool:
    return name.lower().endswith(suffixes)


def _list_glob(pattern: str, suffixes: tuple[str, ...]) -> tuple[Location, Entries]:
    fixed, slash, wild = _split_at_wildcard(pattern)
    folder = absolute(fixed or slash or ".").rstrip("/")
    found = Entries()
    for path in glob.iglob(f"{glob.escape(folder)}/{wild}", recursive=True):  # noqa: PTH207 - a tenth of Path.glob's time
        if "/_headrace/" in path and "/_headrace/" not in pattern:
            continue
        whole = absolute(path) if "/.." in path else path
        if _fits(suffixes, whole) and (size := _size_of_regular(whole)) is not None:
            found.add(whole, shown_path(whole), size)
    if not found:
        what = "matches no file with " + " ".join(suffixes)
        raise BadInput(shown_path(pattern), what, "check the pattern; ** goes into folders")
    return LocalFolder("."), found


def _size_of_regular(path: str) -> int | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return None  # a link that leads nowhere, or deleted by now
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _split_at_wildcard(pattern: str) -> tuple[str, str, str]:
    """The folder before the first wildcard, a slash, and the rest."""
    first = _WILD.search(pattern)
    assert first is not None
    fixed, slash, _ = pattern[: first.start()].rpartition("/")
    return fixed, slash, pattern[len(fixed) + len(slash) :]


def _list_remote_glob(pattern: str, suffixes: tuple[str, ...], filesystem: Any) -> tuple[Location, Entries]:
    place = location(_split_at_wildcard(pattern)[0], filesystem)
    if not isinstance(place, ArrowLocation):
        fix = "name the files, or an index page ending in /"
        raise BadInput(shown_address(pattern), "has wildcards, which web addresses cannot", fix)
    wanted = _translated(pattern.replace("anonymous@", ""))

    def fits(key: str) -> bool:
        return wanted.fullmatch(key) is not None and _fits(suffixes, key)

    found = patiently(partial(place.walk, fits))
    if not found or found.paths == [place.root]:  # a file where a folder was meant
        what = "matches no object with " + " ".join(suffixes)
        raise BadInput(shown_address(pattern), what, "check the pattern; ** goes into folders")
    return place, found


def _translated(pattern: str) -> re.Pattern[str]:
    """A glob as an expression; as in local globs only ** goes into folders."""
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", pattern)
    return re.compile("".join(wild.get(p) or (p.replace("[!", "[^") if p[:1] == "[" else re.escape(p)) for p in pieces))
