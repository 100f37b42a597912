"""The benchmark's data and models, made once and kept."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import headrace.demo
from headrace.bench.measures import Workbench
from headrace.core.errors import MissingExtra
from headrace.core.optional import load

MANY = 10
RAW_ROWS = 5000


def _labelled(folder: Path) -> Path:
    """Foolbox's 20 ImageNet photos, linked into a folder of their own."""
    spec = find_spec("foolbox")
    if spec is None or spec.origin is None:
        raise MissingExtra("foolbox (requirements-weights.txt)", "bench", "the benchmark")
    folder.mkdir(exist_ok=True)
    for photo in (Path(spec.origin).parent / "data").glob("imagenet_*.jpg"):
        link = folder / photo.name
        if not link.exists():
            link.symlink_to(photo)
    return folder


def prepare(work: Path, photos: int) -> Workbench:
    """Makes what is missing below `work`: photos, ten times as many, raw Parquet, ResNet-50. Raises MissingExtra."""
    load("torch", extra="bench", needed_for="the benchmark")
    load("simplejpeg", extra="bench", needed_for="the benchmark")
    from headrace.bench.corpus import make_jpegs, make_raw_parquet
    from headrace.bench.networks import export_onnx, resnet50

    work = work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    model = work / "resnet50.onnx"
    if not model.exists():
        export_onnx(resnet50(), model, metadata={})
    return Workbench(
        work=work,
        photos=make_jpegs(work / f"photos-{photos}", photos),
        many_photos=make_jpegs(work / f"photos-{MANY * photos}", MANY * photos),
        raw=make_raw_parquet(work / f"raw-{RAW_ROWS}", RAW_ROWS),
        resnet50=model,
        mobilenet=headrace.demo.MODEL,
        labelled=_labelled(work / "labelled"),
    )
