"""A plan says how and why, is saved as TOML, and runs again unchanged."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace import demo
from headrace.plan.plan import Choice, Plan, values_from_toml

texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
numbers = st.builds(Choice, st.integers(1, 10**9) | st.just("auto"), texts, texts, st.booleans())
words = st.builds(Choice, st.sampled_from(["fp32", "bf16", "auto"]), texts, texts)
names = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)
agreements = st.none() | st.just({"precision": "bf16", "rows": 256, "agree": 0.5, "mean_dp": 0.1, "kept": False})
NUMBERS = ("batch_size", "partition_rows", "prepare_workers", "io_concurrency", "memory_bytes", "queue_bytes")
plans = st.builds(
    Plan,
    **dict.fromkeys(("engine", *NUMBERS), numbers),
    runtime=st.none() | words,
    precision=st.none() | words,
    workers=st.none() | numbers,
    stages=st.dictionaries(names, words, max_size=3),
    row_caps=st.dictionaries(names, numbers, max_size=3),
    agreement=agreements,
    rows=st.integers(0, 10**10),
)


@given(plan=plans)
def test_saved_plan_gives_back_every_settled_value(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(plan.to_toml())
    values = values_from_toml(path)
    by_step = {table: values.pop(table, {}) for table in ("stages", "row_caps")}
    agreement = values.pop("agreement", None)
    settled = {n: c.value for n, c in plan.choices().items() if not c.open and "." not in n}
    assert values == settled
    assert by_step["stages"] == {n: c.value for n, c in plan.stages.items() if not c.open}
    assert by_step["row_caps"] == {n: c.value for n, c in plan.row_caps.items() if not c.open}
    assert agreement == plan.agreement


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not toml", "--plan must be a readable plan"),
        ("", "--plan must be a plan with schema_version = 1, got None"),
        ("schema_version = 9", "got 9"),
        ("schema_version = 1\nspeed = 3", "--plan must be made of a plan's names, got 'speed'"),
        ("schema_version = 1\nbatch_size = 3", "--plan must be a plan in which batch_size has a value, got 3"),
        ("schema_version = 1\nstages = 3", "--plan must be made of tables in stages, got 3"),
        ('schema_version = 1\n[stages]\nx = "threads:1"', "a plan in which x has a value"),
        (
            "schema_version = 1\n[batch_size]\nvalue = -1",
            "batch_size in the saved plan must be an integer >= 1",
        ),
        (
            'schema_version = 1\n[stages.f]\nvalue = "fibers:2"',
            'must be "threads:N" or "processes:N"',
        ),
        ('schema_version = 1\n[stages.g]\nvalue = "threads:2"', "stages in the saved plan must be among f, got 'g'"),
    ],
)
def test_plan_that_cannot_be_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(text)

    def f(batch: dict[str, Any]) -> dict[str, Any]:
        return batch

    with pytest.raises(hr.BadOption) as caught:
        hr.from_items([1]).map_batches(f).plan(plan=tmp_path / "plan.toml")
    assert message in str(caught.value)


def test_missing_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(hr.BadOption, match="a readable plan"):
        hr.from_items([1]).plan(plan=tmp_path / "none.toml")


def lengths(batch: dict[str, Any]) -> dict[str, Any]:
    return {"label": batch["label"], "length": [len(label) for label in batch["label"]]}


def settled_values(path: Path) -> dict[str, Any]:
    body = tomllib.loads(path.read_text())
    flat = {n: t["value"] for n, t in body.items() if isinstance(t, dict) and "value" in t}
    return flat | {n: t["value"] for n, t in body.get("stages", {}).items()}


def test_settled_plan_runs_again_unchanged(tmp_path: Path) -> None:
    job = hr.read_images(demo.PHOTOS).infer(demo.MODEL).map_batches(lengths)
    job.write_parquet(tmp_path / "first", batch_size=3, partition_rows=3)
    saved = tmp_path / "first/_headrace/plan.toml"
    job.write_parquet(tmp_path / "second", plan=saved)
    assert settled_values(tmp_path / "second/_headrace/plan.toml") == settled_values(saved)
    shown = job.plan(tmp_path / "first")
    assert not any(c.open for c in shown.choices().values())


def test_given_option_goes_before_the_saved_plan(tmp_path: Path) -> None:
    job = hr.from_items([1, 2, 3])
    (tmp_path / "plan.toml").write_text(job.plan(batch_size=2, partition_rows=4).to_toml())
    plan = job.plan(plan=tmp_path / "plan.toml", batch_size=7)
    assert (plan.batch_size.value, plan.partition_rows.value) == (7, 4)


def test_planning_reads_no_rows_and_gives_a_reason_for_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("a row was read")

    monkeypatch.setattr("headrace.sources.locations.LocalFolder.read", refuse)
    plan = hr.read_images(demo.PHOTOS).map_batches(lengths).infer(demo.MODEL).plan(tmp_path / "out")
    assert plan.rows == 4
    assert all(choice.reason for choice in plan.choices().values())
    assert list(tmp_path.iterdir()) == []


def test_agreement_goes_with_its_precision(tmp_path: Path) -> None:
    job = hr.read_images(demo.PHOTOS).infer(demo.MODEL)
    found = {"precision": "bf16", "rows": 256, "agree": 0.9, "mean_dp": 0.1, "kept": False}
    plan = replace(job.plan(), agreement=found, precision=Choice("fp32", "measured"))
    (tmp_path / "plan.toml").write_text(plan.to_toml())
    assert job.plan(plan=tmp_path / "plan.toml").agreement == found
    read: Callable[..., hr.Dataset] = hr.read_images
    assert read(demo.PHOTOS).infer(demo.MODEL, precision="int8").plan(plan=tmp_path / "plan.toml").agreement is None


def test_plan_prints_every_choice_with_its_reason() -> None:
    plan = hr.read_images(demo.PHOTOS).infer(demo.MODEL).plan()
    lines = str(plan).splitlines()
    assert len(lines) == len(plan.choices())
    assert lines[0].startswith("engine = local  (")
