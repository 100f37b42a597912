"""Whatever fails, and wherever: every row is delivered or rejected, once; and a run that was stopped completes."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from everywhere import Changes, Notes, failing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outputs import SMALL, Mean, footer, leftovers, only, parts, rejected, written

import headrace as hr
from headrace.sinks.parquet import ParquetFolder
from headrace.sinks.press import PartPress
from headrace.sources.items import ItemListing, _Load
from headrace.stages.map_batches import MapBatches
from headrace.stages.photo import PhotoDecoder

ERRORS = (RuntimeError("injected"), MemoryError(), OSError(5, "Input/output error"), KeyError("k"), ValueError())
CALLS: tuple[tuple[type, str], ...] = (
    (ItemListing, "reads"),
    (_Load, "__call__"),
    (PhotoDecoder, "decode_into"),
    (PhotoDecoder, "decode"),
    (PhotoDecoder, "pixel_bytes"),
    (MapBatches, "open"),
    (Mean, "__call__"),
    (PartPress, "publish"),
    (ParquetFolder, "write_state"),
)


class Picky:
    """Raises over some rows, and over batches that are too large for it."""

    def __init__(self, bad: frozenset[int], most: int) -> None:
        self.bad, self.most = bad, most

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if len(batch["n"]) > self.most:
            raise MemoryError
        if found := self.bad.intersection(batch["n"].tolist()):
            raise ArithmeticError(min(found))
        return batch | {"twice": batch["n"] * 2}


@st.composite
def jobs(draw: st.DrawFn) -> tuple[hr.Dataset, int, dict[str, Any]]:
    """A job over `count` small photos, some of them none, with stages before or behind a model."""
    count = draw(st.integers(1, 60))
    broken = draw(st.sets(st.integers(0, count - 1), max_size=count // 3))
    picture = np.zeros((4, 5, 3), np.uint8)
    job = hr.from_items([{"n": i, "image": b"none" if i in broken else picture + i} for i in range(count)])
    picky = Picky(draw(st.frozensets(st.integers(0, count - 1), max_size=count // 4)), draw(st.integers(1, 20)))
    if draw(st.booleans()):
        job = job.map_batches(picky)
    else:
        job = job.infer(Mean, preprocess=SMALL)
        job = job.map_batches(picky) if draw(st.booleans()) else job
    options = {"batch_size": draw(st.integers(1, 20)), "partition_rows": draw(st.integers(1, 40))}
    return job, count, options


@dataclass(frozen=True)
class Fault:
    """Calls of a method that fail: `times` of them, behind the first `after`."""

    call: tuple[type, str]
    after: int
    times: int
    error: Exception


FAULTS = st.builds(
    Fault,
    call=st.sampled_from(CALLS),
    after=st.integers(0, 12),
    times=st.sampled_from([1, 2, 5, 10**6]),
    error=st.sampled_from(ERRORS),
)
Asked = tuple[hr.Dataset, int, dict[str, Any]]


@only("local", "120 examples there take minutes; the test below takes a few of them")
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=jobs(), fault=FAULTS)
def test_every_row_is_delivered_or_rejected_once(
    engine: str, asked: Asked, fault: Fault, changes: Changes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_rows(engine, asked, fault, changes, tmp_path_factory.mktemp("out"))


@only("ray", "the same as above, with the same few examples every time")
@settings(max_examples=8, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=jobs(), fault=FAULTS)
def test_every_row_is_delivered_or_rejected_once_on_a_cluster(
    engine: str, asked: Asked, fault: Fault, changes: Changes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_rows(engine, asked, fault, changes, tmp_path_factory.mktemp("out"))


def check_rows(engine: str, asked: Asked, fault: Fault, changes: Changes, folder: Path) -> None:
    job, count, options = asked
    out = folder / "o"
    calls = Notes(folder / "calls")
    changes.make(*fault.call, failing(fault.error, calls, after=fault.after, times=fault.times))
    with contextlib.suppress(hr.HeadraceError, *map(type, ERRORS)):
        job.write_parquet(out, engine=engine, max_rejected=1.0, **options)
    changes.undo()
    for part in parts(out):
        account = footer(part)["account"]
        came = account["rows_in"] + account["rows_added"]
        assert came == account["rows_out"] + account["rows_rejected"] + account["rows_dropped"]
    assert leftovers(out) == []
    try:
        report = job.write_parquet(out, engine=engine, max_rejected=1.0, **options)
    except hr.StageFailed:
        return  # so many of its rows are bad that the stage is taken to be broken, which loses none of them either
    delivered = [int(r["item_id"]) for r in written(out)]
    refused = [r["row"] for r in rejected(out)]
    assert delivered == sorted(delivered)
    assert sorted(delivered + refused) == list(range(count))
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (count, len(delivered), len(refused))
