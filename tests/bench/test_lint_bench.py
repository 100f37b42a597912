"""What `headrace bench lint` measures."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from headrace.bench.lint import make_scripts, measure, script
from headrace.lint.checking import check
from headrace.lint.reading import read_bytes
from headrace.lint.rules import all_rules


def test_script_has_its_lines_parses_and_has_something_for_every_rule() -> None:
    text = script(50_000, random.Random(0))
    source = read_bytes("a.py", text.encode())
    assert (text.count("\n"), source.problems) == (50_000, ())
    found = check(source, set(all_rules()))
    assert len({f.rule.id for f in found}) >= 0.9 * len(all_rules())
    assert [f.place for f in found] == sorted(f.place for f in found)


def test_measure_runs_the_command(tmp_path: Path) -> None:
    one = measure(make_scripts(tmp_path / "many", 3, 60))
    assert one["findings"] > 0
    assert one["cpu_s"] > 0
    assert one["peak_rss_bytes"] > 1e7


def test_findings_are_the_same_whatever_the_order_of_sets(tmp_path: Path) -> None:
    make_scripts(tmp_path / "many", 2, 3_000)
    command = [sys.executable, "-c", "from headrace.cli import main; main()", "lint", "many", "--format", "json"]
    said = []
    for seed in ("1", "2", "3"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        said.append(json.loads(done.stdout))
    assert said[0] == said[1] == said[2]
    assert len(said[0]) > 100
