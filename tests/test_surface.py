"""The public surface: few names, sorted, documented, and light to import."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import headrace
from headrace import demo

REPORT_KEYS = [
    "schema_version",
    "rows_in",
    "rows_out",
    "rows_rejected",
    "rows_dropped",
    "rows_added",
    "wall_s",
    "startup_s",
    "probe_s",
    "rows_per_s",
    "cpu_s",
    "peak_rss_bytes",
    "gpu_busy",
    "gpu_mem_peak_bytes",
    "engine",
    "precision",
    "agreement",
    "batch_size",
    "sessions",
    "stages",
    "bottleneck",
    "limit_rows_per_s",
    "efficiency",
]
STAGE_KEYS = ["name", "workers", "rows", "busy_s", "cpu_s", "wait_in_s", "wait_out_s", "batch_ms_p50", "batch_ms_p99"]
RUN_OPTIONS = [
    "--model",
    "--out",
    "--engine",
    "--address",
    "--precision",
    "--min-agreement",
    "--task",
    "--top-k",
    "--labels",
    "--preprocess",
    "--batch-size",
    "--workers",
    "--prepare-workers",
    "--io-concurrency",
    "--partition-rows",
    "--limit",
    "--on-error",
    "--max-rejected",
    "--overwrite",
    "--plan",
    "--json",
]


def test_names_are_few_sorted_and_all_there() -> None:
    assert headrace.__all__ == sorted(headrace.__all__)
    assert len(headrace.__all__) <= 30
    assert dir(headrace) == headrace.__all__


@pytest.mark.parametrize("name", [n for n in headrace.__all__ if n != "__version__"])
def test_name_resolves_and_is_documented(name: str) -> None:
    member = getattr(headrace, name)
    assert member.__name__.removeprefix("headrace.") == name
    assert inspect.getdoc(member)


@pytest.mark.parametrize("name", [n for n, _ in inspect.getmembers(headrace.Dataset) if n[0] != "_"])
def test_method_of_a_dataset_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(headrace.Dataset, name))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = headrace.nonsense


def test_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert headrace.__version__ == version("headrace")


def test_importing_brings_in_nothing_heavy() -> None:
    code = "import sys, headrace; print(*sorted(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pyarrow", "PIL", "simplejpeg", "openvino", "onnx", "onnxruntime", "torch", "ray", "pandas"}
    assert not heavy & set(done.stdout.split())
    assert not {"typer", "rich", "fsspec", "cloudpickle", "nncf", "pynvml", "aiohttp"} & set(done.stdout.split())


def test_report_has_every_key_that_is_promised(tmp_path: Path) -> None:
    report = headrace.read_images(demo.PHOTOS).infer(demo.MODEL, precision="fp32").write_parquet(tmp_path / "out")
    body = json.loads((tmp_path / "out/_headrace/report.json").read_text())
    assert [k for k in REPORT_KEYS if k not in body] == []
    assert [[k for k in STAGE_KEYS if k not in stage] for stage in body["stages"]] == [[]] * len(body["stages"])
    assert set(body["sessions"][0]) == {"started", "rows", "wall_s"}
    assert headrace.RunReport.from_json(json.dumps(body)) == report
    assert body["bottleneck"] in {s["name"] for s in body["stages"]}


def test_run_has_every_option_that_is_promised() -> None:
    from headrace.cli.app import app

    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    assert {o for p in command.params for o in p.opts if o[0] == "-"} >= set(RUN_OPTIONS)
