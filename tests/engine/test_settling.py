"""Precision and batch size are settled on the run's own photos, and the first batch's results are kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import demo
from headrace.bench.corpus import make_jpegs
from headrace.core.contracts import Inference
from headrace.engine.settling import agreement_cache, trial
from headrace.engine.settling.agreement_cache import recall, remember
from headrace.models.heads import Classify, Embed
from headrace.models.openvino_model import OpenVinoModel
from headrace.plan.agreement import Agreement
from headrace.plan.plan import values_from_toml
from headrace.stages.photo import PhotoDecoder

FOUND = Agreement("bf16", 256, 0.957, 0.01, kept=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def inference() -> Inference:
    model = OpenVinoModel.from_file(demo.MODEL)
    return Inference(model, Classify(), PhotoDecoder(model.preprocess))


class Answers:
    """A session whose answers are given: probabilities for photo i, which says i in its first pixel."""

    streams = 2

    def __init__(self, answers: Any) -> None:
        self.answers = np.asarray(answers, np.float32)
        self.asked = 0

    def request(self) -> Any:
        def answer(tensor: Any, rows: int) -> dict[str, Any]:
            self.asked += rows
            return {"out": self.answers[tensor[:rows, 0, 0, 0]]}

        return answer


def numbered(count: int) -> Any:
    photos = np.zeros((count, 2, 2, 3), np.uint8)
    photos[:, 0, 0, 0] = np.arange(count)
    return photos


def one_hot(ids: Any) -> Any:
    return np.eye(3, dtype=np.float32)[np.asarray(ids)]


def test_answers_come_in_order_whatever_the_streams_and_batches() -> None:
    ids = np.arange(37) % 3
    outputs = trial.first_outputs(Answers(one_hot(ids)), numbered(37), 4)  # type: ignore[arg-type]
    assert outputs.argmax(axis=1).tolist() == ids.tolist()


def test_comparison_stops_when_too_many_rows_disagree(inference: Inference) -> None:
    reference, faster = Answers(one_hot([0] * 200)), Answers(one_hot([1] * 200))
    found = trial.compare(inference, "bf16", reference, faster, numbered(200), 8)  # type: ignore[arg-type]
    assert (found.agree, found.kept, found.rows) == (0.0, False, 32)
    assert reference.asked == faster.asked == 32


def test_comparison_of_equal_answers_keeps_the_precision(inference: Inference) -> None:
    answers = Answers(one_hot(np.arange(100) % 3))
    found = trial.compare(inference, "bf16", answers, answers, numbered(100), 8)  # type: ignore[arg-type]
    assert (found.agree, found.mean_dp, found.kept, found.rows) == (1.0, 0.0, True, 100)


def test_kept_comparison_is_found_by_everything_it_depends_on(inference: Inference, cache: Path) -> None:
    path = agreement_cache.cache_path(inference, "bf16", "cpu A")
    assert recall(path) is None
    remember(path, FOUND)
    assert recall(path) == FOUND
    assert path.is_relative_to(cache)
    head = Inference(inference.model, Embed(), inference.decoder)
    others = [
        agreement_cache.cache_path(inference, "int8", "cpu A"),
        agreement_cache.cache_path(inference, "bf16", "cpu B"),
        agreement_cache.cache_path(head, "bf16", "cpu A"),
    ]
    assert len({path, *others}) == 4


@pytest.mark.parametrize("text", ["", "{}", '{"precision": 1, "who": 2}', "[1]"])
def test_broken_cache_is_no_cache(text: str, tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text(text)
    assert recall(tmp_path / "kept.json") is None


def test_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    remember(tmp_path / "file/below/kept.json", FOUND)


@pytest.fixture(scope="module")
def many_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_jpegs(tmp_path_factory.mktemp("corpus") / "photos", 600, seed=5)


def test_precision_is_settled_on_the_photos_and_kept_for_the_next_run(
    many_photos: Path, inference: Inference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(inference.model.precisions) == 1:
        pytest.skip("this CPU has nothing faster than fp32")
    speeds = iter([1.0, 0.01])  # fp32, then the faster one: how much it saves here and now must not decide a test
    monkeypatch.setattr(trial, "_seconds_per_row", lambda *_: next(speeds))
    job = hr.read_images(many_photos).infer(demo.MODEL)
    report = job.write_parquet(tmp_path / "out", partition_rows=128)
    plan = values_from_toml(tmp_path / "out/_headrace/plan.toml")
    assert (report.rows_in, report.rows_out) == (600, 600)
    assert [s.rows for s in report.stages if s.name in ("read", "infer")] == [600, 600], "the probe's rows count once"
    assert report.agreement is not None
    assert report.agreement == plan["agreement"]
    assert report.agreement["precision"] == "bf16"
    assert 32 <= report.agreement["rows"] <= 256
    assert report.precision == plan["precision"] == ("bf16" if report.agreement["kept"] else "fp32")
    again = job.limit(20).write_parquet(tmp_path / "again")
    assert again.agreement == report.agreement, "from the cache"


def test_precision_of_a_short_run_is_not_worth_a_comparison(tmp_path: Path) -> None:
    report = hr.read_images(demo.PHOTOS).infer(demo.MODEL).write_parquet(tmp_path / "out")
    assert (report.precision, report.agreement) == ("fp32", None)


def test_cached_comparison_decides(tmp_path: Path, inference: Inference) -> None:
    from headrace.plan.machine import this_machine

    if len(inference.model.precisions) == 1:
        pytest.skip("this CPU has nothing faster than fp32")
    candidate = inference.model.precisions[1]
    kept = Agreement(candidate, 256, 1.0, 0.0, kept=True)
    remember(agreement_cache.cache_path(inference, candidate, this_machine().cpu), kept)
    report = hr.read_images(demo.PHOTOS).infer(demo.MODEL).write_parquet(tmp_path / "out")
    assert (report.precision, report.agreement) == (candidate, kept.to_dict())


def test_int8_is_taken_by_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nncf")
    job = hr.read_images(demo.PHOTOS).infer(demo.MODEL, precision="int8")
    report = job.write_parquet(tmp_path / "out", batch_size=4)
    assert (report.precision, report.rows_out) == ("int8", 4)
    assert capfd.readouterr().out == "", "standard output is the report's"
