"""Where a job's stages run on a cluster: cut into legs, each of which is one operator of Ray Data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from headrace.core.contracts import Inference, Stage
from headrace.core.needs import Needs
from headrace.plan.recipe import FIT, PREPARE, READ, WRITE, Recipe


@dataclass(frozen=True, slots=True)
class Leg:
    """Stages that are done in one worker, one behind the other.

    pooled: its workers are actors, which keep what they have loaded; else they are tasks. needs: of one worker, with
    what the user chose; the cluster's shape says the rest.
    """

    stages: tuple[str, ...]
    pooled: bool = False
    needs: Needs = field(default_factory=Needs)

    @property
    def name(self) -> str:
        """How plan, report and Ray's dashboard call it."""
        named = [s for s in self.stages if s not in (PREPARE, FIT)]
        return "+".join(named or self.stages)


def legs(recipe: Recipe) -> tuple[Leg, ...]:
    """The legs of a job, in order.

    Reading, preparing and the functions behind them are one leg, so that what crosses the object store is as small as
    it gets; every model or class has a pool of its own; functions behind the last of them are done where the part is
    written. Without any, the pool's worker writes it: a leg that only writes would start a process for every few slots,
    1.5 CPU-seconds each, and send every part through the object store once more. A function with needs of its own is a
    leg of its own.
    """
    steps = dict(zip(recipe.names, recipe.steps, strict=True))
    cut = [Leg((READ, PREPARE))]
    trailing: list[str] = []
    for name in recipe.stage_names[2:]:
        step = steps.get(name)
        if step is not None and _pooled(step):
            cut = [*_with(cut, trailing), Leg((name,), pooled=True, needs=step.needs)]
            trailing = []
        elif step is not None and step.needs.chosen:
            cut = [*_with(cut, trailing), Leg((name,), needs=step.needs)]
            trailing = []
        else:
            trailing.append(name)
    if len(cut) == 1 and not cut[0].pooled:
        return (Leg((READ, PREPARE, *trailing, WRITE)),)
    if cut[-1].pooled and not trailing:
        return (*cut[:-1], replace(cut[-1], stages=(*cut[-1].stages, WRITE)))
    return (*cut, Leg((*trailing, WRITE)))


def _pooled(step: Stage | Inference) -> bool:
    return isinstance(step, Inference) or step.is_class


def _with(cut: list[Leg], names: list[str]) -> list[Leg]:
    """The legs with further functions: at the end of the last one, or as one of their own behind a pool."""
    if not names:
        return cut
    last = cut[-1]
    if last.pooled or last.needs.chosen:
        return [*cut, Leg(tuple(names))]
    return [*cut[:-1], replace(last, stages=(*last.stages, *names))]
