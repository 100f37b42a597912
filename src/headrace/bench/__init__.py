"""Benchmarks that anyone can run again: `headrace bench NAME`."""

from __future__ import annotations

from pathlib import Path

from headrace.core.options import one_of

NAMES = ("pipeline",)


def run_benchmark(name: str, *, out: Path, work: Path, repetitions: int, only: str | None, photos: int) -> None:
    """Runs a benchmark by name and writes `out`/<name>.json. Raises UsageError."""
    one_of("NAME", name, NAMES)
    from headrace.bench.pipeline import run_pipeline

    run_pipeline(out=out, work=work, repetitions=repetitions, only=only, photos=photos)
