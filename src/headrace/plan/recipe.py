"""A job made concrete: the listing, the models behind the references, and where photos are decoded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.core.contracts import Decoder, Inference, Listing, Model, Stage
from headrace.core.errors import BadInput, BadModel, BadOption
from headrace.core.preprocess import Preprocess
from headrace.job.job import Infer, Job
from headrace.models.heads import Classify, make_head, read_labels
from headrace.models.reference import resolve
from headrace.stages.map_batches import MapBatches
from headrace.stages.photo import PhotoDecoder

READ, PREPARE, FIT, INFER, WRITE = "read", "prepare", "fit", "infer", "write"
"""Stages by headrace's own names: `fit` where stages make the model's images, `infer` the model. Others are users'."""


@dataclass(frozen=True)
class Recipe:
    """What an engine runs.

    decoder: makes pixels of the listing's cells; None where stages take them as they are. slot: the (height, width)
    that it decodes into, straight into the batch's tensor: it is fused with the model's resize when no user stage lies
    between. None: whole images, as a column. prepared: how, where a class asked for it.
    """

    listing: Listing
    steps: tuple[Stage | Inference, ...]
    decoder: Decoder | None
    slot: tuple[int, int] | None
    prepared: Preprocess | None = None

    @property
    def inference(self) -> Inference | None:
        """The model step, if there is one."""
        return next((s for s in self.steps if isinstance(s, Inference)), None)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each step, numbered where two would be the same."""
        used = {READ, PREPARE, FIT, WRITE}
        names: list[str] = []
        for step in self.steps:
            number = 1 if isinstance(step, Inference) or step.name != INFER else 2  # the model's meter is found by it
            while (name := step.name if number == 1 else f"{step.name}-{number}") in used:
                number += 1
            used.add(name)
            names.append(name)
        return tuple(names)

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Every stage but the writing, in order."""
        named = zip(self.names, self.steps, strict=True)
        fits = self.slot is None
        steps = [n for name, s in named for n in ((FIT, name) if fits and isinstance(s, Inference) else (name,))]
        return (READ, PREPARE, *steps)

    def static_facts(self, source: dict[str, Any], limit: int | None, digest: str) -> dict[str, Any]:
        """What the fingerprint holds, by name, but for what the first batches settle; `digest` is of the listing that
        the job began with."""
        facts: dict[str, Any] = {"input": [source, digest, limit]}
        facts["stages"] = [s.describe() for s in self.steps if not isinstance(s, Inference)]
        if self.inference is not None:
            model = self.inference.model
            facts |= {
                "model": model.digest(),
                "preprocessing": model.preprocess.to_dict(),
                "task": self.inference.head.describe(),
                "runtime": [model.runtime, model.runtime_version],
            }
        elif self.prepared is not None:
            facts["preprocessing"] = self.prepared.to_dict()
        return facts


def make_recipe(job: Job, *, elsewhere: bool = False) -> Recipe:
    """Lists the input and opens the models' headers. Raises UsageError.

    elsewhere: the model will run on other machines, which know what they can.
    """
    opened = [_opened(step, elsewhere=elsewhere) for step in job.steps]
    if sum(isinstance(step, Inference) for step, _ in opened) > 1:
        raise BadOption("infer", "used once in a pipeline", "two models; put the second in a class for map_batches")
    listing = job.source.list()
    if job.limit is not None:
        listing = listing.head(job.limit)
    if listing.rows == 0:
        raise BadInput("input", "has no rows", "check the path")
    steps = tuple(step for step, _ in opened)
    first, wanted = opened[0] if opened else (None, None)
    if any(spec is not None for _, spec in opened[1:]):
        raise BadOption("preprocess", "given to a class that is the first step", "a class behind another step")
    inference = next((s for s in steps if isinstance(s, Inference)), None)
    if inference is not None and first is inference and not listing.has_images:
        raise BadInput(
            "input", "has no image column for the model", "name it with image_column=, or use map_batches with a class"
        )
    if first is inference and inference is not None:
        return Recipe(listing, steps, inference.decoder, inference.model.preprocess.size)
    if wanted is not None and listing.has_images:
        return Recipe(listing, steps, PhotoDecoder(wanted), wanted.size, wanted)
    return Recipe(listing, steps, PhotoDecoder() if listing.has_images and listing.decodes else None, None)


def _opened(step: Stage | Infer, *, elsewhere: bool) -> tuple[Stage | Inference, Preprocess | None]:
    """A step, and the preprocessing that a class asks its photos to have."""
    if not isinstance(step, Infer):
        return step, None
    given = _preprocess(step.preprocess)
    found = resolve(step.reference, given, allow_pickle=step.allow_pickle)
    if callable(found):
        _refuse_model_options(step)
        needs = step.needs
        stage = MapBatches(
            fn=found,
            num_cpus=needs.num_cpus,
            num_gpus=needs.num_gpus or 0.0,
            resources=needs.resources,
            label_selector=needs.labels,
            concurrency=needs.workers,
        )
        return stage, given
    model: Any = found
    labels = read_labels(step.labels) if isinstance(step.labels, str | Path) else step.labels
    header = getattr(model, "header", None)
    task = step.task or (header.task if header is not None else None)
    if labels is None and header is not None and (task or "classify") == "classify":
        labels = header.labels
    if not elsewhere:
        check_precision(model, step.precision)
    head = make_head(task, labels, step.top_k)
    if isinstance(head, Classify) and header is not None and header.classes is not None:
        head.check(header.classes)
    decoder = PhotoDecoder(replace(model.preprocess))
    return Inference(model, head, decoder, step.precision, step.min_agreement, step.needs), None


def _refuse_model_options(step: Infer) -> None:
    """A class or function does with its photos what it likes; options of a model file would change nothing."""
    plain = Infer(reference=step.reference)
    for name in ("labels", "task", "top_k", "precision", "min_agreement", "allow_pickle"):
        value = getattr(step, name)
        if value != getattr(plain, name):
            option = "--" + name.replace("_", "-")
            raise BadOption(option, "used with a model file or torch module; a class returns its own columns", value)


def _preprocess(given: Preprocess | str | Path | None) -> Preprocess | None:
    return Preprocess.from_file(given) if isinstance(given, str | Path) else given


def check_precision(model: Model, precision: str) -> None:
    """Raises BadModel where the model cannot run in it on this machine."""
    if precision not in ("auto", "int8", *model.precisions):
        able = ", ".join(model.precisions)
        raise BadModel(model.name, f"cannot run in {precision} on {model.runtime} here", f"use one of {able}")
    if precision == "int8" and model.runtime != "openvino":
        raise BadModel(model.name, "runs in int8 on OpenVINO only", "pip install 'headrace[int8]'")
