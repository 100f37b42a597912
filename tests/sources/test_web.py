"""Web files are listed and read; a server that fails costs no row, and one that sends elsewhere is not followed."""

import io
import os
import re
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from outputs import rejected, written

import headrace as hr
from headrace.api.verifying import verify
from headrace.core.errors import BadInput, ReadFailed
from headrace.sources import retrying
from headrace.sources import web as web_module
from headrace.sources.images import ImageFiles, ImageListing
from headrace.sources.parquet import ParquetFiles
from headrace.sources.retrying import fault_of

TRIES = retrying.PATIENCE.tries
FOREVER = 1000


def keys(listing: ImageListing) -> list[str]:
    return [e.key for e in listing.entries]


def cells(listing: ImageListing) -> list[Any]:
    return [c for r in listing.reads(0, listing.rows, 2) for c in r.load().cells or ()]


@pytest.fixture
def served(web: Any, photo_folder: Path) -> Any:
    """The photos, each folder with an index page that also links to its parent and to another host."""
    files = {f"/{os.path.relpath(p, photo_folder)}": p.read_bytes() for p in photo_folder.rglob("*.*")}
    for folder, links in {
        "/": ["a.JPG", "b.jpg", "z.jpg", "notes.txt", "sub/"],
        "/sub/": ["c.jpeg", "deep/"],
        "/sub/deep/": ["d.jpg"],
    }.items():
        others = [
            "../",
            "/",
            "/sub/",
            "?C=N;O=D",
            ".hidden.jpg",
            "../../up.jpg",
            "http://elsewhere.invalid/e.jpg",
            "%2e%2e/",
        ]
        files[folder] = "".join(f'<a href="{link}">x</a>' for link in [*links, *others]).encode()
    web.files = files | {"/notes.txt": b"", "/.hidden.jpg": b""}
    return web


def test_index_page_is_followed_into_its_folders_and_nowhere_else(served: Any, photo_folder: Path) -> None:
    listing = ImageFiles(f"{served.url}/").list()
    names = ("a.JPG", "b.jpg", "sub/c.jpeg", "sub/deep/d.jpg", "z.jpg")
    assert keys(listing) == [f"{served.url}/{n}" for n in names]
    assert [path for _, path in served.requests] == ["/", "/sub/", "/sub/deep/"]
    assert cells(listing) == [(photo_folder / n).read_bytes() for n in names]


def test_single_web_file_is_read_with_its_query(web: Any) -> None:
    listing = ImageFiles(f"{web.url}/b.jpg?width=200").list()
    assert keys(listing) == [f"{web.url}/b.jpg?width=200"]
    assert cells(listing) == [b"bytes of b"]


def test_missing_web_file_and_web_globs_are_refused(web: Any) -> None:
    with pytest.raises(BadInput, match=r"nowhere.jpg: does not exist; check the path"):
        ImageFiles(f"{web.url}/nowhere.jpg").list()
    with pytest.raises(BadInput, match="has wildcards, which web addresses cannot"):
        ImageFiles(f"{web.url}/*.jpg").list()


@pytest.mark.parametrize("fault", [408, 429, 500, 502, 503, 504, "reset", "cut"])
@pytest.mark.parametrize("failures", [1, TRIES - 1])
def test_web_file_is_read_once_the_server_has_stopped_failing(
    web: Any, waits: list[float], fault: Any, failures: int
) -> None:
    listing = ImageFiles(f"{web.url}/").list()
    web.fail("/a.jpg", [fault] * failures)
    assert cells(listing) == [b"bytes of a", b"bytes of b"]
    if fault == "reset":  # aiohttp tries those again itself
        assert web.count("/a.jpg") == failures + 1
    else:
        assert (web.count("/a.jpg"), len(waits)) == (failures + 1, failures)
    assert web.count("/b.jpg") == 1


def test_server_that_hangs_is_given_up_and_tried_again(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(web_module.TIMEOUTS_S, "sock_read", 0.1)
    listing = ImageFiles(f"{web.url}/").list()
    web.fail("/a.jpg", ["hang", "hang"])
    assert cells(listing) == [b"bytes of a", b"bytes of b"]
    assert web.count("/a.jpg") == 3


@pytest.mark.parametrize("fault", [503, 429, 500, "cut"])
def test_web_file_that_the_server_fails_on_for_ever_becomes_an_error_of_its_row(web: Any, fault: Any) -> None:
    listing = ImageFiles(f"{web.url}/").list()
    web.fail("/b.jpg", [fault] * FOREVER)
    other, failed = cells(listing)
    assert (other, fault_of(failed)) == (b"bytes of a", "transient")
    assert web.count("/b.jpg") == TRIES


@pytest.mark.parametrize("fault", [503, 429, 500, "cut"])
def test_server_that_fails_on_everything_stops_the_run_and_the_file_is_named(web: Any, fault: Any) -> None:
    listing = ImageFiles(f"{web.url}/").list()
    for path in ("/a.jpg", "/b.jpg"):
        web.fail(path, [fault] * FOREVER)
    with pytest.raises(
        ReadFailed, match=rf"^{web.url}/a.jpg: cannot be read \(.+\), each time it was tried; wait until"
    ):
        cells(listing)
    assert (web.count("/a.jpg"), web.count("/b.jpg")) == (TRIES, 1)


def test_only_file_that_there_is_stops_the_run_when_it_fails_for_ever(web: Any) -> None:
    listing = ImageFiles(f"{web.url}/b.jpg").list()
    web.fail("/b.jpg", [500] * FOREVER)
    with pytest.raises(ReadFailed, match=rf"^{web.url}/b.jpg: cannot be read .+; wait until it answers"):
        cells(listing)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, FileNotFoundError),
        (410, FileNotFoundError),
        (401, PermissionError),
        (403, PermissionError),
        (400, OSError),
        (501, OSError),
    ],
)
def test_web_file_that_is_refused_becomes_an_error_of_its_row_at_once(
    web: Any, status: int, kind: type[OSError]
) -> None:
    listing = ImageFiles(f"{web.url}/").list()
    web.fail("/a.jpg", [status] * FOREVER)
    refused, other = cells(listing)
    assert (type(refused), other) == (kind, b"bytes of b")
    assert re.fullmatch(rf"HTTP {status} .+", str(refused))
    assert web.count("/a.jpg") == 1


def test_listing_survives_a_server_that_fails_and_names_the_page_when_it_does_not_stop(web: Any) -> None:
    web.fail("/", [503] * (TRIES - 1))
    assert ImageFiles(f"{web.url}/").list().rows == 2
    web.fail("/a.jpg", [503] * (TRIES - 1), method="HEAD")
    assert ImageFiles(f"{web.url}/a.jpg").list().rows == 1
    web.fail("/", [503] * FOREVER)
    with pytest.raises(
        BadInput, match=rf"^{web.url}/: cannot be listed \(HTTP 503 Service Unavailable\); check access"
    ):
        ImageFiles(f"{web.url}/").list()


def test_unknown_host_is_refused_at_once(new_sessions: None, waits: list[float]) -> None:
    with pytest.raises(BadInput, match=r"^http://no-such-host.invalid/a.jpg: cannot be listed \("):
        ImageFiles("http://no-such-host.invalid/a.jpg").list()
    assert waits == []


def test_answer_without_an_end_is_given_up(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_module, "LARGEST_BYTES", 9)
    assert [str(c) for c in cells(ImageFiles(f"{web.url}/").list())] == [
        "[Errno 27] The answer is longer than a photo is"
    ] * 2


def test_parquet_at_a_web_address_is_read_through_faults(web: Any) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": range(6)}), sink, row_group_size=3)
    web.files["/rows.parquet"] = sink.getvalue()
    web.fail("/rows.parquet", [503, 503])
    listing = ParquetFiles(f"{web.url}/rows.parquet").list()
    web.fail("/rows.parquet", ["cut", 500])
    rows = [r.load() for r in listing.reads(0, 6, 4)]
    assert [n for r in rows for n in r.columns["n"].tolist()] == [*range(6)]
    listing = ParquetFiles(f"{web.url}/rows.parquet").list()
    web.fail("/rows.parquet", [500] * FOREVER)
    with pytest.raises(
        ReadFailed, match=rf"^{web.url}/rows.parquet, row group 0: cannot be read \(HTTP 500 .+\), each"
    ):
        [r.load() for r in listing.reads(0, 6, 4)]


def sizes(batch: dict[str, Any]) -> dict[str, Any]:
    return {"size": [p.shape[0] for p in batch["image"]]}


OPTIONS: dict[str, Any] = {"batch_size": 1, "partition_rows": 1}


def test_run_that_a_server_stopped_goes_on_when_it_answers_again(served: Any, tmp_path: Path) -> None:
    job, out = hr.read_images(f"{served.url}/").map_batches(sizes), tmp_path / "o"
    job.write_parquet(tmp_path / "whole", **OPTIONS)
    served.requests.clear()
    photos = [path for path in served.files if path.endswith(("jpg", "JPG", "jpeg"))]

    def failing_once_c_was_asked_for(_: None) -> int | None:
        return 500 if served.count("/sub/c.jpeg") else None

    for path in photos:
        served.fail(path, map(failing_once_c_was_asked_for, repeat(None)))
    with pytest.raises(ReadFailed, match=r"cannot be read \(HTTP 500 .+; wait until it answers, then run the same"):
        job.write_parquet(out, **OPTIONS)
    for path in photos:
        served.fail(path, [])
    report = job.write_parquet(out, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (5, 5, 0)
    assert written(out) == written(tmp_path / "whole")


def test_run_delivers_all_but_the_file_that_a_server_fails_on_for_ever(served: Any, tmp_path: Path) -> None:
    job, out = hr.read_images(f"{served.url}/").map_batches(sizes), tmp_path / "o"
    served.fail("/sub/c.jpeg", repeat(500))
    report = job.write_parquet(out, max_rejected=0.5, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (5, 4, 1)
    (reject,) = rejected(out)
    assert (reject["key"], reject["row"], reject["stage"]) == (f"{served.url}/sub/c.jpeg", 2, "read")
    assert reject["message"].startswith("HTTP 500")
    served.fail("/sub/c.jpeg", [])
    report = job.write_parquet(out, retry=True, **OPTIONS)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (5, 5, 0)
    assert written(out)[-1]["path"] == f"{served.url}/sub/c.jpeg"
    assert verify(out).whole
