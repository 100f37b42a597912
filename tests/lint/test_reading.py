"""Scripts, notebooks and pages are read, and what cannot be is said."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from lint_tables import found_in

from headrace.core.errors import BadInput
from headrace.lint.checking import check
from headrace.lint.reading import found_files, read, read_bytes

BAD = "import ray\nray.data.range(3).map_batches(f, concurrency=2)\n"


def notebook(*cells: str, kind: str = "code") -> bytes:
    return json.dumps({"cells": [{"cell_type": kind, "source": c.splitlines(keepends=True)} for c in cells]}).encode()


def places(name: str, content: bytes) -> list[tuple[str, int, int, int]]:
    return [
        (f.rule.id, f.place.cell, f.place.line, f.place.column)
        for f in check(read_bytes(name, content), {"HR000", "HR010"})
    ]


def test_folder_gives_scripts_notebooks_and_pages_but_no_environments(tmp_path: Path) -> None:
    names = [
        "a.py",
        "b.ipynb",
        "c.md",
        "sub/d.py",
        "sub/data.txt",
        ".git/x.py",
        "venv/x.py",
        "build/x.py",
        "own/lib/x.py",
        "e.toml",
    ]
    for name in [*names, "own/pyvenv.cfg", ".hidden.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = found_files([str(tmp_path), str(tmp_path / "a.py")])
    assert [p.relative_to(tmp_path).as_posix() for p in found] == ["a.py", "b.ipynb", "c.md", "sub/d.py"]


@pytest.mark.parametrize("name", ["missing.py", "data.parquet"])
def test_what_is_not_there_or_not_code_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.parquet").write_bytes(b"")
    with pytest.raises(BadInput, match=name):
        found_files([name])


def test_file_is_read_once_however_often_and_under_whatever_name(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BAD)
    (tmp_path / "link.py").symlink_to("a.py")
    (tmp_path / "sub").mkdir()
    assert found_files([str(tmp_path / "sub/../a.py"), str(tmp_path), str(tmp_path / "a.py")]) == [
        tmp_path / "sub/../a.py"
    ]


def test_what_is_no_file_that_can_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to("nowhere.py")
    (tmp_path / "loop.py").symlink_to("loop.py")
    os.mkfifo(tmp_path / "pipe.py")
    said = [f.message for p in found_files([str(tmp_path)]) for f in check(read(p), {"HR000"})]
    assert said == [
        "cannot be read: No such file or directory",
        "cannot be read: Too many levels of symbolic links",
        "is no regular file",
    ]
    with pytest.raises(BadInput, match="too many levels"):
        found_files([str(tmp_path / "loop.py")])
    with pytest.raises(BadInput, match="file name too long"):
        found_files(["a" * 5000])


def test_folder_that_cannot_be_listed_is_told_and_the_rest_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "open.py").touch()
    listed = os.scandir

    def scandir(path: str) -> Any:
        if str(path).endswith("private"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    first, second = found_files([str(tmp_path)])
    assert (first.name, second.name) == ("open.py", "private")
    assert [p.message for p in read(second).problems] == ["is a folder that cannot be listed"]


def test_notebook_is_one_module_and_places_are_cell_and_line() -> None:
    cells = [
        "%%bash\nls -l",
        "import ray\n!pip install ray\nfiles = !ls\nif files:\n    %time f()\nray.data?",
        "%%time\n\n" + BAD,
    ]
    assert places("n.ipynb", notebook(*cells)) == [("HR010", 3, 4, 34)]


@pytest.mark.parametrize(
    "cell",
    [
        "!pip install a \\\n  b \\\n  c\n%matplotlib inline",
        "x = (a\n  % b)",
        "names['a'], b = !ls\nprint(\n    \"a=%d\"\n    % 3)",
        "text = 'a\u2028b'",
        "%%writefile x.py\nx = (",
        "?ray.data",
        "await f()",
    ],
)
def test_what_a_notebook_may_hold_is_no_problem(cell: str) -> None:
    assert places("n.ipynb", notebook("import ray", cell, BAD)) == [("HR010", 3, 2, 34)]


@pytest.mark.parametrize("about", [{"kernelspec": {"language": "R"}}, {"language_info": {"name": "julia"}}])
def test_notebook_in_another_language_is_left_alone(about: dict[str, object]) -> None:
    cells = [{"cell_type": "code", "source": "library(ray) %>% x"}]
    assert places("n.ipynb", json.dumps({"metadata": about, "cells": cells}).encode()) == []


def test_cells_and_blocks_that_do_not_parse_are_told_only_where_ray_is_named() -> None:
    assert places("n.ipynb", notebook("x = (")) == []
    assert places("p.md", b"Ray\n```python\nf(a, ..., x=1, ...)\n```\n") == []


def test_cell_that_does_not_parse_is_said_and_the_others_are_checked() -> None:
    assert places("n.ipynb", notebook("x = (", "# é\n" + BAD)) == [("HR000", 1, 1, 5), ("HR010", 2, 3, 34)]


def test_page_is_one_module_and_places_are_the_pages_own() -> None:
    page = "# Page\n\n1. so:\n\n   ```python\n   import ray\n   ds = ray.data.range(3)\n   ```\n"
    page += "\n```bash\nray start (\n```\n"
    page += (
        "~~~py\nds.map_batches(f, concurrency=2)\n~~~\n> ```{code-block} python\n> ds.map(f, concurrency=2)\n> ```\n"
    )
    page += "```pycon\n>>> ds.map(f,\n...   concurrency=2)\nDataset\n```\nray.data in prose (\n"
    expected = [("HR010", 0, 14, 19), ("HR010", 0, 17, 13), ("HR010", 0, 21, 7)]
    assert places("p.md", page.encode()) == expected
    assert places("p.txt", page.replace("\n", "\r\n").encode()) == expected


def test_fences_in_lists_and_of_every_name_are_read() -> None:
    page = "- ```python title=a.py\n  import ray\n  ```\n1. ```{testcode}\n   ds = ray.data.range(3)\n   ```\n"
    page += "> 2) ~~~ py3\n>    ds.map(f, concurrency=2)\n>    ~~~\n"
    page += "````{.python .numbered}\nds.map(f, concurrency=3)\n```\n````\n```python\nds.map(f, concurrency=4)\n```\n"
    found = [(rule, line, column) for rule, _, line, column in places("p.md", page.encode())]
    assert found == [("HR010", 8, 16), ("HR000", 12, 1), ("HR010", 15, 11)]
    assert places("p.md", b"- a\n\n  ```` ```python ````\n\n```python\n" + BAD.encode() + b"```\n") == [
        ("HR010", 0, 7, 34)
    ]


def test_block_that_does_not_parse_is_said_and_the_others_are_checked() -> None:
    page = f"```python\nx = (\n```\n\n```python\n%pip install ray\n{BAD}```\n```python\nunclosed fence = "
    assert places("p.md", page.encode()) == [("HR000", 0, 2, 5), ("HR010", 0, 8, 34), ("HR000", 0, 11, 10)]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.py", b"import ray\nx = (\n", "does not parse: '(' was never closed"),
        ("a.py", b"import ray\nx = '\xff'\n", "is not UTF-8"),
        ("a.py", b"# coding: nonsense\n", "has an unknown encoding: nonsense"),
        ("a.py", b"# coding: rot13\n", "cannot be read as rot13"),
        ("a.py", b"# coding: undefined\n", "cannot be read as undefined"),
        ("a.py", b"# coding: utf-8\n#\n#\xff", "is not UTF-8: byte 19"),
        ("a.py", b"import ray\0\n", "does not parse"),
        ("a.py", b"import ray\nx = " + b"(" * 5000 + b")" * 5000, "does not parse"),
        ("a.py", b"import ray\nx = " + b"-" * 5000 + b"1", "nested too deeply"),
        ("a.md", b"\xff\xfe", "is not UTF-8"),
        ("n.ipynb", b"{", "is no notebook: not JSON"),
        ("n.ipynb", b"[]", "is no notebook: no list of cells"),
        ("n.ipynb", b'{"cells": [3]}', "is no notebook"),
        ("n.ipynb", b'{"cells": {}, "metadata": 3}', "is no notebook"),
        ("n.ipynb", b"[" * 200_000, "is no notebook"),
    ],
)
def test_unreadable_file_is_one_finding_and_no_crash(name: str, content: bytes, says: str) -> None:
    (found,) = check(read_bytes(name, content), {"HR000"})
    assert found.rule.id == "HR000"
    assert says in found.message


@pytest.mark.parametrize(
    "page", ["text\n\n    import ray\n", "```\n\nimport ray\n```\n", "> from\n> from ray.data import range\n"]
)
def test_page_whose_code_is_in_no_python_block_says_so(page: str) -> None:
    for name in ("p.md", "p.txt"):
        line = 2 if page.startswith(">") else 3
        assert places(name, page.encode()) == [("HR000", 0, line, 1)]
        assert places(name, (page + "```python\nx = 1\n```\n").encode()) == []
        assert places(name, b"import raymond\nThe words import ray in prose, and ray.data\n") == []


def test_other_encodings_and_byte_order_marks_are_read() -> None:
    latin = "# coding: latin-1\nname = 'é'; " + BAD.replace("\n", "; ").rstrip("; ") + "\n"
    assert places("a.py", latin.encode("latin-1")) == [("HR010", 0, 2, 58)]
    assert places("a.py", BAD.encode("utf-8-sig")) == [("HR010", 0, 2, 34)]
    assert places("a.py", b"\f" + BAD.encode() + b"\f\n") == [("HR010", 0, 2, 34)]


def test_file_that_would_not_be_written_as_it_was_is_not_mended() -> None:
    source = read_bytes("a.py", b"# coding: utf-7\n# +AOk-\n# +AOkA4Q-\n# +AOk\n" + BAD.encode())
    assert not source.is_fixable
    assert [f.fixable for f in check(source, {"HR010"})] == [False]


def test_long_file_is_read_whole() -> None:
    text = "import ray\n" + "x = ray.data.range(3)\n" * 50_000 + BAD
    assert [f.place.line for f in found_in(text)] == [50_003]


def test_file_without_ray_is_parsed_and_no_more() -> None:
    assert places("a.py", b"ds.map_batches(f, concurrency=2)\n") == []
    assert places("a.py", b"array = (\n") == [("HR000", 0, 1, 9)]


def test_folder_in_place_of_a_file_and_empty_files_are_no_matter(tmp_path: Path) -> None:
    for name in ("a.py", "a.md", "a.txt"):
        (tmp_path / name).write_bytes(b"")
        assert check(read(tmp_path / name), {"HR000"}) == []
    assert places("n.ipynb", notebook("text", kind="markdown")) == []
