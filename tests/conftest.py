"""What several tests need: real photos, and files made of them."""

import os
from pathlib import Path

import pytest

from headrace.bench.corpus import package_folder

# Ray reads how to authenticate once a process, and this one starts many: all of them the same way.
os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}

PACKAGES = ("foolbox", "matplotlib", "skimage", "sklearn")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


@pytest.fixture(scope="session")
def real_photos() -> list[Path]:
    """Every image file that ships in the packages, icons and scans among them."""
    found = [p for package in PACKAGES for p in package_folder(package).rglob("*") if p.suffix.lower() in SUFFIXES]
    return sorted(found)


@pytest.fixture(scope="session")
def real_jpegs(real_photos: list[Path]) -> list[Path]:
    """The photos among them that are JPEGs."""
    return [p for p in real_photos if p.suffix == ".jpg"]


@pytest.fixture
def photo_folder(tmp_path: Path, real_jpegs: list[Path]) -> Path:
    """A folder with 5 photos, two of them in subfolders."""
    folder = tmp_path / "photos"
    names = ("b.jpg", "a.JPG", "sub/c.jpeg", "sub/deep/d.jpg", "z.jpg")
    for name, photo in zip(names, real_jpegs, strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(photo.read_bytes())
    return folder
