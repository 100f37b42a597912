"""`headrace lint`: what it prints, how it exits, what it heeds."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import cli

BAD = "import ray\n\n\ndef f(b):\n    return b\n\n\nray.data.range(3).map_batches(f, concurrency=2)  # two\n"
Lint = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lint:
    """Runs the command in an empty folder that holds bad.py."""
    monkeypatch.chdir(tmp_path)
    Path("bad.py").write_text(BAD)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["headrace", "lint", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, said.out, said.err

    return run


def test_finding_is_told_with_place_why_fix_and_cost(lint: Lint) -> None:
    code, out, err = lint("bad.py")
    assert (code, err) == (1, "")
    first, why, fix, summary = out.splitlines()
    assert first == "bad.py:8:34: HR010 map_batches(concurrency=) is deprecated since Ray 2.51 [information]"
    assert why.startswith("    why: since Ray 2.51")
    assert fix.startswith("    fix: say compute=")
    assert summary == "1 finding in 1 file, 1 can be mended by --fix"


def test_clean_file_exits_with_0(lint: Lint) -> None:
    Path("good.py").write_text("import ray\n")
    assert lint("good.py") == (0, "0 findings in 1 file\n", "")


def test_json_is_a_list_of_findings(lint: Lint) -> None:
    code, out, _ = lint("bad.py", "--format", "json")
    message = "map_batches(concurrency=) is deprecated since Ray 2.51"
    found = {"file": "bad.py", "line": 8, "col": 34, "rule": "HR010", "message": message, "category": "information"}
    assert (code, json.loads(out)) == (1, [found | {"fixable": True}])


def test_sarif_names_rules_places_and_levels(lint: Lint) -> None:
    Path("n.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": BAD}]}))
    body: dict[str, Any] = json.loads(lint(".", "--format", "sarif")[1])
    (run,) = body["runs"]
    assert body["version"] == "2.1.0"
    assert [r["id"] for r in run["tool"]["driver"]["rules"]] == ["HR010"]
    script, notebook = run["results"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert script["locations"][0]["physicalLocation"]["region"] == {"startLine": 8, "startColumn": 34}
    assert (script["level"], script["ruleId"]) == ("note", "HR010")
    assert notebook["message"]["text"].startswith("cell 1, line 8: ")


def test_github_gets_annotations_that_hold_on_one_line(lint: Lint) -> None:
    Path("a,b%.py").write_text(BAD)
    out = lint(".", "--format", "github")[1].splitlines()
    assert out[0].startswith("::notice file=a%2Cb%25.py,line=8,col=34,title=HR010 deprecated-concurrency::map_batches(")
    assert len(out) == 2


def test_diff_shows_and_fix_makes_the_change(lint: Lint) -> None:
    fixed = BAD.replace("concurrency=2", "compute=ray.data.TaskPoolStrategy(size=2)")
    code, out, _ = lint("bad.py", "--diff")
    assert code == 1
    assert f"+{fixed.splitlines()[-1]}" in out
    assert Path("bad.py").read_text() == BAD
    code, out, _ = lint("bad.py", "--fix")
    assert (code, out) == (0, "0 findings in 1 file, 1 mended\n")
    assert Path("bad.py").read_text() == fixed


def test_diff_is_one_that_patch_takes(lint: Lint) -> None:
    text = "\tx\n".join(["if 1:\n", "\x0c\n# é\n"]) + BAD.removesuffix("\n")
    Path("bad.py").write_text(text)
    code, out, err = lint("bad.py", "--diff")
    assert (code, err) == (1, "1 finding in 1 file, 1 can be mended by --fix\n")
    Path("change").write_text(out)
    subprocess.run(["patch", "-p0", "-i", "change"], check=True, capture_output=True)
    patched = Path("bad.py").read_text()
    Path("bad.py").write_text(text)
    lint("bad.py", "--fix")
    assert Path("bad.py").read_text() == patched != text


def test_chains_call_is_told_and_silenced_at_its_own_line(lint: Lint) -> None:
    chain = "import ray\n\nrows = (\n    ray.data.read_parquet('in')\n    .map_batches(f)\n    .take_all()  # all\n)\n"
    Path("bad.py").write_text(chain)
    (found,) = json.loads(lint("bad.py", "--select", "HR031", "--format", "json")[1])
    assert (found["line"], found["col"]) == (6, 6)
    Path("bad.py").write_text(chain.replace("# all", "# noqa: HR031"))
    assert lint("bad.py", "--select", "HR031")[0] == 0


def test_names_of_files_are_shown_and_sent_safely(lint: Lint, tmp_path: Path) -> None:
    Path("bad.py").unlink()
    names = [b"a b#%.py", b"bad\xff.py", b"esc\x1b[31m\n.py"]
    for name in names:
        Path(os.fsdecode(name)).write_text(BAD)
    assert [line.split(":")[0] for line in lint(".")[1].splitlines()[:-1:3]] == [
        "a b#%.py",
        "bad\\udcff.py",
        "esc\\x1b[31m\\n.py",
    ]
    results = json.loads(lint(".", "--format", "sarif")[1])["runs"][0]["results"]
    uris = [r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results]
    assert uris == ["a%20b%23%25.py", "bad%FF.py", "esc%1B%5B31m%0A.py"]
    results = json.loads(lint(str(tmp_path), "--format", "sarif")[1])["runs"][0]["results"]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")


def test_deep_nesting_is_followed_and_too_deep_nesting_is_told(lint: Lint) -> None:
    chain = "import ray\nds = ray.data.range(3)" + ".map(f)" * 400 + "\nds.map(f, concurrency=2)\n"
    choice = "if x == 0:\n    pass\n" + "".join(f"elif x == {n}:\n    pass\n" for n in range(300))
    Path("bad.py").write_text(chain + choice)
    assert [f["rule"] for f in json.loads(lint("bad.py", "--format", "json", "--select", "HR010")[1])] == ["HR010"]
    Path("deep.py").write_text("import ray\nds = ray.data.range(3)" + ".map(f)" * 3000 + "\n")
    (found,) = json.loads(lint("deep.py", "--format", "json")[1])
    assert (found["rule"], found["line"]) == ("HR000", 1)
    assert "nested too deeply" in found["message"]


def test_fix_keeps_encoding_line_ends_and_what_it_does_not_understand(lint: Lint) -> None:
    text = "# coding: latin-1\r\n# é\r\n" + BAD.replace("\n", "\r\n")
    Path("bad.py").write_bytes(text.encode("latin-1"))
    Path("n.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": BAD}]}))
    before = Path("n.ipynb").read_bytes()
    assert lint(".", "--fix")[0] == 1
    fixed = text.replace("concurrency=2", "compute=ray.data.TaskPoolStrategy(size=2)")
    assert Path("bad.py").read_bytes() == fixed.encode("latin-1")
    assert Path("n.ipynb").read_bytes() == before


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("# noqa", 0),
        ("# two # NOQA: hr010", 0),
        ("# noqa: E501, HR010 because", 0),
        ("# noqa:HR010,E501", 0),
        ("# noqa: HR001", 1),
        ("# noqa: E501", 1),
        ("# noqa: what", 1),
    ],
)
def test_noqa_silences_what_it_names(lint: Lint, comment: str, left: int) -> None:
    Path("bad.py").write_text(BAD.replace("# two", comment))
    assert len(json.loads(lint("bad.py", "--format", "json")[1])) == left


@pytest.mark.parametrize(
    ("table", "arguments", "code"),
    [
        ("", ["--ignore", "HR010"], 0),
        ("", ["--ignore", "deprecated-concurrency,HR001"], 0),
        ("", ["--select", "HR001"], 0),
        ("", ["--select", "all"], 1),
        ('select = ["HR001"]', [], 0),
        ('select = ["HR001"]', ["--select", "HR010"], 1),
        ('ignore = ["deprecated-concurrency"]', [], 0),
        ('per-file-ignores = {"b*.py" = ["HR010"]}', [], 0),
        ('per-file-ignores = {"**/b*.py" = ["ALL"]}', [], 0),
        ('per-file-ignores = {"sub/*.py" = ["HR010"]}', [], 1),
    ],
)
def test_rules_are_chosen_by_options_and_the_nearest_pyproject(
    lint: Lint, table: str, arguments: list[str], code: int
) -> None:
    Path("pyproject.toml").write_text(f"[tool.headrace.lint]\n{table}\n")
    assert lint("bad.py", *arguments)[0] == code


@pytest.mark.parametrize(
    ("table", "arguments", "says"),
    [
        ("", [], "no files were named"),
        ("", ["bad.py", "--format", "xml"], "--format must be one of"),
        ("", ["bad.py", "--select", "HR0100"], "--select: there is no rule HR0100; did you mean HR010?"),
        ("", ["--explain", "deprecated-concurency"], "did you mean deprecated-concurrency?"),
        ("selct = []", ["bad.py"], "there is no key selct; did you mean select?"),
        ('ignore = ["HR01"]', ["bad.py"], "there is no rule HR01; did you mean HR010?"),
        ("ignore = 3", ["bad.py"], "is no list of rules"),
        ("per-file-ignores = 3", ["bad.py"], "is no table"),
        ("x = ", ["bad.py"], "pyproject.toml: cannot be read"),
        ("select = []", ["bad.py"], "names no rule, so that nothing would be looked for"),
        ("", ["bad.py", "--select", ""], "--select: names no rule"),
        ("", [""], '"" is no path'),
        ("", ["--explain", "HR035", "bad.py"], "--explain takes one rule and nothing else; leave out bad.py"),
        ("", ["missing.py"], "missing.py: no such file or directory"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_to_do(lint: Lint, table: str, arguments: list[str], says: str) -> None:
    Path("pyproject.toml").write_text(f"[tool.headrace.lint]\n{table}\n")
    code, out, err = lint(*arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_explain_prints_bad_and_good_code(lint: Lint) -> None:
    code, out, _ = lint("--explain", "hr001")
    assert code == 0
    assert out.startswith("HR001 model-built-per-batch: the model is built for every batch\n")
    assert "Bad:" in out
    assert "Good:" in out


def test_readme_and_docs_show_what_the_command_says(lint: Lint) -> None:
    root = Path(__file__).parents[2]
    section = (root / "README.md").read_text().split("## Your own Ray Data scripts")[1].split("\n## ")[0]
    _, script, _, said, _ = section.split("```")
    Path("classify.py").write_text(script.removeprefix("\n"))
    assert lint("classify.py")[1] == said.removeprefix("\n")
    example = (root / "docs/lint.md").read_text().split("```\nclassify.py")[1].split("```")[0]
    assert f"classify.py{example}" in said


def test_reader_that_goes_away_is_no_fault(lint: Lint, tmp_path: Path) -> None:
    Path("bad.py").write_text("import ray\n" + "ray.data.range(3).map(f, concurrency=2)\n" * 2000)
    code = "import sys\nfrom headrace import cli\nsys.argv = ['headrace', 'lint', 'bad.py']\ncli.main()\n"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True, cwd=tmp_path) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode == 1


def test_linting_runs_nothing_and_imports_neither_ray_nor_numpy(lint: Lint, tmp_path: Path) -> None:
    Path("bad.py").write_text(BAD + "raise SystemExit('it was run')\n")
    code = (
        "import sys\nfrom headrace import cli\nsys.argv = ['headrace', 'lint', 'bad.py']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    print({'ray', 'numpy', 'pyarrow'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.endswith("set()\n")


def test_how_deep_python_calls_is_as_before_when_it_is_done(lint: Lint) -> None:
    before = sys.getrecursionlimit()
    Path("bad.py").write_text(BAD)
    assert lint("bad.py")[0] == 1
    assert sys.getrecursionlimit() == before
