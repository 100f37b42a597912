"""Benchmarks that anyone can run again: `headrace bench NAME`."""

from __future__ import annotations

from pathlib import Path

from headrace.core.options import one_of

NAMES = ("bad-input", "chaos", "clean-path", "lint", "pipeline", "ray", "ray-chaos", "scale")


def run_benchmark(name: str, *, out: Path, work: Path, repetitions: int, only: str | None, photos: int) -> None:
    """Runs a benchmark by name and writes `out`/<name>.json. Raises UsageError."""
    one_of("NAME", name, NAMES)
    if name == "bad-input":
        from headrace.bench.bad.damage import run_bad_inputs

        run_bad_inputs(out=out)
    elif name == "chaos":
        from headrace.bench.chaos import run_chaos

        run_chaos(out=out, work=work, repetitions=repetitions, only=only)
    elif name == "clean-path":
        from headrace.bench.clean_path import run_clean_path

        run_clean_path(out=out, work=work, repetitions=repetitions, photos=photos)
    elif name == "lint":
        from headrace.bench.lint import run_lint

        run_lint(out=out, work=work, repetitions=repetitions)
    elif name == "ray":
        from headrace.bench.ray.benchmark import run_ray

        run_ray(out=out, work=work, repetitions=repetitions, only=only, photos=photos)
    elif name == "ray-chaos":
        from headrace.bench.ray.chaos import run_ray_chaos

        run_ray_chaos(out=out, work=work, runs=8 * repetitions, only=only)
    elif name == "scale":
        from headrace.bench.scale import run_scale

        run_scale(out=out, work=work)
    else:
        from headrace.bench.pipeline import run_pipeline

        run_pipeline(out=out, work=work, repetitions=repetitions, only=only, photos=photos)
