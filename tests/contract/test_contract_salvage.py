"""Whatever a stage or model does to a batch, the rows that are not at fault are delivered."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from everywhere import Changes, Held, Notes
from outputs import MODEL, SMALL, only, parts, rejected, written

import headrace as hr
from headrace.core.contracts import Listing
from headrace.models.openvino_model import OpenVinoModel, _Request
from headrace.plan.plan import values_from_toml

MakePhotos = Callable[..., Path]


def numbers(count: int = 100) -> hr.Dataset:
    return hr.from_items([{"n": i} for i in range(count)])


class Picky:
    """Refuses batches with one of `bad` in them; notes its calls, and writes into what it is given."""

    def __init__(self, bad: tuple[int, ...], calls: Notes) -> None:
        self.bad, self.calls = bad, calls

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        self.calls.add(len(batch["n"]))
        found = [n for n in batch["n"] if n in self.bad]
        batch["n"] += 1000
        if found:
            raise KeyError(int(found[0]))
        return {"n": batch["n"]}


@pytest.mark.parametrize("bad", [(0,), (7,), (63, 64), (99,), tuple(range(40, 50))])
def test_batch_that_fails_is_split_until_the_rows_at_fault_stand_alone(
    engine: str, bad: tuple[int, ...], tmp_path: Path, notes: Notes
) -> None:
    stage = Picky(bad, notes)
    report = numbers().map_batches(stage).write_parquet(tmp_path / "o", engine=engine, batch_size=50, partition_rows=50)
    good = [n for n in range(100) if n not in bad]
    assert [(r["item_id"], r["n"]) for r in written(tmp_path / "o")] == [(str(n), n + 1000) for n in good]
    found = rejected(tmp_path / "o")
    assert [(r["key"], r["row"], r["message"]) for r in found] == [(str(n), n, str(n)) for n in bad]
    assert {(r["stage"], r["error_type"]) for r in found} == {("Picky", "KeyError")}
    assert [json.loads(r["original"]) for r in found] == [{"n": n} for n in bad]
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (100, 100 - len(bad), len(bad))
    runs_of_the_first_batch = 2 if engine == "ray" else 1
    assert len(notes) <= runs_of_the_first_batch * (4 + len(bad) * 2 * np.ceil(np.log2(50)))


def failing(batch: dict[str, Any]) -> dict[str, Any]:
    raise ConnectionError(f"no service for {batch['n'][0]}")


def test_stage_that_fails_for_every_row_stops_early_with_its_first_error(engine: str, tmp_path: Path) -> None:
    # On a cluster several partitions are worked on at once, and any may be the first to have failed often enough.
    first = (r"\d+", r"\d+") if engine == "ray" else ("0", "0")
    where = r"failing: failed on partition {}, rows 0-7 \(from {}\): ConnectionError".format(*first)
    with pytest.raises(hr.StageFailed, match=where) as e:
        numbers(10_000).map_batches(failing).write_parquet(tmp_path / "o", engine=engine, batch_size=8)
    assert isinstance(e.value.__cause__, ConnectionError)
    assert str(e.value.__cause__) == f"no service for {e.value.first_key}"
    assert parts(tmp_path / "o") == []


class Gone:
    """Works for a while, then no more, as when a service goes away."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if batch["n"][0] >= 500:
            raise ConnectionError("the service went away")
        return {"n": batch["n"]}


def test_stage_that_works_no_more_stops_the_run_whatever_may_be_rejected(engine: str, tmp_path: Path) -> None:
    job = numbers(20_000).map_batches(Gone)
    with pytest.raises(hr.StageFailed, match="the service went away"):
        job.write_parquet(tmp_path / "o", engine=engine, batch_size=100, partition_rows=500, max_rejected=0.99)
    # On a cluster partitions are worked on at once, and the first need not be the first that is done.
    assert len(written(tmp_path / "o")) in ((500,) if engine == "local" else (0, 500))


class Narrow:
    """Has memory for seven rows; notes with how many it worked."""

    def __init__(self, error: BaseException, notes: Notes) -> None:
        self.error, self.notes = error, notes

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if len(batch["n"]) > 7:
            raise self.error
        self.notes.add(len(batch["n"]))
        return {"n": batch["n"]}


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    "error", [MemoryError(), OutOfMemoryError("no room"), RuntimeError("CUDA error: out of memory")], ids=repr
)
def test_out_of_memory_splits_the_batch_and_the_cap_is_remembered(
    engine: str, error: BaseException, tmp_path: Path, notes: Notes, logged: Notes
) -> None:
    job = numbers().map_batches(Narrow, fn_constructor_args=(error, notes))
    report = job.write_parquet(tmp_path / "o", engine=engine, batch_size=32)
    assert [r["n"] for r in written(tmp_path / "o")] == list(range(100))
    assert (report.rows_out, report.rows_rejected) == (100, 0)
    assert max(map(int, notes)) == 4
    assert [m for m in logged if "at most 4" in m and "out of memory" in m]
    plan = tmp_path / "o/_headrace/plan.toml"
    assert values_from_toml(plan)["row_caps"] == {"Narrow": 4}
    logged.clear()
    job.write_parquet(tmp_path / "again", engine=engine, plan=plan)
    assert list(logged) == []
    assert written(tmp_path / "again") == written(tmp_path / "o")


def greedy(batch: dict[str, Any]) -> dict[str, Any]:
    if 13 in batch["n"]:
        raise MemoryError
    return {"n": batch["n"]}


def test_row_that_alone_is_too_much_for_the_memory_is_rejected(engine: str, tmp_path: Path) -> None:
    report = numbers(30).map_batches(greedy).write_parquet(tmp_path / "o", engine=engine, batch_size=10)
    assert (report.rows_out, [r["key"] for r in rejected(tmp_path / "o")]) == (29, ["13"])


def test_model_that_runs_out_of_memory_is_loaded_for_smaller_batches(
    engine: str, make_photos: MakePhotos, tmp_path: Path, changes: Changes, notes: Notes
) -> None:
    job = hr.read_images(make_photos(tmp_path / "in", 22)).infer(MODEL, precision="fp32")
    job.write_parquet(tmp_path / "enough", engine=engine, batch_size=8, partition_rows=16)

    def with_memory_for_three(infer: Callable[..., Any]) -> Callable[..., Any]:
        def narrow(self: _Request, tensor: Any, rows: int) -> Any:
            if len(tensor) > 3:
                raise RuntimeError("Failed to allocate memory for requested buffer")
            return infer(self, tensor, rows)

        return narrow

    def noting(load: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: OpenVinoModel, precision: str, batch_size: int, *rest: Any) -> Any:
            notes.add(batch_size)
            return load(self, precision, batch_size, *rest)

        return noted

    changes.make(_Request, "__call__", with_memory_for_three)
    changes.make(OpenVinoModel, "load", noting)
    report = job.write_parquet(tmp_path / "o", engine=engine, batch_size=8, partition_rows=16)
    knowing = ["8", "2"] if engine == "ray" else []  # a worker behind the one that has run the first batch
    assert list(notes) == ["8", "4", "2", *knowing]
    assert report.rows_rejected == 0
    assert written(tmp_path / "o") == written(tmp_path / "enough")
    assert values_from_toml(tmp_path / "o/_headrace/plan.toml")["row_caps"] == {"infer": 2}


def test_photo_that_fails_in_the_model_is_rejected_with_its_file(
    engine: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "in", 20)
    darkest = min(photos.iterdir(), key=lambda p: mean_of(p.read_bytes()))

    def dislikes(batch: dict[str, Any]) -> dict[str, Any]:
        if str(darkest) in list(batch["path"]):
            raise ValueError("too dark")
        return {"mean": batch["image"].reshape(len(batch["image"]), -1).mean(axis=1)}

    job = hr.read_images(photos).infer(dislikes, preprocess=SMALL)
    report = job.write_parquet(tmp_path / "o", engine=engine, batch_size=8)
    assert (report.rows_out, report.rows_rejected) == (19, 1)
    (reject,) = rejected(tmp_path / "o")
    assert (reject["key"], reject["original"]) == (str(darkest), darkest.read_bytes())


def mean_of(data: bytes) -> float:
    from headrace.stages.photo import PhotoDecoder

    return float(PhotoDecoder().decode(data).mean())


class Sleepy:
    """Hangs on row 40 as often as `hangs` says, until the test lets go."""

    def __init__(self, hangs: int, held: Held, notes: Notes) -> None:
        self.hangs, self.held, self.notes = hangs, held, notes

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if 40 in batch["n"] and self.notes.add("hangs") < self.hangs:
            self.wait_in_the_dark()
        return {"n": batch["n"] + 1}

    def wait_in_the_dark(self) -> None:
        self.held.wait()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("hangs", "first"), [(1, 0), (1, 40), (100, 0), (100, 40)])
def test_stage_that_hangs_is_given_up_with_its_stack_and_its_rows_are_tried_again(
    engine: str, hangs: int, first: int, tmp_path: Path, held: Held, notes: Notes, logged: Notes
) -> None:
    rows = hr.from_items([{"n": i} for i in range(first, 80)])
    job = rows.map_batches(Sleepy, concurrency=2, fn_constructor_args=(hangs, held, notes))
    report = job.write_parquet(tmp_path / "o", engine=engine, batch_size=5, stall_timeout=0.2)
    held.let_go()
    for thread in [t for t in threading.enumerate() if t.name.startswith("headrace-")]:
        thread.join(30)
    lost = [40] if hangs > 1 else []
    assert [r["n"] for r in written(tmp_path / "o")] == [n + 1 for n in range(first, 80) if n not in lost]
    assert [json.loads(r["original"])["n"] for r in rejected(tmp_path / "o")] == lost
    assert report.rows_rejected == len(lost)
    assert any("in wait_in_the_dark" in m for m in logged)
    assert any("--stall-timeout" in m for m in logged)


def sleeping(batch: dict[str, Any]) -> dict[str, Any]:
    if 40 in batch["n"]:
        time.sleep(1000)
    return {"n": batch["n"]}


@only("local", "a plan that puts a stage into worker processes is the local engine's")
@pytest.mark.timeout(60)
def test_process_that_hangs_is_killed_with_its_stack(
    engine: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('schema_version = 1\n[stages.sleeping]\nvalue = "processes:2"\n')
    job = numbers(60).map_batches(sleeping)
    report = job.write_parquet(tmp_path / "o", engine=engine, plan=plan, batch_size=4, stall_timeout=3.0)
    assert (report.rows_out, [r["key"] for r in rejected(tmp_path / "o")]) == (59, ["40"])
    assert any("was killed" in m and "in sleeping" in m for m in caplog.messages)


@pytest.mark.timeout(60)
def test_reading_that_hangs_stops_the_run(
    engine: str, make_photos: MakePhotos, tmp_path: Path, changes: Changes, held: Held
) -> None:
    from headrace.sources.locations import LocalFolder

    def holding(read: Callable[..., bytes]) -> Callable[..., bytes]:
        def hanging(self: LocalFolder, path: str) -> bytes:
            if "013" in path:
                held.wait()
            return read(self, path)

        return hanging

    changes.make(LocalFolder, "read", holding)
    job = hr.read_images(make_photos(tmp_path / "in", 20)).infer(MODEL)
    with pytest.raises(hr.StageFailed, match=r"read: failed on partition 0.*gave no answer for 0\.5 s") as caught:
        job.write_parquet(tmp_path / "o", engine=engine, batch_size=4, partition_rows=20, stall_timeout=0.5)
    held.let_go()
    assert "in hanging" in str(caught.value)


def test_rows_that_cannot_be_read_again_are_rejected_without_their_original() -> None:
    from headrace.engine.flow.salvage import original_of

    class Unreadable:
        def reads(self, *_: int) -> Any:
            raise OSError("gone")

    listing: Listing = Unreadable()  # type: ignore[assignment]
    assert original_of(listing, 3) is None


def without_the_middle(batch: dict[str, Any]) -> dict[str, Any]:
    if any(64 <= n < 128 for n in batch["n"]):
        raise ValueError("in the middle")
    return {"n": batch["n"]}


def test_run_that_is_gone_on_with_among_bad_rows_does_not_take_the_stage_for_broken(
    engine: str, tmp_path: Path
) -> None:
    job = numbers(200).map_batches(without_the_middle)
    options: dict[str, Any] = {"engine": engine, "batch_size": 16, "partition_rows": 32, "max_rejected": 1.0}
    job.write_parquet(tmp_path / "o", **options)
    before = written(tmp_path / "o")
    for part in parts(tmp_path / "o")[2:4]:
        part.unlink()
    report = job.write_parquet(tmp_path / "o", **options)
    assert (report.rows_out, report.rows_rejected) == (136, 64)
    assert written(tmp_path / "o") == before
    again = job.write_parquet(tmp_path / "o", retry=True, **options)
    assert (again.rows_out, again.rows_rejected) == (136, 64)


def test_one_greedy_row_does_not_cap_the_others(engine: str, tmp_path: Path) -> None:
    numbers(64).map_batches(greedy).write_parquet(tmp_path / "o", engine=engine, batch_size=32)
    assert [r["key"] for r in rejected(tmp_path / "o")] == ["13"]
    assert "row_caps" not in values_from_toml(tmp_path / "o/_headrace/plan.toml")


class Odd(Exception):
    def __str__(self) -> str:
        raise TypeError("not even this")


ODD: list[Exception] = [ValueError("a lone \udc80 surrogate"), Odd(), ValueError("\x1b[31m")]


@pytest.mark.parametrize("error", ODD, ids=["surrogate", "unprintable", "escape"])
def test_whatever_is_raised_can_be_written(engine: str, error: Exception, tmp_path: Path) -> None:
    def raising(batch: dict[str, Any]) -> dict[str, Any]:
        if 7 in batch["n"]:
            raise error
        return {"n": batch["n"]}

    report = numbers(20).map_batches(raising).write_parquet(tmp_path / "o", engine=engine, batch_size=4)
    assert (report.rows_out, [r["key"] for r in rejected(tmp_path / "o")]) == (19, ["7"])


class Once:
    """Can be built twice, for two workers; a third time the device is busy."""

    def __init__(self, folder: str) -> None:
        built = Path(folder)
        (built / str(len(list(built.iterdir())))).touch()
        if len(list(built.iterdir())) > 3:
            raise ConnectionError("the device is busy")

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if 40 in batch["n"]:
            os._exit(5)
        return {"n": batch["n"]}


@only("local", "a plan that puts a stage into worker processes is the local engine's")
@pytest.mark.timeout(60)
def test_process_that_cannot_be_built_again_stops_the_run_and_rejects_nothing(engine: str, tmp_path: Path) -> None:
    (tmp_path / "built").mkdir()
    plan = tmp_path / "plan.toml"
    plan.write_text('schema_version = 1\n[stages.Once]\nvalue = "processes:2"\n')
    job = numbers(60).map_batches(Once, fn_constructor_args=(str(tmp_path / "built"),))
    with pytest.raises(hr.StageNotBuilt, match="the device is busy"):
        job.write_parquet(tmp_path / "o", engine=engine, plan=plan, batch_size=4, partition_rows=20)
    assert rejected(tmp_path / "o") == []
