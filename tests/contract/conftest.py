"""What every engine is tested with: small photos, files that are none, cheap models, and a look at what was written."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from everywhere import CHANGES, Changes, Held, Notes, note_logs, note_reads
from PIL import Image

_ray = ExitStack()
_changes: list[Path] = []  # the folder that Ray's workers look into, while there is a Ray


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine by its name; a Ray runs while a test needs it, until the last of these tests."""
    if request.param == "ray" and not _changes:
        pytest.importorskip("ray")
        _start_ray(request.getfixturevalue("tmp_path_factory"))
    return str(request.param)


def _start_ray(tmp_path_factory: pytest.TempPathFactory) -> None:
    from headrace.engine.ray_data.connecting import connected

    folder = tmp_path_factory.mktemp("changes")
    env = {
        CHANGES: str(folder),
        "PYTHONPATH": str(Path(__file__).parent),
        "XDG_CACHE_HOME": str(folder.parent / "cache"),
    }
    hook = {"env_vars": env, "worker_process_setup_hook": "everywhere.in_worker"}
    options = {"num_cpus": 4, "include_dashboard": False, "object_store_memory": 300 << 20, "runtime_env": hook}
    # Ray's workers run at niceness 15, at which whatever else a machine does comes first.
    _ray.enter_context(pytest.MonkeyPatch.context()).setenv("RAY_worker_niceness", "0")
    _ray.enter_context(connected("local", **options))
    with warnings.catch_warnings():  # Ray deprecates what it sets itself
        warnings.simplefilter("ignore")
        import ray.data

        ray.data.DataContext.get_current()
    _changes.append(folder)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stops Ray behind the last of these tests: others want one of their own, or none."""
    if _changes and (nextitem is None or Path(__file__).parent not in nextitem.path.parents):
        _changes.clear()
        _ray.close()


@pytest.fixture
def changes(request: pytest.FixtureRequest) -> Iterator[Changes]:
    """Changes to the product's classes, in every process of the test's engine."""
    engine = request.getfixturevalue("engine") if "engine" in request.fixturenames else "local"
    made = Changes(_changes[0] if engine == "ray" else None)
    yield made
    made.undo()


@pytest.fixture
def notes(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """What every process may note."""
    return Notes(tmp_path_factory.mktemp("notes") / "notes")


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
def refusing(changes: Changes) -> None:
    """Makes files with "unreadable" in their name fail as a broken disk would; root may read whatever the mode says."""
    from headrace.sources.locations import LocalFolder

    def refusing(read: Callable[..., bytes]) -> Callable[..., bytes]:
        def guarded(self: LocalFolder, path: str) -> bytes:
            if "unreadable" in path:
                raise PermissionError(13, "Permission denied", path)
            return read(self, path)

        return guarded

    changes.make(LocalFolder, "read", refusing)


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
def reads(changes: Changes, tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """The first three letters of the names of the files that were read."""
    return note_reads(changes, Notes(tmp_path_factory.mktemp("reads") / "reads"))


@pytest.fixture
def logged(changes: Changes, tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """What headrace has logged in any process; a message of several lines is as many."""
    return note_logs(changes, Notes(tmp_path_factory.mktemp("logged") / "logged"))


@pytest.fixture
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """What calls in any process can be made to wait for."""
    held = Held(tmp_path_factory.mktemp("held") / "held")
    yield held
    held.let_go()
