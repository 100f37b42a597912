"""What workers are sent: the user's modules as source, the model apart from its job, and how long it is kept."""

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.core.errors import BadOption, RunError
from headrace.demo import MODEL

pytest.importorskip("ray")

from headrace.engine.flow.assembling import Written
from headrace.engine.flow.workshop import Care, Workshop
from headrace.engine.ray_data.carried import Carried, carry, packed
from headrace.engine.ray_data.line import line_of_batches
from headrace.engine.ray_data.model_apart import model_apart, parts_of
from headrace.engine.ray_data.user_modules import user_modules
from headrace.job.job import Settings
from headrace.plan.draft import draft
from headrace.plan.machine import this_machine
from headrace.plan.recipe import make_recipe

Write = Callable[[str, str], Path]
InWorker = Callable[..., str]


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into a folder that can be imported from here, and from nowhere else."""
    folder = tmp_path / "only here"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    def write(name: str, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def in_worker(tmp_path: Path) -> InWorker:
    """What a process prints that unpacks `value`, on a machine without the user's modules, and runs `code`."""

    def run(value: object, code: str = "print(value())", *, folder: Path | None = None) -> str:
        (tmp_path / "value").write_bytes(packed(value, []))
        hidden = tmp_path / "only here"
        hidden.rename(tmp_path / "gone")
        unpacking = (
            "import sys\nfrom pathlib import Path\nfrom headrace.engine.ray_data.carried import unpacked\n"
            f"value = unpacked(Path({str(tmp_path / 'value')!r}).read_bytes(), ())\n"
        )
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder or ""), str(_source_folder())]))}
        try:
            command = [sys.executable, "-c", unpacking + code]
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        finally:
            (tmp_path / "gone").rename(hidden)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def _source_folder() -> Path:
    return Path(hr.__file__).parent.parent


def test_a_package_whose_parts_import_each_other_arrives(user: Write, in_worker: InWorker) -> None:
    user("knotted/__init__.py", "from knotted.inner import work\nNAME = 'knotted'\n")
    user("knotted/inner.py", "import knotted\ndef work():\n    return knotted.NAME\n")
    assert in_worker(importlib.import_module("knotted").work) == "knotted"


def test_a_module_with_a_lock_arrives(user: Write, in_worker: InWorker) -> None:
    user("locked.py", "import threading\nlock = threading.Lock()\ndef work():\n    with lock:\n        return 'in'\n")
    assert in_worker(importlib.import_module("locked").work) == "in"


def test_an_import_inside_a_function_finds_what_is_not_imported_yet(user: Write, in_worker: InWorker) -> None:
    user(
        "late.py",
        "def work():\n    import beside\n    from parts.deep import (\n        more)\n    return beside.A + more.B\n",
    )
    user("beside.py", "A = 1\n")
    user("parts/__init__.py", "")
    user("parts/deep/__init__.py", "")
    user("parts/deep/more.py", "from ..wide import C\nB = C + 1\n")
    user("parts/wide.py", "C = 10\n")
    assert in_worker(importlib.import_module("late").work) == "12"
    assert not {"beside", "parts", "parts.wide"} & set(sys.modules)


def test_a_class_is_the_same_however_it_got_there(user: Write, in_worker: InWorker) -> None:
    user("shapes.py", "class Shape:\n    pass\nclass Square(Shape):\n    pass\n")
    user("using.py", "import shapes\ndef work(shape):\n    return isinstance(shape, shapes.Shape)\n")
    square = importlib.import_module("shapes").Square()
    code = "import shapes\nprint(value[0](value[1]), value[0](shapes.Square()))"
    assert in_worker((importlib.import_module("using").work, square), code) == "True True"


def test_a_module_of_a_namespace_package_arrives(user: Write, in_worker: InWorker) -> None:
    user("spread/out/thing.py", "def work():\n    return __name__\n")
    assert in_worker(importlib.import_module("spread.out.thing").work) == "spread.out.thing"


def test_a_function_of_this_very_test_module_arrives(user: Write, in_worker: InWorker) -> None:
    assert in_worker(_answer) == "42"


def _answer() -> int:
    return 42


def test_the_script_itself_is_pickled_whole(user: Write, tmp_path: Path) -> None:
    user("helper_of_script.py", "import threading\nlock = threading.Lock()\ndef double(x):\n    return 2 * x\n")
    script = user(
        "script.py",
        "import sys\n"
        "from pathlib import Path\n"
        "from headrace.engine.ray_data.carried import packed\n"
        "def work():\n    import helper_of_script\n    return helper_of_script.double(21)\n"
        "if __name__ == '__main__':\n    Path(sys.argv[1]).write_bytes(packed(work, []))\n",
    )
    env = os.environ | {"PYTHONPATH": str(_source_folder())}
    subprocess.run([sys.executable, script, tmp_path / "value"], env=env, check=True, timeout=120)
    unpacking = "import sys\nfrom headrace.engine.ray_data.carried import unpacked\n"
    unpacking += "from pathlib import Path\nprint(unpacked(Path(sys.argv[1]).read_bytes(), ())())"
    script.parent.rename(tmp_path / "gone")
    command = [sys.executable, "-c", unpacking, str(tmp_path / "value")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120)
    (tmp_path / "gone").rename(script.parent)
    assert done.stdout == "42\n"


def test_what_was_sent_comes_before_a_module_of_the_same_name(user: Write, in_worker: InWorker, tmp_path: Path) -> None:
    user("twice.py", "def work():\n    return 'sent'\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/twice.py").write_text("def work():\n    return 'found here'\n")
    work = importlib.import_module("twice").work
    assert in_worker(work, folder=tmp_path / "other") == "sent"


def test_a_module_that_was_imported_before_stays(user: Write, in_worker: InWorker, tmp_path: Path) -> None:
    user("earlier.py", "def work():\n    return 'sent'\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/earlier.py").write_text("def work():\n    return 'imported'\n")
    (tmp_path / "other/sitecustomize.py").write_text("import earlier\n")
    work = importlib.import_module("earlier").work
    assert in_worker(work, folder=tmp_path / "other") == "imported"


def test_a_module_that_was_changed_is_imported_anew(user: Write, in_worker: InWorker, tmp_path: Path) -> None:
    user("changing.py", "def work():\n    return 'before'\n")
    module = importlib.import_module("changing")
    (tmp_path / "first").write_bytes(packed(module.work, []))
    user("changing.py", "def work():\n    return 'behind it'\n")
    code = (
        f"before = unpacked(Path({str(tmp_path / 'first')!r}).read_bytes(), ())()\n"
        f"data = Path({str(tmp_path / 'value')!r}).read_bytes()\n"
        "print(value(), before, unpacked(data, ())())"
    )
    assert in_worker(module.work, code) == "behind it before behind it"


def test_packages_that_pip_put_beside_the_users_modules_are_not_sent(user: Write) -> None:
    user("wheel-1.0.dist-info/RECORD", "from_a_wheel/__init__.py,sha256=x,1\nfrom_one_file.py,,\n")
    for name in ("from_a_wheel/__init__.py", "from_one_file.py", "own.py"):
        user(name, "")
    for name in ("from_a_wheel", "from_one_file", "own"):
        importlib.import_module(name)
    sources, unreadable = user_modules()
    assert "own" in sources
    assert not {"from_a_wheel", "from_one_file", "numpy", "pytest", "json", "headrace"} & set(sources)
    assert unreadable == []


def test_a_module_without_source_is_pickled_whole(user: Write, in_worker: InWorker) -> None:
    path = user("sourceless.py", "def work():\n    return 'whole'\n")
    work = importlib.import_module("sourceless").work
    path.unlink()
    assert in_worker(work) == "whole"


def test_an_error_in_a_module_that_was_sent_shows_its_line(user: Write, in_worker: InWorker) -> None:
    user("breaking.py", "def work():\n    return 1 / 0  # here\n")
    code = "import traceback\ntry:\n    value()\nexcept ZeroDivisionError:\n    print(traceback.format_exc())"
    assert "# here" in in_worker(importlib.import_module("breaking").work, code)


class Locked:
    """Cannot be pickled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return batch


def test_what_cannot_be_sent_is_named_with_what_to_do(photo_folder: Path) -> None:
    recipe = make_recipe(hr.read_images(photo_folder).map_batches(Locked()).job)
    with pytest.raises(
        BadOption, match=r"^stage Locked must be .*constructor.*got .TypeError: cannot pickle '_thread.lock'"
    ):
        carry(recipe, named=parts_of(recipe))


@dataclass
class Closing:
    closed: bool = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.usefixtures("local_ray")
def test_what_older_runs_opened_is_closed() -> None:
    runs = [carry("work", run=f"run-{number}") for number in range(3)]
    opened = [carried.derived("worker", lambda _: Closing()) for carried in runs]
    assert [one.closed for one in opened] == [True, False, False]
    assert runs[2].derived("worker", lambda _: Closing()) is opened[2]
    runs[2].close()
    assert opened[2].closed
    runs[1].close()


@pytest.mark.usefixtures("local_ray")
def test_a_model_is_opened_only_where_more_than_its_name_is_asked(photo_folder: Path) -> None:
    import ray

    recipe = model_apart(make_recipe(hr.read_images(photo_folder).infer(MODEL).job), run="apart")
    carried = carry(recipe, run="apart", named=parts_of(recipe))
    assert len(carried.apart) == 1
    assert len(ray.get(carried.ref)) < Path(MODEL).stat().st_size
    assert ray.get(ray.remote(_asking).remote(carried)) == (False, "cpu", True)


def _asking(carried: Carried[Any]) -> tuple[bool, str, bool]:
    from headrace.engine.ray_data import carried as room

    def has_model() -> bool:
        return carried.apart[0].ref.hex() in str(room._opened)

    inference = carried.open().inference
    assert inference.model.preprocess.size
    return has_model(), inference.model.device, has_model()


@pytest.mark.usefixtures("local_ray")
@pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning")
def test_a_job_on_ray_runs_stages_of_modules_that_only_the_driver_has(
    user: Write, photo_folder: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    user("job_parts/__init__.py", "import threading\nfrom job_parts.stage import Named\nlock = threading.Lock()\n")
    user(
        "job_parts/stage.py",
        "import job_parts\n"
        "class Named:\n"
        "    def __call__(self, batch):\n"
        "        from job_parts import late\n"
        "        with job_parts.lock:\n"
        "            return {'name': [late.NAME] * len(batch['path'])}\n",
    )
    user("job_parts/late.py", "NAME = 'late'\n")
    stage = importlib.import_module("job_parts").Named
    hr.read_images(photo_folder).map_batches(stage).write_parquet(tmp_path / "out", engine="ray")
    assert set(pq.read_table(tmp_path / "out").column("name").to_pylist()) == {"late"}


def test_a_line_that_is_closed_ends_its_threads(photo_folder: Path) -> None:
    machine, before = this_machine(), set(threading.enumerate())
    recipe = make_recipe(hr.read_images(photo_folder).map_batches(_unchanged).job)
    plan = draft(recipe, Settings(batch_size=4), machine, saved={})
    shop = Workshop(recipe, plan, machine, Written("path", "image", keep_images=False), None, Care())
    line = line_of_batches(shop, queue_bytes=1 << 20, stall_timeout_s=60.0)
    started = set(threading.enumerate()) - before
    line.close()
    for thread in started:
        thread.join(60)
    assert started
    assert not any(thread.is_alive() for thread in started)
    with pytest.raises(RunError, match="closed"):
        line.through([])


def _unchanged(batch: dict[str, Any]) -> dict[str, Any]:
    return batch
