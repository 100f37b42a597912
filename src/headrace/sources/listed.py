"""Enumerating files: folders, globs and lists, filtered by suffix and sorted."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.core.errors import BadInput
from headrace.sources.locations import ArrowLocation, Entry, LocalFolder, Location, location

_WILD = re.compile(r"[*?\[]")


def list_files(
    paths: str | Path | Sequence[str | Path], suffixes: tuple[str, ...], *, filesystem: Any = None
) -> tuple[Location, list[Entry]]:
    """The files that `paths` name, sorted by key, and the place to read them at.

    A file named outright is taken whatever its suffix; of folders and globs only files with one of `suffixes` (lower
    case) are. Raises BadInput when a path is missing, when nothing fits, or when paths lie at different places.
    """
    named = [str(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    if not named:
        raise BadInput("input", "no path given", "name a folder, a glob or files")
    places, entries = [], []
    for one in named:
        place, found = _list_one(one, suffixes, filesystem)
        places.append(place)
        entries += found
    if any(type(p) is not type(places[0]) or p.filesystem != places[0].filesystem for p in places):
        raise BadInput(", ".join(named), "lie at different kinds of places", "read each place in a run of its own")
    if not entries:
        raise BadInput(
            ", ".join(named), "has no files with " + " ".join(suffixes), "check the path and the files' suffixes"
        )
    return places[0], sorted(set(entries), key=lambda e: e.key)


def _list_one(path: str, suffixes: tuple[str, ...], filesystem: Any) -> tuple[Location, list[Entry]]:
    path = path if filesystem is not None else path.removeprefix("file://")
    remote = "://" in path or filesystem is not None
    try:
        if _has_wildcards(path) and (remote or not Path(path).exists()):
            return _list_remote_glob(path, suffixes, filesystem) if remote else _list_glob(path, suffixes)
        place = location(path, filesystem)
        entries = list(place.walk())
    except FileNotFoundError as error:
        raise BadInput(path, "does not exist", "check the path") from error
    except OSError as error:
        raise BadInput(path, f"cannot be listed ({error})", "check access, address and credentials") from error
    named_outright = [e.path for e in entries] == [place.root]
    return place, entries if named_outright else _fitting(entries, suffixes)


def _has_wildcards(path: str) -> bool:
    """Whether a path is a glob; the ? of a web address begins its query."""
    return "*" in path if path.startswith(("http://", "https://")) else bool(_WILD.search(path))


def _fitting(entries: list[Entry], suffixes: tuple[str, ...]) -> list[Entry]:
    return [e for e in entries if e.key.lower().endswith(suffixes)]


def _list_glob(pattern: str, suffixes: tuple[str, ...]) -> tuple[Location, list[Entry]]:
    entries: list[Entry] = []
    for path in glob.glob(str(Path(pattern).expanduser()), recursive=True):  # noqa: PTH207 - absolute patterns too
        if Path(path).is_file() and ("/_headrace/" not in path or "/_headrace/" in pattern):
            entries += LocalFolder(path).walk()
    if not entries:
        raise BadInput(pattern, "matches no file", "check the pattern; ** goes into folders")
    return LocalFolder("."), _fitting(entries, suffixes)


def _list_remote_glob(pattern: str, suffixes: tuple[str, ...], filesystem: Any) -> tuple[Location, list[Entry]]:
    first_wild = _WILD.search(pattern)
    assert first_wild is not None
    base = pattern[: first_wild.start()].rsplit("/", 1)[0]
    place = location(base, filesystem)
    if not isinstance(place, ArrowLocation):
        raise BadInput(
            pattern, "has wildcards, which web addresses cannot", "name the files, or an index page ending in /"
        )
    wanted = _translated(pattern.replace("anonymous@", ""))
    entries = [e for e in place.walk() if wanted.fullmatch(e.key)]
    if not entries:
        raise BadInput(pattern, "matches no object", "check the pattern; ** goes into folders")
    return place, _fitting(entries, suffixes)


def _translated(pattern: str) -> re.Pattern[str]:
    """A glob as an expression; as in local globs only ** goes into folders."""
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", pattern)
    return re.compile("".join(wild.get(p) or (p.replace("[!", "[^") if p[:1] == "[" else re.escape(p)) for p in pieces))
