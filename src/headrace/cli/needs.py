"""What the command line asks of a cluster's nodes."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.core.errors import BadOption
from headrace.core.needs import Needs


def asked_of_nodes(
    engine: str,
    workers: str,
    num_cpus: float | None,
    num_gpus: float | None,
    resources: Sequence[str],
    labels: Sequence[str],
) -> tuple[Needs, str]:
    """What each model worker asks for, and --workers where that is one number. Raises BadOption."""
    pool, colon, most = workers.partition(":")
    given = {"--num-cpus": num_cpus, "--num-gpus": num_gpus, "--resource": resources, "--label": labels}
    given["--workers"] = workers if colon else None
    for option, value in given.items():
        if value and engine != "ray":
            raise BadOption(option, "used with --engine ray", value)
    needs = Needs.of(
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        resources={name: _number(name, value) for name, value in map(_pair, resources)},
        label_selector=dict(map(_pair, labels)),
        concurrency=(_count(workers, pool), _count(workers, most)) if colon else None,
    )
    return needs, "auto" if colon else workers


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadOption("--resource and --label", "NAME=VALUE", text)
    return name, value


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise BadOption(f"--resource {name}", "a number", value) from error


def _count(workers: str, value: str) -> int:
    if not value.isdecimal():
        raise BadOption("--workers", "auto, N or MIN:MAX", workers)
    return int(value)
