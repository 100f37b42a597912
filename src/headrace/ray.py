"""headrace's model stage in a Ray Data pipeline of your own: `hr.ray.infer(ds, "model.onnx")`.

Importing this imports no Ray; the functions need `pip install 'headrace[ray]'`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core import optional
from headrace.core.errors import BadOption
from headrace.core.needs import Needs
from headrace.core.options import auto_or_count, positive
from headrace.core.preprocess import Preprocess
from headrace.job.job import Infer, Job
from headrace.plan.plan import AUTO, Choice
from headrace.plan.recipe import make_recipe
from headrace.sinks.tables import table_of
from headrace.sources.named import is_remote, read_named

if TYPE_CHECKING:
    import ray.data

    from headrace.engine.ray_data.user_work import UserWork

__all__ = ["choices", "infer"]


def infer(
    ds: ray.data.Dataset,
    model: object,
    *,
    column: str | None = None,
    preprocess: Preprocess | str | Path | None = None,
    labels: str | Path | tuple[str, ...] | None = None,
    task: str | None = None,
    top_k: int = 1,
    precision: str = AUTO,
    batch_size: int | str = AUTO,
    concurrency: int | str | tuple[int, int] = AUTO,
    num_cpus: float | str = AUTO,
    num_gpus: float | None = None,
    resources: Mapping[str, float] | None = None,
    label_selector: Mapping[str, str] | None = None,
    allow_pickle: bool = False,
    keep_input: bool = False,
    stall_timeout: float = 600.0,
) -> ray.data.Dataset:
    """`ds` with a model's columns, and `headrace_error`: null, or why the row has nulls in the model's columns.

    Lazy: the model's header is opened, nothing runs. Rows stay, in their order within a block; a model that has never
    worked raises instead. There is no exactly-once promise: that is `Dataset.write_parquet(engine="ray")`.

    model: a file, `package.module:Name`, `file.py:Name` or a torch module, which get photos; or a class or function by
    Ray Data's convention (dict of arrays in, dict of arrays out), which gets all columns and returns what is passed on.
    column: the images: pixels (uint8 [H, W, 3] a row), encoded bytes, or paths (local, s3://, gs://, https://); when
    not given "image", "bytes" or "path", or the only one of a fitting type. keep_input: images and bytes are passed on.
    preprocess, labels, task, top_k, precision, allow_pickle: as in `Dataset.infer`; precision "auto" is fp32 unless a
    former run has shown on this kind of machine that a faster one keeps the answers.
    batch_size: rows a model call. concurrency: workers, or (at least, at most) so many. num_cpus, num_gpus, resources,
    label_selector: of each worker; num_gpus=0 keeps a model off the GPUs. stall_timeout: seconds a call may take.
    What is "auto" or None is chosen; `choices` says what and why. Raises UsageError.
    """
    optional.load("ray.data", extra="ray", needed_for="hr.ray.infer")
    from headrace.engine.ray_data import user_datasets as datasets

    datasets.checked(ds)
    needs = Needs.of(
        num_cpus=_unless_auto("num_cpus", num_cpus),
        num_gpus=num_gpus,
        resources=resources,
        label_selector=label_selector,
        concurrency=_unless_auto("concurrency", concurrency),
    )
    asked = Infer(
        reference=model,
        preprocess=preprocess,
        labels=labels,
        task=task,
        top_k=top_k,
        precision=precision,
        allow_pickle=allow_pickle,
        needs=needs,
    )
    work = _work(asked, column=column, keep_input=keep_input, batch_size=batch_size, stall_timeout=stall_timeout)
    return datasets.inferred(ds, work, needs)


def _work(
    asked: Infer, *, column: str | None, keep_input: bool, batch_size: int | str, stall_timeout: float
) -> UserWork:
    """What the workers are given. Raises UsageError."""
    from headrace.engine.ray_data.user_rows import UserRows
    from headrace.engine.ray_data.user_work import UserWork

    recipe = make_recipe(Job(source=UserRows(has_images=True), steps=(asked,)))
    if recipe.inference is None:
        _refuse_photo_options(column=column, preprocess=asked.preprocess, keep_input=keep_input or None)
    return UserWork(
        recipe=recipe,
        column=column,
        keep_input=keep_input,
        read_file=read_named,
        is_remote=is_remote,
        arrow_of=table_of,
        batch_size=auto_or_count("batch_size", batch_size),
        stall_timeout_s=positive("stall_timeout", stall_timeout),
    )


def choices(ds: ray.data.Dataset) -> dict[str, Choice]:
    """What `infer` chose for the dataset that it returned, by name: each a value and its reason. Raises BadInput."""
    optional.load("ray.data", extra="ray", needed_for="hr.ray.choices")
    from headrace.engine.ray_data.user_datasets import choices_of

    return choices_of(ds)


def _unless_auto(option: str, value: Any) -> Any:
    if isinstance(value, str) and value != AUTO:
        raise BadOption(option, '"auto" or a number', value)
    return None if value == AUTO else value


def _refuse_photo_options(**given: object) -> None:
    """A class gets all columns as they are, and what it returns is passed on."""
    for name, value in given.items():
        if value is not None:
            raise BadOption(name, "used with a model file or torch module; a class gets all columns as they are", value)
