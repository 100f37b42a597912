"""What is asked: source, steps, options. Building one reads nothing and starts nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from headrace.core.contracts import Source, Stage
from headrace.core.errors import BadOption
from headrace.core.needs import Needs
from headrace.core.options import auto_or_bytes, auto_or_count, count, one_of, positive, ratio
from headrace.core.preprocess import Preprocess

PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
ENGINES = ("local", "ray")


@dataclass(frozen=True, kw_only=True)
class Infer:
    """A model step as it was asked for; the reference is resolved when the job is planned.

    reference: a path, `package.module:Name`, `file.py:Name`, a torch module, a class or a function.
    labels: a file with one label a line, or the labels. task: "classify", "embed" or "raw"; the model's own, or
    "classify", when not given. allow_pickle: opens a pickled torch module, which runs code of whoever made it.
    needs: what its workers ask of a cluster.
    """

    reference: object
    preprocess: Preprocess | str | Path | None = None
    labels: str | Path | tuple[str, ...] | None = None
    task: str | None = None
    top_k: int = 1
    precision: str = "auto"
    min_agreement: float = 0.99
    allow_pickle: bool = False
    needs: Needs = field(default_factory=Needs)

    def __post_init__(self) -> None:
        one_of("--precision", self.precision, PRECISIONS)
        ratio("--min-agreement", self.min_agreement)
        count("--top-k", self.top_k)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is asked to go; "auto" leaves a value to the plan.

    batch_size: rows a model call. workers: batches the model works on at once. prepare_workers: decode threads.
    io_concurrency: reads at once. partition_rows: rows a part file. on_error: "reject" sets a bad row aside, "fail"
    stops. max_rejected: the ratio (0..1) of rejected rows past which a run is taken to be wrong. memory: bytes of the
    host's memory that the run plans with. stall_timeout: seconds that one call of a stage may take before its worker is
    given up and the rows tried again. address: of the Ray cluster; its own or a new local one when not given.
    """

    engine: str = "local"
    address: str | None = None
    batch_size: int | str = "auto"
    workers: int | str = "auto"
    prepare_workers: int | str = "auto"
    io_concurrency: int | str = "auto"
    partition_rows: int | str = "auto"
    on_error: str = "reject"
    max_rejected: float = 0.1
    memory: int | str = "auto"
    stall_timeout: float = 600.0

    def __post_init__(self) -> None:
        one_of("--engine", self.engine, ENGINES)
        if self.address is not None and self.engine != "ray":
            raise BadOption("--address", "used with --engine ray", self.address)
        for name in ("batch_size", "workers", "prepare_workers", "io_concurrency", "partition_rows"):
            value = auto_or_count("--" + name.replace("_", "-"), getattr(self, name))
            object.__setattr__(self, name, value)  # digits become a number once, here
        one_of("--on-error", self.on_error, ("reject", "fail"))
        ratio("--max-rejected", self.max_rejected)
        object.__setattr__(self, "memory", auto_or_bytes("--memory", self.memory))
        positive("--stall-timeout", self.stall_timeout)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A source, the steps its rows go through in order, and how many rows of it (all when None)."""

    source: Source
    steps: tuple[Stage | Infer, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None:
            count("--limit", self.limit)
