"""The plan before anything has run: what is given, what the facts decide, and what stays open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from headrace.core.contracts import Inference, Stage
from headrace.core.errors import BadOption
from headrace.job.job import Settings
from headrace.plan import sizing
from headrace.plan.machine import Machine
from headrace.plan.plan import AUTO, Choice, Plan
from headrace.plan.recipe import Recipe

_SETTLED_LATER = "the first batches of the run settle it"


def draft(
    recipe: Recipe, settings: Settings, machine: Machine, *, saved: Mapping[str, Any], elsewhere: bool = False
) -> Plan:
    """A plan with a reason for every choice.

    saved: values of a saved plan; an option that was given on its own goes before them. elsewhere: the model will run
    on other machines, which know what they can.
    """
    chosen, remote = _Choosing(settings, saved), recipe.listing.remote
    inference = recipe.inference
    batch_size = chosen("batch_size", lambda: _batch_size(recipe))
    rows = batch_size.value if isinstance(batch_size.value, int) else sizing.STAGE_BATCH
    slot_bytes = rows * recipe.slot[0] * recipe.slot[1] * 3 if recipe.slot is not None else 0
    memory = _memory(settings, machine)
    plan = Plan(
        engine=Choice(settings.engine, "one process on one machine; needs no cluster"),
        batch_size=batch_size,
        partition_rows=chosen("partition_rows", lambda: Choice(AUTO, f"about 30 s of work: {_SETTLED_LATER}")),
        prepare_workers=chosen("prepare_workers", lambda: _prepare_workers(recipe, machine)),
        io_concurrency=chosen("io_concurrency", lambda: _io_concurrency(recipe, machine)),
        queue_bytes=Choice(
            sizing.queue_bytes(int(memory.value), slot_bytes, len(recipe.steps), remote=remote),
            f"each queue: {'64 MiB for a remote' if remote else '8 MiB for a local'} source, at least 4 batches",
        ),
        memory_bytes=memory,
        stages=_stages(recipe, machine, saved.get("stages", {})),
        row_caps=_row_caps(recipe, saved.get("row_caps", {})),
        rows=recipe.listing.rows,
    )
    return plan if inference is None else _with_model(plan, inference, chosen, machine, saved, elsewhere=elsewhere)


def unmeasured(plan: Plan, recipe: Recipe) -> Plan:
    """The plan for a look at a few rows: nothing is compared or tried first, no process is started."""
    looked = Choice("threads:1", "a look at a few rows starts no processes")
    plan = replace(plan, stages={name: looked if choice.open else choice for name, choice in plan.stages.items()})
    if recipe.inference is None:
        return plan
    if plan.precision is not None and plan.precision.open:
        plan = plan.settled(precision=Choice("fp32", "a look at a few rows compares no precisions"))
    if plan.batch_size.open:
        first = sizing.first_batch(recipe.inference.model.device)
        plan = plan.settled(batch_size=Choice(first, "where the climb begins; a look tries no others"))
    return plan


class _Choosing:
    """Takes an option that was given, else the saved plan's value, else what `decide` says."""

    def __init__(self, settings: Settings, saved: Mapping[str, Any]) -> None:
        self._settings, self._saved = settings, saved

    def __call__(self, name: str, decide: Callable[[], Choice]) -> Choice:
        given = getattr(self._settings, name)
        if given != AUTO:
            return Choice(given, "given", given=True)
        if name in self._saved:
            return Choice(_saved_count(name, self._saved[name]), "from the saved plan", given=True)
        return decide()


def _memory(settings: Settings, machine: Machine) -> Choice:
    if settings.memory != AUTO:
        return Choice(settings.memory, "given", given=True)
    share = sizing.memory_bytes(machine.memory_bytes)
    return Choice(
        share, f"half of the {machine.memory_bytes} that machine and cgroup allow: queues and batches in flight"
    )


def _batch_size(recipe: Recipe) -> Choice:
    asked = [s.batch_size for s in recipe.steps if not isinstance(s, Inference) and s.batch_size is not None]
    if recipe.inference is not None:
        first = sizing.first_batch(recipe.inference.model.device)
        return Choice(AUTO, f"climbs from {first} while the model gets 5 % faster: {_SETTLED_LATER}")
    if asked:
        return Choice(max(asked), "the largest batch_size of the stages")
    return Choice(sizing.STAGE_BATCH, "no stage asks for another")


def _prepare_workers(recipe: Recipe, machine: Machine) -> Choice:
    if recipe.decoder is None:
        return Choice(1, "nothing to decode")
    return Choice(machine.cores, f"decoding releases the GIL: one thread a core, {machine.cores} may be used")


def _io_concurrency(recipe: Recipe, machine: Machine) -> Choice:
    listing = recipe.listing
    in_bursts = listing.burst_bytes > 0
    value = sizing.io_concurrency(remote=listing.remote, in_bursts=in_bursts, cores=machine.cores)
    if listing.remote:
        return Choice(value, "an object store answers slowly, but many at once")
    return Choice(value, "the next row group is read while one is worked on" if in_bursts else "a local disk needs few")


def _check_names(table: str, recipe: Recipe, saved: Mapping[str, Any]) -> None:
    for name in saved:
        if name not in recipe.names:
            raise BadOption(f"{table} in the saved plan", "among " + ", ".join(recipe.names), name)


def _row_caps(recipe: Recipe, saved: Mapping[str, Any]) -> dict[str, Choice]:
    """The most rows at once of steps that ran out of memory in a former run."""
    _check_names("row_caps", recipe, saved)
    caps = {n: _saved_count(f"row_caps.{n}", value) for n, value in saved.items()}
    return {n: Choice(cap, "from the saved plan", given=True) for n, cap in caps.items()}


def _saved_count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadOption(f"{name} in the saved plan", "an integer >= 1", value)
    return value


def _stages(recipe: Recipe, machine: Machine, saved: Mapping[str, Any]) -> dict[str, Choice]:
    """Workers of each user stage, as "threads:N" or "processes:N"."""
    stages: dict[str, Choice] = {}
    _check_names("stages", recipe, saved)
    for name, step in zip(recipe.names, recipe.steps, strict=True):
        if isinstance(step, Inference):
            continue
        if name in saved:
            stages[name] = Choice(_checked(name, saved[name]), "from the saved plan", given=True)
        else:
            count = "" if step.workers is None else f" of the {step.workers} asked for"
            on_cpu = f"; {no_gpu(name, step)}" if lacks_gpu(step, machine) else ""
            why = f"threads, or processes where it holds the GIL{count}: {_SETTLED_LATER}{on_cpu}"
            stages[name] = Choice(AUTO, why)
    return stages


def lacks_gpu(step: Stage, machine: Machine) -> bool:
    """Whether a stage asks for a GPU that the machine does not have."""
    return step.num_gpus > 0 and machine.gpus == 0


def no_gpu(name: str, step: Stage) -> str:
    """That it runs on the CPU instead, in words."""
    return f"{name} asks for num_gpus={step.num_gpus:g}, this machine has none: it runs on the CPU"


def _checked(name: str, value: object) -> str:
    kind, _, count = str(value).partition(":")
    if kind not in ("threads", "processes") or not count.isdecimal() or int(count) < 1:
        raise BadOption(f"stages.{name} in the saved plan", '"threads:N" or "processes:N"', value)
    return str(value)


def _with_model(
    plan: Plan,
    inference: Inference,
    chosen: _Choosing,
    machine: Machine,
    saved: Mapping[str, Any],
    *,
    elsewhere: bool,
) -> Plan:
    model = inference.model
    precision = _precision(inference, saved, elsewhere=elsewhere)
    agreement = saved.get("agreement") if precision.value == saved.get("precision") else None
    return replace(
        plan,
        agreement=agreement,
        runtime=Choice(
            f"{model.runtime} {model.runtime_version}", f"the fastest installed for {model.name} on {model.device}"
        ),
        precision=precision,
        workers=chosen("workers", lambda: streams(inference, machine)),
        preprocess=Choice(_shown(inference), model.preprocess_source),
    )


def _precision(inference: Inference, saved: Mapping[str, Any], *, elsewhere: bool) -> Choice:
    if inference.precision != AUTO:
        return Choice(inference.precision, "given", given=True)
    if "precision" in saved:
        able = (*inference.model.precisions, "int8")
        if saved["precision"] not in able and not elsewhere:
            raise BadOption("precision in the saved plan", "one of " + ", ".join(able), saved["precision"])
        return Choice(saved["precision"], "from the saved plan", given=True)
    if elsewhere:
        return Choice(AUTO, f"fp32, unless a faster one is shown to keep the answers: {_SETTLED_LATER}")
    faster = inference.model.precisions[1:]
    if not faster:
        return Choice("fp32", f"{inference.model.runtime} runs this model in nothing faster here")
    return Choice(AUTO, f"fp32, unless {faster[0]} is shown to keep the answers: {_SETTLED_LATER}")


def streams(inference: Inference, machine: Machine) -> Choice:
    """How many batches the model works on at once, on a machine."""
    if inference.model.device == "cuda":
        return Choice(1, "one model on one GPU; two batches in flight")
    if inference.model.runtime == "torch":
        return Choice(1, "torch spreads one batch over the cores")
    return Choice(machine.cores, f"one stream a core, {machine.cores} may be used")


def _shown(inference: Inference) -> str:
    spec = inference.model.preprocess
    resize = f"short side {spec.resize_short}, " if spec.resize_short else "stretch to "
    return f"{resize}crop {spec.size[0]}x{spec.size[1]}, {spec.interpolation}, {spec.color}"
