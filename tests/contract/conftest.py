"""What every engine is tested with: small photos, files that are none, cheap models, and a look at what was written."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(params=["local"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine by its name."""
    return str(request.param)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps comparisons of precisions out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def jpegs(real_jpegs: list[Path]) -> list[bytes]:
    """Real photos as JPEGs of at most 40x40, of several sizes."""
    made = []
    for number, path in enumerate(real_jpegs[:8]):
        buffer = io.BytesIO()
        with Image.open(path) as photo:
            photo.convert("RGB").resize((24 + number * 2, 40 - number)).save(buffer, "JPEG")
        made.append(buffer.getvalue())
    return made


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes files with "unreadable" in their name fail as a broken disk would; root may read whatever the mode says."""
    from headrace.sources.locations import LocalFolder

    read = LocalFolder.read

    def guarded(self: LocalFolder, path: str) -> bytes:
        if "unreadable" in path:
            raise PermissionError(13, "Permission denied", path)
        return read(self, path)

    monkeypatch.setattr(LocalFolder, "read", guarded)


@pytest.fixture
def make_photos(jpegs: list[bytes], refusing: None) -> Callable[..., Path]:
    """Fills a folder with photos 000.jpg, 001.jpg ...; `faults` says which row is which kind of bad file."""

    def make(folder: Path, count: int, faults: dict[int, str] | None = None) -> Path:
        folder.mkdir(parents=True)
        for i in range(count):
            kind = (faults or {}).get(i, "good")
            whole = jpegs[i % len(jpegs)]
            data = {"truncated": whole[: len(whole) // 3], "empty": b"", "fake": b"not a photo"}.get(kind, whole)
            (folder / f"{i:03d}-{kind}.jpg").write_bytes(data)
        return folder

    return make


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read, in order."""
    from headrace.sources.locations import LocalFolder

    seen: list[str] = []
    read = LocalFolder.read

    def counting(self: LocalFolder, path: str) -> bytes:
        seen.append(Path(path).name[:3])
        return read(self, path)

    monkeypatch.setattr(LocalFolder, "read", counting)
    return seen
