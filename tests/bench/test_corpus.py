"""Benchmark inputs are reproducible, look like ImageNet's, and do not depend on how many are made."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg

from headrace.bench.corpus import make_jpegs, make_raw_parquet, package_folder
from headrace.core.errors import BadOption, BadOutput, MissingExtra


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """300 photos, in the order of their index."""
    return sorted(make_jpegs(tmp_path_factory.mktemp("corpus") / "jpegs", 300).rglob("*.jpg"))


def test_photos_have_the_same_bytes_whatever_the_count(jpegs: list[Path], tmp_path: Path) -> None:
    few = sorted(make_jpegs(tmp_path / "few", 5).rglob("*.jpg"))
    assert [path.read_bytes() for path in few] == [path.read_bytes() for path in jpegs[:5]]


def test_another_seed_gives_other_photos(jpegs: list[Path], tmp_path: Path) -> None:
    other = sorted(make_jpegs(tmp_path / "other", 5, seed=1).rglob("*.jpg"))
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(other, jpegs, strict=False))


def test_photos_are_named_for_their_index(jpegs: list[Path]) -> None:
    assert [f"{path.parent.name}/{path.name}" for path in jpegs] == [f"000/photo-{i:08d}.jpg" for i in range(300)]


def test_photos_have_the_sizes_of_imagenet(jpegs: list[Path]) -> None:
    heights_widths = [simplejpeg.decode_jpeg_header(path.read_bytes())[:2] for path in jpegs]
    assert set(heights_widths) == {(375, 500), (500, 375), (333, 500), (300, 400)}
    assert heights_widths.count((375, 500)) > len(jpegs) / 2
    assert 70_000 <= np.mean([path.stat().st_size for path in jpegs]) <= 80_000


def test_photos_are_all_different(jpegs: list[Path]) -> None:
    assert len({path.read_bytes() for path in jpegs}) == len(jpegs)


def test_complete_folder_is_reused(tmp_path: Path) -> None:
    folder = make_jpegs(tmp_path / "jpegs", 2)
    written_ns = [path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))]
    assert make_jpegs(folder, 2) == folder
    assert [path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))] == written_ns


def test_interrupted_folder_is_made_anew(tmp_path: Path) -> None:
    leftover = tmp_path / ".jpegs.partial/000"
    leftover.mkdir(parents=True)
    (leftover / "photo-00000007.jpg").write_bytes(b"half a photo")
    assert len(list(make_jpegs(tmp_path / "jpegs", 2).rglob("*.jpg"))) == 2


def test_folder_with_another_corpus_is_refused(tmp_path: Path) -> None:
    folder = make_jpegs(tmp_path / "jpegs", 2)
    with pytest.raises(BadOutput, match='"count": 2'):
        make_jpegs(folder, 3)


def test_folder_with_foreign_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(BadOutput, match="no marker file"):
        make_jpegs(tmp_path, 3)


def test_count_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="count must be an integer >= 1, got 0"):
        make_jpegs(tmp_path / "jpegs", 0)


def test_missing_package_is_named() -> None:
    with pytest.raises(MissingExtra, match="needs no_such_package: pip install"):
        package_folder("no_such_package")


def test_raw_rows_are_the_same_however_they_are_cut_into_files(tmp_path: Path) -> None:
    whole = pq.read_table(make_raw_parquet(tmp_path / "whole", 7))
    folder = make_raw_parquet(tmp_path / "cut", 7, rows_per_file=3)
    cut = pq.read_table(folder)
    assert len(list(folder.glob("rows-*.parquet"))) == 3
    assert cut.equals(whole)
    assert cut["id"].to_pylist() == list(range(7))


def test_raw_images_are_uint8_arrays(tmp_path: Path) -> None:
    table = pq.read_table(make_raw_parquet(tmp_path / "raw", 2))
    images = table["image"].combine_chunks().to_numpy_ndarray()
    assert images.dtype == np.uint8
    assert images.shape == (2, 256, 256, 3)
