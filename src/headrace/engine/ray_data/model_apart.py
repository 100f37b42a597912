"""A model that is carried apart from its job: only those that run it get its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from headrace.core.contracts import Inference, Model, Pixels, Session
from headrace.core.preprocess import Preprocess
from headrace.engine.ray_data.carried import Carried, carry
from headrace.plan.recipe import Recipe


@dataclass(frozen=True)
class ModelApart:
    """Stands for a model; it is opened in a process when more is asked than what it is called and what it expects."""

    name: str
    preprocess: Preprocess
    preprocess_source: str
    carried: Carried[Any]

    @property
    def _model(self) -> Model:
        model: Model = self.carried.open()
        return model

    @property
    def runtime(self) -> str:
        """On this machine."""
        return self._model.runtime

    @property
    def runtime_version(self) -> str:
        """On this machine."""
        return self._model.runtime_version

    @property
    def device(self) -> str:
        """On this machine."""
        return self._model.device

    @property
    def precisions(self) -> Sequence[str]:
        """On this machine."""
        return self._model.precisions

    def digest(self) -> str:
        """Of the weights and graph."""
        return self._model.digest()

    def load(self, precision: str, batch_size: int, streams: int, calibration: Pixels | None = None) -> Session:
        """Loads or compiles it."""
        return self._model.load(precision, batch_size, streams, calibration)


def model_apart(recipe: Recipe, *, run: str) -> Recipe:
    """The recipe with its model, if it has one, in the object store. Raises BadOption."""

    def apart(step: Inference) -> Inference:
        model = step.model
        carried = carry(model, run=run, named={f"the model {model.name}": model})
        return replace(step, model=ModelApart(model.name, model.preprocess, model.preprocess_source, carried))

    return replace(recipe, steps=tuple(apart(s) if isinstance(s, Inference) else s for s in recipe.steps))


def parts_of(recipe: Recipe) -> dict[str, object]:
    """What of a recipe is the user's, by name."""
    return {"the input": recipe.listing} | {f"stage {n}": s for n, s in zip(recipe.names, recipe.steps, strict=True)}
