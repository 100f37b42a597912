"""What a worker of a stage asks of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.core.errors import BadOption
from headrace.core.options import count

_POOL = "an integer >= 1, or (at least, at most) so many"


@dataclass(frozen=True, slots=True)
class Needs:
    """What one worker asks for, and how many there are. None: not chosen.

    num_cpus, num_gpus: logical ones, fractions allowed. resources: a cluster's own, by name. labels: those that a node
    must have. workers: at least and at most so many.
    """

    num_cpus: float | None = None
    num_gpus: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    workers: tuple[int, int] | None = None

    @property
    def chosen(self) -> bool:
        """Whether anything is."""
        return self != Needs()

    @classmethod
    def of(
        cls,
        *,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        resources: Mapping[str, float] | None = None,
        label_selector: Mapping[str, str] | None = None,
        concurrency: int | tuple[int, int] | None = None,
    ) -> Needs:
        """Options as they were given, checked. Raises BadOption."""
        own = dict(resources or {})
        for name, value in {"num_cpus": num_cpus, "num_gpus": num_gpus, **own}.items():
            if value is not None:
                _amount(name, value)
        for name in own.keys() & {"CPU", "GPU", "memory"}:
            raise BadOption("resources", f"without {name!r}; num_cpus= and num_gpus= say that", own)
        if num_gpus is not None and num_gpus > 1 and num_gpus != int(num_gpus):
            raise BadOption("num_gpus", "a fraction below 1 or a whole number", num_gpus)
        labels = dict(label_selector or {})
        if not all(isinstance(text, str) for pair in labels.items() for text in pair):
            raise BadOption("label_selector", "labels and values as text", labels)
        return cls(num_cpus, num_gpus, own, labels, _pool(concurrency))


def _amount(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise BadOption(name, "a number >= 0", value)


def _pool(concurrency: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if concurrency is None:
        return None
    given = concurrency if isinstance(concurrency, tuple) else (concurrency, concurrency)
    if len(given) != 2:
        raise BadOption("concurrency", _POOL, concurrency)
    least, most = (count("concurrency", value, expected=_POOL) for value in given)
    if least > most:
        raise BadOption("concurrency", _POOL, concurrency)
    return least, most
