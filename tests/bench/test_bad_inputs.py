"""Every kind of bad input costs its own row at most, and says why; its neighbours are delivered."""

import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from outputs import MODEL, SMALL, Mean, footer, leftovers, parts, rejected, written

import headrace as hr
from headrace.bench.bad import inputs as made
from headrace.bench.bad.files import Kind, jpeg
from headrace.cli.text import printable
from headrace.core.errors import HeadraceError
from headrace.sources.entries import shown_path
from headrace.sources.local import LocalFolder
from headrace.stages.bare import NotAnImage
from headrace.stages.photo import PhotoDecoder

FILES = [kind for *_, kinds in made.GROUPS for kind in kinds if isinstance(kind, Kind)]
PHOTOS = [kind for _, place, kinds in made.GROUPS for kind in kinds if place == "photos"]
IMPATIENT = pytest.mark.timeout(120)


def names(kinds: Any) -> Any:
    return pytest.mark.parametrize("kind", kinds, ids=[ascii(k.name)[1:-1] for k in kinds])


@dataclass(frozen=True)
class Done:
    """A run over all files at once: what came of each key, and what was made."""

    inputs: dict[str, made.BadInput]
    rows: dict[str, dict[str, Any]]
    rejects: dict[str, dict[str, Any]]
    neighbours: set[str]
    report: hr.RunReport
    out: Path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, made.BadInput]:
    """One of every kind, by name."""
    return {i.kind: i for i in made.bad_inputs(tmp_path_factory.mktemp("bad"))}


@pytest.fixture(scope="module")
def done(inputs: dict[str, made.BadInput], tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All files in one folder, a good photo next to each of them in the order of the rows."""
    folder = inputs["empty.jpg"].path.parent
    neighbours = {folder / f"{k.name[:99].replace('/', '-').lstrip('.')}~{n}.jpg" for n, k in enumerate(PHOTOS)}
    for path in neighbours:
        path.write_bytes(jpeg())
    out = tmp_path_factory.mktemp("out") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalFolder, "read", unreadable(LocalFolder.read))
        job = hr.read_images(folder).infer(Mean, preprocess=SMALL)
        report = job.write_parquet(out, batch_size=16, partition_rows=100, max_rejected=1.0)
    rows, rejects = ({r[key]: r for r in found} for found, key in ((written(out), "path"), (rejected(out), "key")))
    return Done(inputs, rows, rejects, {shown_path(str(p)) for p in neighbours}, report, out)


def unreadable(read: Any) -> Any:
    """Reading, which fails for unreadable.jpg: root may read whatever the mode says."""

    def guarded(place: LocalFolder, path: str) -> bytes:
        if path.endswith("/unreadable.jpg"):
            raise PermissionError(13, "Permission denied", path)
        return bytes(read(place, path))

    return guarded


@IMPATIENT
@names(PHOTOS)
def test_file_comes_to_what_is_said_of_its_kind(done: Done, kind: Any) -> None:
    key = shown_path(str(done.inputs[kind.name].path))
    came_to = {"ok": key in done.rows, "reject": key in done.rejects}
    assert [what for what, is_so in came_to.items() if is_so] == [kind.expected] * (kind.expected != "left out")


@names([kind for kind in PHOTOS if kind.expected == "reject"])
def test_reject_says_why_in_a_line(done: Done, kind: Any) -> None:
    reject = done.rejects[shown_path(str(done.inputs[kind.name].path))]
    assert reject["error_type"] in ("NotAnImage", "TooManyPixels", "PermissionError")
    shown = printable(reject["message"])
    assert 10 < len(shown) < 300
    assert shown.isprintable()
    if kind.name != "unreadable.jpg":
        assert reject["original"] == done.inputs[kind.name].path.read_bytes()


def test_neighbours_of_bad_files_are_all_delivered(done: Done) -> None:
    assert len(done.neighbours) == len(PHOTOS)
    assert done.neighbours - set(done.rows) == set()
    assert len({done.rows[key]["mean"] for key in done.neighbours}) == 1


def test_accounts_of_a_run_over_bad_files_balance(done: Done) -> None:
    expected = [k.expected for k in PHOTOS]
    accounts = [footer(part)["account"] for part in parts(done.out)]
    assert all(a["rows_in"] == a["rows_out"] + a["rows_rejected"] for a in accounts)
    assert done.report.rows_rejected == expected.count("reject") == len(done.rejects)
    assert done.report.rows_out == expected.count("ok") + len(done.neighbours) == len(done.rows)
    assert done.report.rows_in == done.report.rows_out + done.report.rows_rejected
    assert leftovers(done.out) == []


@IMPATIENT
@names(FILES)
def test_photo_is_decoded_or_refused_without_a_warning(kind: Kind) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        began = time.thread_time()
        try:
            outcome = "ok" if PhotoDecoder().decode(kind.make()).ndim == 3 else "no image"
        except NotAnImage:
            outcome = "reject"
    assert (outcome, [str(w.message) for w in seen]) == (kind.expected, [])
    assert time.thread_time() - began < 10  # a hang, not a matter of speed: most take 1 ms


@IMPATIENT
def test_bombs_are_refused_without_the_memory_that_they_ask_for() -> None:
    """In 1 GB of addresses for everything, all kinds come to what they should, and none to MemoryError."""
    done = subprocess.run([sys.executable, "-c", IN_LITTLE_MEMORY], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0", str(len(FILES))], done.stderr[-2000:]


IN_LITTLE_MEMORY = """
import resource
from headrace.bench.bad.inputs import GROUPS
from headrace.bench.bad.files import Kind
from headrace.stages.photo import NotAnImage, PhotoDecoder

def outcome(data):
    try:
        return "ok" if PhotoDecoder().decode(data).ndim == 3 else "no image"
    except NotAnImage:
        return "reject"

kinds = [(k.make(), k.expected) for *_, ks in GROUPS for k in ks if isinstance(k, Kind)]
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20), used + (300 << 20)))
print(sum(outcome(data) != expected for data, expected in kinds), len(kinds))
"""


@IMPATIENT
@names(made.TABLES)
def test_table_comes_to_what_is_said_of_its_kind(
    inputs: dict[str, made.BadInput], tmp_path: Path, kind: made.Entry
) -> None:
    path, out = inputs[kind.name].path, tmp_path / "out"
    job = hr.read_parquet(path).infer(MODEL, precision="fp32")
    if kind.expected == "refused":
        with pytest.raises(HeadraceError) as caught:
            job.write_parquet(out, max_rejected=1.0)
        assert any(named in str(caught.value) for named in (kind.name, "no image column"))
        assert len(printable(str(caught.value)).replace(str(path), "")) < 300
        return
    report = job.write_parquet(out, max_rejected=1.0)
    photos = 0 if kind.name in ("numbers.parquet", "broken-page.parquet") else 2
    assert report.rows_in == pq.read_metadata(path).num_rows
    assert (report.rows_out, len(written(out))) == (photos, photos)
    assert len(rejected(out)) == report.rows_rejected == report.rows_in - photos
    assert all(10 < len(printable(r["message"])) < 300 for r in rejected(out))


def test_list_of_kinds_is_long_and_as_documented() -> None:
    kinds = [k.name for *_, ks in made.GROUPS for k in ks]
    assert len(kinds) == len(set(kinds)) >= 60
    assert (Path(__file__).parents[2] / "docs/bad-inputs.md").read_text() == made.listing() + "\n"
