"""Whatever call between the parts fails: the run ends with an error, nothing is half-written, a second run
completes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from everywhere import Changes, Notes, failing
from outputs import MODEL, Mean, footer, leftovers, parts, rejected, written

import headrace as hr
from headrace.models.heads import Classify
from headrace.models.openvino_model import OpenVinoModel, _Request
from headrace.sinks.parquet import ParquetFolder
from headrace.sinks.press import PartPress
from headrace.sources.images import ImageListing, _Load
from headrace.stages.map_batches import MapBatches
from headrace.stages.photo import PhotoDecoder

MakePhotos = Callable[..., Path]
CALLS = [
    (ImageListing, "digest"),
    (ImageListing, "reads"),
    (_Load, "__call__"),
    (MapBatches, "open"),
    (OpenVinoModel, "load"),
    (OpenVinoModel, "digest"),
    (_Request, "__init__"),
    (_Request, "__call__"),
    (Classify, "__call__"),
    (PartPress, "publish"),
    (ParquetFolder, "write_state"),
]
MAYBE_FATAL = {"digest", "write_state"}  # these run before the engine does, where an error is raised as it is


def with_mean(batch: dict[str, Any]) -> dict[str, Any]:
    return batch | Mean()(batch)


def jobs(photos: Path) -> list[hr.Dataset]:
    read = hr.read_images(photos)
    return [read.infer(MODEL, precision="fp32").map_batches(count_labels), read.map_batches(heights).infer(MODEL)]


def count_labels(batch: dict[str, Any]) -> dict[str, Any]:
    return {"length": [len(label) for label in batch["label"]]}


def heights(batch: dict[str, Any]) -> dict[str, Any]:
    return {"image": batch["image"], "height": [i.shape[0] for i in batch["image"]]}


# A run on a cluster costs seconds: each call fails there once or twice, as the first batch is run (which is run once
# more by the workers) or behind it.
ON_RAY = [
    (ImageListing, "digest", 0),
    (ImageListing, "reads", 3),
    (_Load, "__call__", 6),
    (MapBatches, "open", 0),
    (MapBatches, "open", 1),
    (OpenVinoModel, "load", 0),
    (OpenVinoModel, "load", 1),
    (OpenVinoModel, "digest", 0),
    (_Request, "__init__", 1),
    (_Request, "__call__", 3),
    (Classify, "__call__", 3),
    (PartPress, "publish", 1),
    (ParquetFolder, "write_state", 1),
]
FAULTS = [*(("local", *call, after) for call in CALLS for after in (0, 1, 3)), *(("ray", *fault) for fault in ON_RAY)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("engine", "owner", "name", "after"), FAULTS, indirect=["engine"], ids=lambda v: str(getattr(v, "__name__", v))
)
def test_fault_ends_the_run_with_an_error_and_a_second_run_completes(
    engine: str,
    owner: type,
    name: str,
    after: int,
    make_photos: MakePhotos,
    tmp_path: Path,
    changes: Changes,
    notes: Notes,
) -> None:
    options: dict[str, Any] = {"engine": engine, "batch_size": 2, "partition_rows": 4}
    job = jobs(make_photos(tmp_path / "in", 14))[0]
    writes = owner in (ParquetFolder, PartPress)
    injected = OSError(5, "Input/output error") if writes else RuntimeError("injected")
    changes.make(owner, name, failing(injected, notes, after=after))
    try:
        job.write_parquet(tmp_path / "out", **options)
    except hr.TooManyRejects:
        assert {r["message"] for r in rejected(tmp_path / "out")} == {"injected"}
    except hr.HeadraceError as error:
        assert repr(injected) in (repr(error.__cause__), repr(error.__context__))  # noqa: PT017 - or it is never met
    except (RuntimeError, OSError):
        assert name in MAYBE_FATAL
    else:
        assert len(notes) <= after, "the fault was met, and the run went on"
    changes.undo()
    assert engine == "local" or len(notes) > after, "the fault was not met"
    accounts = [footer(p)["account"] for p in parts(tmp_path / "out")]
    assert all(a["rows_in"] in (4, 2) and a["rows_in"] == a["rows_out"] + a["rows_rejected"] for a in accounts)
    assert leftovers(tmp_path / "out") == []
    report = job.write_parquet(tmp_path / "out", retry=bool(accounts), **options)
    assert (report.rows_in, report.rows_out) == (14, 14)
    assert len(written(tmp_path / "out")) == 14


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("number", "name"), [(0, "decode_into"), (1, "decode"), (1, "decode_into")])
def test_decoder_that_fails_on_a_row_rejects_the_row(
    engine: str, number: int, name: str, make_photos: MakePhotos, tmp_path: Path, changes: Changes, notes: Notes
) -> None:
    job = jobs(make_photos(tmp_path / "in", 9))[number]
    first_batch_again = 2 if engine == "ray" else 0
    changes.make(PhotoDecoder, name, failing(RuntimeError("injected"), notes, after=7 + first_batch_again))
    report = job.write_parquet(tmp_path / "out", engine=engine, batch_size=2, max_rejected=1.0)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (9, 7, 2)


@pytest.mark.timeout(120)
def test_footers_that_cannot_be_read_stop_a_resumed_run(engine: str, make_photos: MakePhotos, tmp_path: Path) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 4)).map_batches(heights)
    job.write_parquet(tmp_path / "out", engine=engine)
    parts(tmp_path / "out")[0].write_bytes(b"PAR1 no more")
    with pytest.raises(hr.BadOutput, match="is no part that headrace wrote"):
        job.write_parquet(tmp_path / "out", engine=engine)
