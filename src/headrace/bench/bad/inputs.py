"""Bad input of every kind, as real files: what may lie among photos and in tables of them, and what must come of it.

`python -m headrace.bench.bad.inputs` prints the list of them, which is docs/bad-inputs.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.bench.bad.files import LEFT_OUT, OK, REFUSED, REJECT, Kind, jpeg, noise
from headrace.bench.bad.images import BMPS, FOREIGN, GIFS, WEBPS
from headrace.bench.bad.jpegs import JPEGS
from headrace.bench.bad.metadata import METADATA
from headrace.bench.bad.pngs import PNGS
from headrace.bench.bad.tiffs import TIFFS


@dataclass(frozen=True)
class BadInput:
    """A bad input as it was made: its `kind`, where it is, what it is, and what must become of it.

    expected: "ok" (delivered), "reject" (its row is among the rejects, with the reason), "refused" (the run stops at
    once, and says why), "left out" (it is no photo, so it is not listed).
    """

    kind: str
    path: Path
    what: str
    expected: str


@dataclass(frozen=True)
class Entry:
    """A kind of bad input that is more than bytes under a plain name: `put` makes one at a path."""

    name: str
    what: str
    expected: str
    put: Callable[[Path], object]


def _photo_at(path: Path) -> None:
    path.write_bytes(jpeg())


def _folder_of_photo(path: Path) -> None:
    path.parent.mkdir()
    _photo_at(path)


def _link_outside(path: Path) -> None:
    target = path.parents[1] / "outside"
    _photo_at(target)
    path.symlink_to(target)


def _unreadable(path: Path) -> None:
    _photo_at(path)
    path.chmod(0)


PLACES = (
    Entry("folder.jpg", "an empty folder named like a photo", LEFT_OUT, Path.mkdir),
    Entry("album.jpg/photo.jpg", "a photo in a folder named like one", OK, _folder_of_photo),
    Entry("nowhere.jpg", "a link to nothing", LEFT_OUT, lambda path: path.symlink_to("gone.jpg")),
    Entry("itself.jpg", "a link to itself", LEFT_OUT, lambda path: path.symlink_to(path.name)),
    Entry("round", "a link to the folder that it is in", LEFT_OUT, lambda path: path.symlink_to(".")),
    Entry("device.jpg", "a link to a device that never ends", LEFT_OUT, lambda path: path.symlink_to("/dev/zero")),
    Entry("pipe.jpg", "a named pipe that nobody writes to", LEFT_OUT, os.mkfifo),
    Entry(".hidden.jpg", "a hidden file", LEFT_OUT, _photo_at),
    Entry("linked.jpg", "a link to a photo outside the folder", OK, _link_outside),
    Entry("unreadable.jpg", "a file that may not be read", REJECT, _unreadable),
    Entry(os.fsdecode(b"caf\xe9.jpg"), "a name that is not UTF-8", OK, _photo_at),
    Entry("two\nlines.jpg", "a line end in the name", OK, _photo_at),
    Entry("\x1b[2J\x1b]0;gone\x07.jpg", "terminal escape codes in the name", OK, _photo_at),
    Entry("back\u202egpj.jpg", "a mark in the name that turns the text round", OK, _photo_at),
    Entry("--out=x.jpg", "a name that looks like an option", OK, _photo_at),
    Entry("l" * 251 + ".jpg", "the longest name", OK, _photo_at),
)


def _rows(*cells: object, kind: pa.DataType | None = None) -> Callable[[Path], None]:
    """A table whose images are a photo, these cells, and a photo."""
    photo = {"bytes": jpeg(), "path": None} if kind is not None else jpeg()

    def write(path: Path) -> None:
        pq.write_table(pa.table({"image": pa.array([photo, *cells, photo], kind or pa.binary())}), path)

    return write


def _columns(**columns: list[object]) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pa.table(columns), path)


def _cut(path: Path) -> None:
    _rows()(path)
    path.write_bytes(path.read_bytes()[:-40])


def _broken_page(path: Path) -> None:
    """Noise where the pages lie; the footer is well."""
    _rows()(path)
    data = bytearray(path.read_bytes())
    data[4:200] = noise(196)
    path.write_bytes(data)


_STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

TABLES = (
    Entry("null.parquet", "an image that is null", REJECT, _rows(None)),
    Entry("empty.parquet", "an image of no bytes", REJECT, _rows(b"")),
    Entry("text.parquet", "an image that is text", REJECT, _rows(b"https://example.org/a.jpg")),
    Entry("null-struct.parquet", "a {bytes, path} that is null", REJECT, _rows(None, kind=_STRUCT)),
    Entry(
        "path-only.parquet", "a {bytes, path} with a path only", REJECT, _rows({"path": "/etc/passwd"}, kind=_STRUCT)
    ),
    Entry(
        "mixed.parquet", "images that are null, empty, cut and noise", REJECT, _rows(None, b"", jpeg()[:900], noise(99))
    ),
    Entry("numbers.parquet", "a {bytes} of numbers", REJECT, _columns(image=[{"bytes": 1}, {"bytes": 2}])),
    Entry("no-bytes.parquet", "an image column without bytes", REFUSED, _columns(image=[{"path": "a.jpg"}])),
    Entry("no-image.parquet", "no image column", REFUSED, _columns(id=[1, 2, 3])),
    Entry(
        "page.parquet", "an error page that was saved as the table", REFUSED, lambda path: path.write_bytes(b"<html>")
    ),
    Entry("cut.parquet", "a table without its footer's end", REFUSED, _cut),
    Entry("broken-page.parquet", "a table with noise for its pages", REJECT, _broken_page),
)


GROUPS: tuple[tuple[str, str, tuple[Kind | Entry, ...]], ...] = (
    ("JPEG", "photos", JPEGS),
    ("JPEG with odd metadata", "photos", METADATA),
    ("PNG", "photos", PNGS),
    ("GIF", "photos", GIFS),
    ("BMP", "photos", BMPS),
    ("TIFF", "photos", TIFFS),
    ("WebP", "photos", WEBPS),
    ("Files of another kind", "photos", FOREIGN),
    ("Names, links and other things in folders", "photos", PLACES),
    ("Tables (Parquet)", "tables", TABLES),
)


def bad_inputs(folder: Path) -> list[BadInput]:
    """Makes one of every kind below `folder`: files in photos/, which can be read as one folder, and tables in tables/,
    each of which is an input of its own. Both must not be there yet.
    """
    for name in ("photos", "tables"):
        (folder / name).mkdir(parents=True)
    made = []
    for _, place, kinds in GROUPS:
        for kind in kinds:
            path = folder / place / kind.name
            if isinstance(kind, Kind):
                path.write_bytes(kind.make())
            else:
                kind.put(path)
            made.append(BadInput(kind.name, path, kind.what, kind.expected))
    return made


def listing() -> str:
    """All kinds, as a Markdown page."""
    pages = [_HEAD.format(count=sum(len(kinds) for *_, kinds in GROUPS))]
    for title, _, kinds in GROUPS:
        lines = (f"| `{ascii(k.name)[1:-1]}` | {k.what} | {k.expected} |" for k in kinds)
        pages.append("\n".join([f"## {title}", "", "| kind | what it is | expected |", "|---|---|---|", *lines]))
    return "\n\n".join(pages)


_HEAD = """# Bad input

The {count} kinds of bad and odd input that headrace is tested with (`tests/bench/test_bad_inputs.py`). Each is made as
a real file by `headrace.bench.bad.inputs`, and lies in one folder with good photos around it, or in a Parquet file.

- *reject*: its row is set aside in `_headrace/rejects`, with the reason; all others are delivered.
- *ok*: odd, and delivered. Broken metadata is no reason to lose a photo.
- *refused*: the run stops at once, and says why.
- *left out*: it is no photo, so it is not listed.

Written by `python -m headrace.bench.bad.inputs > docs/bad-inputs.md`."""


if __name__ == "__main__":
    print(listing())
