"""The real command in a process of its own, in an empty folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace import demo


@dataclass(frozen=True)
class Done:
    """How a command ended, as bytes."""

    code: int
    out: bytes
    err: bytes


Headrace = Callable[..., Done]


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Works in an empty folder, with a cache of its own and wide lines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def headrace() -> Headrace:
    """Runs the command, with more in its environment where that is given."""

    def run(*arguments: object, **environment: str) -> Done:
        line = [sys.executable, "-m", "headrace", *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, timeout=120, check=False, env=os.environ | environment)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("chelsea.png", "coffee.png"):
        (folder / name).write_bytes((demo.PHOTOS / name).read_bytes())
    return folder
