"""Benchmark inputs: reproducible JPEGs and raw-image Parquet files, made from photos that ship in Python packages."""

import functools
import hashlib
import importlib.util
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from PIL import Image

from headrace.core import options
from headrace.core.errors import BadOutput, MissingExtra

_SOURCES = {
    "foolbox": ("data/imagenet_*.jpg",),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
    "skimage": tuple(
        f"data/{name}" for name in ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
    ),
    "sklearn": ("datasets/images/*.jpg",),
}

# Raise it when a change below changes a pixel: folders made by another recipe are then refused, not mixed.
_RECIPE = 1
_MARKER = "_corpus.json"
_PHOTOS_PER_FOLDER = 1000

# ImageNet's most frequent sizes, as (width, height) and how often each is drawn.
_SIZES = ((500, 375), (375, 500), (500, 333), (400, 300))
_SIZE_RATIOS = (0.62, 0.18, 0.12, 0.08)
_QUALITIES = (91, 98)  # bounds of the JPEG quality: 74 KB a file on average, measured over 4,000

_RAW_SIDE = 256
_RAW_TYPE = pa.fixed_shape_tensor(pa.uint8(), (_RAW_SIDE, _RAW_SIDE, 3))
_RAW_SCHEMA = pa.schema([("id", pa.int64()), ("image", _RAW_TYPE)])
_ROWS_PER_GROUP = 100  # 20 MB of pixels: bounds the memory of the writer and of a reader that streams


@dataclass(frozen=True)
class _Corpus:
    """What a folder holds; with the recipe and the source photos it settles every byte."""

    kind: str
    count: int
    count_per_task: int
    seed: int

    def tasks(self) -> list[range]:
        step = self.count_per_task
        return [range(first, min(first + step, self.count)) for first in range(0, self.count, step)]


def make_jpegs(folder: Path, count: int, *, seed: int = 0) -> Path:
    """Fill `folder` with `count` JPEGs like ImageNet's (mostly 500x375, 70-80 KB on average) and return it.

    Photo i is a function of `seed` and i alone: crop, flip, brightness, contrast, size and quality of a real photo. It
    is `000/photo-00000123.jpg`, a thousand to a subfolder. A folder that is already complete is reused. More than one
    subfolder is written by spawned processes, one a core: a script must call this under `if __name__ == "__main__"`.

    Raises BadOption for a count below 1, BadOutput when `folder` holds anything else, MissingExtra without the packages
    the photos come from.
    """
    corpus = _Corpus("jpeg", options.count("count", count), _PHOTOS_PER_FOLDER, seed)
    return _filled(folder, corpus, _write_jpegs)


def make_raw_parquet(folder: Path, rows: int, *, rows_per_file: int = 1000, seed: int = 0) -> Path:
    """Fill `folder` with Parquet files of decoded photos, 197 KB of pixels a row, and return it.

    Columns: id int64 (0..rows-1) and image, uint8 [256, 256, 3] RGB as Arrow's fixed_shape_tensor, which Ray Data 2.60
    reads as uint8 [N, 256, 256, 3]. A file holds `rows_per_file` rows, the last one the rest, and is named for its
    first: `rows-00001000.parquet`. Row i is a function of `seed` and i alone. Reuse, processes and errors are those of
    `make_jpegs`.
    """
    corpus = _Corpus("raw", options.count("rows", rows), options.count("rows_per_file", rows_per_file), seed)
    return _filled(folder, corpus, _write_raw_rows)


def package_folder(package: str) -> Path:
    """Return the folder of an installed top-level package without importing it, else raise MissingExtra."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(package, "bench", "the benchmark corpus")
    return Path(spec.submodule_search_locations[0])


def _filled(folder: Path, corpus: _Corpus, write: Callable[[Path, int, range], None]) -> Path:
    """Make `corpus` in `folder` unless it is there; it appears complete, by one rename, or not at all."""
    marker = json.dumps({**asdict(corpus), "recipe": _RECIPE, "sources": _sources_sha256()}, indent=1)
    if _holds(folder, marker):
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _run_in_processes(functools.partial(write, partial, corpus.seed), corpus.tasks())
    (partial / _MARKER).write_text(marker)
    return partial.replace(folder)


def _holds(folder: Path, marker: str) -> bool:
    """Say whether `folder` is the corpus `marker` describes; False when absent or empty, BadOutput otherwise."""
    if not folder.exists() or not any(folder.iterdir()):
        return False
    path = folder / _MARKER
    found = path.read_text() if path.exists() else "no marker file"
    if found != marker:
        raise BadOutput(str(folder), f"holds another corpus ({found})", "name another folder, or remove it")
    return True


def _run_in_processes(write: Callable[[range], None], tasks: list[range]) -> None:
    """Call `write` on every task; a single task runs here, where starting a process would cost more."""
    if len(tasks) == 1:
        write(tasks[0])
        return
    # spawn: a fork would copy the locked mutexes of whatever torch or Ray threads the caller runs.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(tasks)), mp_context=context) as pool:
        for _ in pool.map(write, tasks):
            pass


def _write_jpegs(folder: Path, seed: int, indices: range) -> None:
    subfolder = folder / f"{indices.start // _PHOTOS_PER_FOLDER:03d}"
    subfolder.mkdir()
    for index in indices:
        rng = np.random.default_rng([seed, index])
        size = _SIZES[rng.choice(len(_SIZES), p=_SIZE_RATIOS)]
        quality = int(rng.integers(*_QUALITIES, endpoint=True))
        pixels = np.asarray(_photo(rng, size))
        jpeg = simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="420")
        (subfolder / f"photo-{index:08d}.jpg").write_bytes(jpeg)


def _write_raw_rows(folder: Path, seed: int, indices: range) -> None:
    path = folder / f"rows-{indices.start:08d}.parquet"
    with pq.ParquetWriter(path, _RAW_SCHEMA) as writer:
        for first in range(indices.start, indices.stop, _ROWS_PER_GROUP):
            ids = range(first, min(first + _ROWS_PER_GROUP, indices.stop))
            writer.write_table(_raw_table(seed, ids))


def _raw_table(seed: int, ids: range) -> pa.Table:
    size = (_RAW_SIDE, _RAW_SIDE)
    images = np.stack([np.asarray(_photo(np.random.default_rng([seed, row]), size)) for row in ids])
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(images)
    return pa.table([pa.array(ids, pa.int64()), column], schema=_RAW_SCHEMA)


def _photo(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Draw a photo of `size` (width, height): a crop of a real one, perhaps mirrored, with its tones moved a little."""
    sources = _sources()
    source = sources[int(rng.integers(len(sources)))]
    photo = source.resize(size, Image.Resampling.BICUBIC, box=_crop(rng, source.size, size))
    if rng.random() < 0.5:
        photo = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    contrast, brightness = rng.uniform(0.85, 1.15), rng.uniform(-12, 12)
    tones = np.clip((np.arange(256) - 128) * contrast + 128 + brightness, 0, 255).astype(np.uint8)
    return photo.point(tones.tolist() * 3)


def _crop(
    rng: np.random.Generator, source: tuple[int, int], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Draw a box of the proportions of `size` inside `source`, 0.75 to 1 times the largest that fits, in pixels."""
    scale = min(source[0] / size[0], source[1] / size[1]) * rng.uniform(0.75, 1.0)
    width, height = scale * size[0], scale * size[1]
    left, top = rng.uniform(0, source[0] - width), rng.uniform(0, source[1] - height)
    return left, top, left + width, top + height


def _source_paths() -> list[Path]:
    return [
        path
        for package, patterns in _SOURCES.items()
        for pattern in patterns
        for path in sorted(package_folder(package).glob(pattern))
    ]


def _sources_sha256() -> str:
    digest = hashlib.sha256()
    for path in _source_paths():
        digest.update(path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _sources() -> tuple[Image.Image, ...]:
    """Return the photos all others are cut from, decoded once a process (30 MB)."""
    return tuple(Image.open(path).convert("RGB") for path in _source_paths())
