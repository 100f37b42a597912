"""A job's steps, open in one process, with what counts their work and deals with their failures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from headrace.core.batch import Batch
from headrace.core.contracts import Inference, Session
from headrace.engine.flow.assembling import Written
from headrace.engine.flow.buffers import TensorPool
from headrace.engine.flow.memory import MemoryBudget
from headrace.engine.flow.meters import StageMeter
from headrace.engine.flow.preparing import Preparer
from headrace.engine.flow.recorder import Unrecorded
from headrace.engine.flow.salvage import Salvage
from headrace.engine.flow.steps import FitStep, InferStep, MapStep, Step
from headrace.plan import sizing
from headrace.plan.draft import lacks_gpu, no_gpu
from headrace.plan.machine import Machine
from headrace.plan.plan import Plan
from headrace.plan.recipe import FIT, PREPARE, READ, Recipe

_log = logging.getLogger("headrace")


@dataclass(frozen=True)
class Model:
    """A loaded model, and how it is loaded for fewer rows at once."""

    session: Session
    reload: Callable[[int], Session]


@dataclass(frozen=True, kw_only=True)
class Care:
    """How failures are dealt with: see Salvage."""

    recorder: Unrecorded = field(default_factory=Unrecorded)
    worked: bool = False
    tolerant: bool = False


class Workshop:
    """Steps in order, a meter for each stage by name, a Salvage for each step, and what prepares rows.

    only: the stages that are done in this process, by name as `Recipe.stage_names` has them; all when not given.
    """

    def __init__(
        self,
        recipe: Recipe,
        plan: Plan,
        machine: Machine,
        output: Written,
        model: Model | None,
        care: Care,
        *,
        only: Collection[str] | None = None,
    ) -> None:
        self._recipe, self._plan, self._machine, self._output, self._care = recipe, plan, machine, output, care
        self._only = recipe.stage_names if only is None else only
        self.steps: list[Step] = []
        self.salvages: dict[str, Salvage] = {}
        self.preparer: Preparer | None = None
        prepares = PREPARE in self._only
        self._pool = self._tensors(recipe.slot) if recipe.slot is not None and prepares else None
        if recipe.decoder is not None and prepares:
            memory = MemoryBudget(sizing.decode_bytes(int(plan.value("memory_bytes"))))
            self.preparer = Preparer(
                recipe.decoder,
                self._pool,
                recipe.listing.image_name,
                memory,
                care.recorder,
                keep_cells=output.keep_images,
            )
        for name, step in zip(recipe.names, recipe.steps, strict=True):
            if isinstance(step, Inference):
                self._add_inference(name, step, model)
            elif name in self._only:
                if lacks_gpu(step, machine):
                    _log.warning(no_gpu(name, step))
                self._add(MapStep(name, step, recipe.listing.key_name, recipe.listing.image_name))
        first = {READ: "io_concurrency", PREPARE: "prepare_workers"}
        workers = {n: int(plan.value(option)) for n, option in first.items() if n in self._only}
        self.meters = {n: StageMeter(n, w) for n, w in (workers | {s.name: s.workers for s in self.steps}).items()}

    def _tensors(self, size: tuple[int, int]) -> TensorPool:
        return TensorPool((int(self._plan.value("batch_size")), *size, 3))

    def _add_inference(self, name: str, step: Inference, model: Model | None) -> None:
        if self._recipe.slot is None and FIT in self._only:
            self._pool, image = self._tensors(step.model.preprocess.size), self._recipe.listing.image_name
            keep = self._output.keep_images
            self._add(FitStep(step.decoder, self._pool, image, self._machine.cores, keep=keep))
        if name in self._only:
            assert model is not None
            self._add(InferStep(name, step, model.session, model.reload))

    def _add(self, step: Step) -> None:
        saved = self._plan.row_caps.get(step.name)
        cap = None if saved is None else int(saved.value)
        listing, care = self._recipe.listing, self._care
        self.salvages[step.name] = Salvage(
            step, listing, self._pool, care.recorder, cap=cap, worked=care.worked, tolerant=care.tolerant
        )
        self.steps.append(step)
        if cap is not None:
            step.resize(cap)

    def recycle(self, batch: Batch) -> None:
        """Takes back the tensor of a batch that nobody needs any more."""
        if self._pool is not None and batch.tensor is not None:
            self._pool.give(batch.tensor)

    @property
    def map_steps(self) -> list[MapStep]:
        """The user's stages among the steps."""
        return [step for step in self.steps if isinstance(step, MapStep)]

    def busy(self) -> dict[str, tuple[float, int]]:
        """Busy seconds of each stage up to now, and how many batches it works on at once."""
        return {name: (meter.busy_s(), meter.workers) for name, meter in self.meters.items()}

    def row_caps(self) -> dict[str, int]:
        """The most rows at once of steps that ran out of memory with more, by name."""
        return {name: one.cap for name, one in self.salvages.items() if one.cap is not None}
