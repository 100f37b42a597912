"""From what the user names to sources: files, and folders with all that can be read in them."""

from __future__ import annotations

import codecs
import io
import os
import stat
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from headrace.core.errors import BadInput
from headrace.lint.notebook import read_notebook
from headrace.lint.page import read_page
from headrace.lint.source import LINE_ENDS, Place, Problem, Source, syntax_problem

PAGES = frozenset({".md", ".markdown", ".txt"})
SUFFIXES = frozenset({".py", ".ipynb"}) | PAGES
_SOUGHT = SUFFIXES - {".txt"}  # in folders: most text is no page
_LARGEST_BYTES = 64 << 20  # notebooks carry their images
_SKIPPED = frozenset({"venv", "env", "build", "dist", "node_modules", "site-packages", "__pycache__"})


def found_files(paths: Sequence[str]) -> list[Path]:
    """The files to read, each once, folders searched in order of name. Raises BadInput for what is not there."""
    found: dict[str, Path] = {}
    for text in paths:
        for path in _named(text):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _named(text: str) -> Iterable[Path]:
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        advice = "name scripts, notebooks, pages or folders of them"
        raise BadInput(text, (error.strerror or str(error)).lower(), advice) from error
    if stat.S_ISDIR(mode):
        return _in_folder(path)
    if path.suffix.lower() not in SUFFIXES:
        known = ", ".join(sorted(SUFFIXES))
        raise BadInput(text, f"not a kind of file that lint reads ({known})", "name another")
    return [path]


def _in_folder(folder: Path) -> Iterator[Path]:
    unlisted: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=lambda error: unlisted.append(Path(error.filename))):
        folders[:] = sorted(f for f in folders if not _is_skipped(Path(place, f)))
        yield from (Path(place, f) for f in sorted(files) if Path(f).suffix.lower() in _SOUGHT and f[0] != ".")
    yield from unlisted  # `read` says of each what it is


def _is_skipped(folder: Path) -> bool:
    name = folder.name
    return name[0] == "." or name in _SKIPPED or name.endswith(".egg-info") or os.path.exists(folder / "pyvenv.cfg")  # noqa: PTH110 - Path's raises where it may not look


def read(path: Path) -> Source:
    """One file. What cannot be read is said by the source's problems."""
    shown = path.as_posix()
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            return _unread(shown, "is a folder that cannot be listed")
        if not stat.S_ISREG(about.st_mode):
            return _unread(shown, "is no regular file")
        if about.st_size > _LARGEST_BYTES:
            return _unread(shown, f"is larger than {_LARGEST_BYTES >> 20} MiB")
        content = path.read_bytes()
    except OSError as error:
        return _unread(shown, f"cannot be read: {error.strerror}")
    return read_bytes(shown, content)


def read_bytes(path: str, content: bytes) -> Source:
    """The content of a file of that name."""
    suffix = Path(path).suffix.lower()
    encoding = "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8"
    if suffix == ".py":
        try:
            encoding = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        except SyntaxError as error:
            unknown = str(error.msg).startswith("unknown encoding")
            return _unread(path, f"{'has an' if unknown else 'is not UTF-8:'} {error.msg}")
    try:
        raw = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _unread(path, f"is not {encoding.removesuffix('-sig').upper()}: byte {error.start} of it", line)
    except (UnicodeError, LookupError) as error:  # "punycode", "hex": codecs that are none of text, or say no place
        return _unread(path, f"cannot be read as {encoding}: {error}")
    kind = read_notebook if suffix == ".ipynb" else read_page if suffix in PAGES else _script
    return replace(kind(path, raw), encoding=encoding, keeps_bytes=_encoded(raw, encoding) == content)


def _script(path: str, raw: str) -> Source:
    text = LINE_ENDS.sub("\n", raw)
    wrong = syntax_problem(text)
    if wrong is not None:
        return Source(path, raw=raw, problems=(Problem(Place(0, wrong[0], wrong[1]), wrong[2]),))
    return Source(path, text, raw)


def _encoded(raw: str, encoding: str) -> bytes | None:
    try:
        return raw.encode(encoding)
    except UnicodeError:
        return None


def _unread(path: str, message: str, line: int = 1) -> Source:
    return Source(path, problems=(Problem(Place(0, line, 1), message),))
