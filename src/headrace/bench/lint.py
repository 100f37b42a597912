"""`headrace bench lint`: how long `headrace lint` takes over many scripts, and over one very long one.

The scripts are the rules' own bad and good examples, each made a function, mixed at random: all are about Ray, and
every rule has something to find. Each measurement is the command itself, with every rule on, as a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from textwrap import indent

from headrace.bench.results import write_results
from headrace.lint.rule import UNREADABLE
from headrace.lint.rules import all_rules

CORPORA = {"many": (1_000, 300), "long": (1, 50_000)}  # files, lines a file
ASKED = 20.0  # seconds, on 2 cores
_COMMAND = (
    sys.executable,
    "-c",
    "from headrace.cli import main; main()",
    "lint",
    "--select",
    "ALL",
    "--format",
    "json",
)


def script(lines: int, chosen: random.Random) -> str:
    """A script of exactly so many lines."""
    examples = [code for r in all_rules().values() if r is not UNREADABLE for code in (r.bad, r.good)]
    written = ["import ray"]
    while True:
        body = indent(chosen.choice(examples), "    ").splitlines()
        function = ["", "", f"def example{len(written)}():", *body]
        if len(written) + len(function) > lines:
            return "\n".join([*written, *["# the end"] * (lines - len(written))]) + "\n"
        written += function


def make_scripts(folder: Path, files: int, lines: int) -> Path:
    """A folder of scripts, the same ones every time."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (folder / f"script{number:04}.py").write_text(script(lines, random.Random(number)))
    return folder


def measure(folder: Path) -> dict[str, float]:
    """One run over a folder: wall and CPU seconds, peak memory, how much was found."""
    found = folder.with_suffix(".json")
    began = time.perf_counter()
    with found.open("w") as output:
        child = subprocess.Popen([*_COMMAND, folder.name], cwd=folder.parent, stdout=output)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    assert child.returncode == 1, f"headrace lint exited with {child.returncode}"
    findings = len(json.loads(found.read_text()))
    cpu_s = usage.ru_utime + usage.ru_stime
    return {"seconds": seconds, "cpu_s": cpu_s, "peak_rss_bytes": 1024 * usage.ru_maxrss, "findings": findings}


def run_lint(*, out: Path, work: Path, repetitions: int) -> None:
    """Both corpora, interleaved, `repetitions` times; writes medians as JSON."""
    folders = {name: make_scripts(work.absolute() / "lint" / name, *size) for name, size in CORPORA.items()}
    results: dict[str, list[dict[str, float]]] = {name: [] for name in CORPORA}
    for repetition in range(repetitions):
        for name, folder in folders.items():
            results[name].append(measure(folder))
            print(f"{repetition + 1}/{repetitions} {name}: {results[name][-1]['seconds']:.1f} s", flush=True)
    medians = {name: {k: statistics.median(r[k] for r in runs) for k in runs[0]} for name, runs in results.items()}
    sizes = {name: {"files": files, "lines_a_file": lines} for name, (files, lines) in CORPORA.items()}
    body = {"corpora": sizes, "rules": len(all_rules()), "medians": medians, "repetitions": results}
    write_results(out, "lint", body | {"asked_s": ASKED, "met": all(m["seconds"] < ASKED for m in medians.values())})
    for name, one in medians.items():
        said = f"{one['seconds']:.1f} s, {one['peak_rss_bytes'] / 1e6:.0f} MB, {one['findings']:,.0f} findings"
        print(f"{'ok  ' if one['seconds'] < ASKED else 'MISS'} {name}: {said} ({ASKED:.0f} s asked)")
