"""A model stage put behind a user's Ray dataset."""

from __future__ import annotations

import logging
import uuid
import weakref
from dataclasses import replace
from typing import Any

import ray
import ray.data
from ray.data.dataset import MaterializedDataset

from headrace.core.contracts import Inference
from headrace.core.errors import BadCluster, BadInput
from headrace.core.needs import Needs
from headrace.engine.ray_data import user_blocks as blocks
from headrace.engine.ray_data.carried import Carried, carry
from headrace.engine.ray_data.cluster_facts import this_cluster
from headrace.engine.ray_data.model_apart import model_apart, parts_of
from headrace.engine.ray_data.prompt import Prompt
from headrace.engine.ray_data.user_choices import APART, Chosen, choose, precision_choice
from headrace.engine.ray_data.user_work import InferWorker, KeyLess, UserWork, prepare
from headrace.engine.settling.agreement_cache import cache_path, recall
from headrace.plan.feasible import Demand, unmet
from headrace.plan.machine import this_machine
from headrace.plan.plan import AUTO, Choice

_log = logging.getLogger("headrace")
_chosen: weakref.WeakKeyDictionary[Any, dict[str, Choice]] = weakref.WeakKeyDictionary()


def checked(ds: object) -> None:
    """Raises BadInput for what is no dataset of Ray Data."""
    if not isinstance(ds, ray.data.Dataset):
        what = f"must be a ray.data.Dataset, not {type(ds).__module__}.{type(ds).__name__}"
        raise BadInput("the dataset", what, "give what ray.data.read_... or its methods return")


def inferred(ds: Any, work: UserWork, asked: Needs) -> Any:
    """The dataset with the model stage behind it; nothing runs yet. Raises UsageError."""
    cluster = this_cluster()
    schema = ds.schema(fetch_if_missing=False)
    work = replace(work, column=_column(work, schema))
    gpus = cluster.gpus if asked.num_gpus is None else asked.num_gpus
    chosen = choose(work.recipe, asked, work.batch_size, _precision(work, on_gpu=gpus > 0), cluster)
    if (lacks := unmet(_demands(ds, chosen), cluster)) is not None:  # Ray would wait for ever
        raise BadCluster("the Ray cluster", *lacks.rsplit("; ", 1))
    run = uuid.uuid4().hex
    settled = _settled(work, chosen)
    settled = replace(settled, recipe=model_apart(settled.recipe, run=run))
    result = _built(ds, carry(settled, run=run, named=parts_of(settled.recipe)), chosen)
    _chosen[result] = chosen.choices()
    for name, choice in chosen.choices().items():
        _log.info("hr.ray.infer: %s = %s (%s)", name, choice.value, choice.reason)
    return result


def _settled(work: UserWork, chosen: Chosen) -> UserWork:
    """The work as it was chosen to be done."""
    batch_size, threads = chosen.batch_size.value, chosen.threads.value
    steps = [step if isinstance(step, Inference) else KeyLess(step) for step in work.recipe.steps]
    return replace(
        work,
        recipe=replace(work.recipe, steps=tuple(steps)),
        batch_size=batch_size if batch_size == AUTO else int(batch_size),
        precision=None if chosen.precision is None else str(chosen.precision.value),
        threads=threads if isinstance(threads, int) else None,
    )


def choices_of(ds: Any) -> dict[str, Choice]:
    """What was chosen for a dataset that `inferred` gave, by name. Raises BadInput for another."""
    checked(ds)
    try:
        return dict(_chosen[ds])
    except KeyError:
        what = "is not what hr.ray.infer returned"
        raise BadInput("the dataset", what, "ask before further steps are put behind it") from None


def _built(ds: Any, carried: Carried[UserWork], chosen: Chosen) -> Any:
    apart = chosen.layout.value == APART
    block_rows = chosen.block_rows.value
    ds = _with_own_context(ds)
    if apart:
        ds = ds.map_batches(
            prepare, fn_kwargs={"carried": carried}, batch_size=None, batch_format="pyarrow", zero_copy_batch=True
        )
    least, most = chosen.needs.workers or (1, 1)
    # Two calls at once: the next block is in the pipeline before the last one has left it.
    compute = ray.data.ActorPoolStrategy(
        min_size=least, max_size=most, max_concurrent_calls_per_actor=2, enable_true_multi_threading=True
    )
    needs = chosen.needs
    own: dict[str, Any] = {"resources": dict(needs.resources)} if needs.resources else {}
    own |= {"label_selector": dict(needs.labels)} if needs.labels else {}
    return ds.map_batches(
        InferWorker,
        fn_constructor_args=(carried,),
        fn_constructor_kwargs={"prepared": apart},
        compute=compute,
        batch_size=block_rows if isinstance(block_rows, int) else None,
        batch_format="pyarrow",
        zero_copy_batch=True,
        num_cpus=needs.num_cpus,
        num_gpus=needs.num_gpus or None,
        udf_modifying_row_count=False,
        **own,
    )


def _with_own_context(ds: Any) -> Any:
    """The same dataset, whose executions are prompt; datasets share their context with those they were made from."""
    own = ray.data.Dataset.copy(ds, _deep_copy=True)
    own.context.custom_execution_callback_classes.append(Prompt)
    return own


def _column(work: UserWork, schema: Any) -> str | None:
    """The images' column, as far as it is known before anything has run. Raises BadInput."""
    if work.inference is None or schema is None:
        return work.column
    found = schema.base_schema
    if not hasattr(found, "field"):  # of pandas blocks: types are not Arrow's, names will do
        names = list(schema.names)
        if work.column is not None and work.column not in names:
            raise BadInput("the dataset", f"has no column {work.column!r}, but {', '.join(names)}", "name another")
        return work.column or next((name for name in blocks.NAMES if name in names), None)
    return blocks.photo_column(found, work.column)


def _precision(work: UserWork, *, on_gpu: bool) -> Choice | None:
    """Of a model; a class has its own."""
    inference = work.inference
    if inference is None:
        return None
    model = inference.model
    kept = None
    if inference.precision == AUTO and len(model.precisions) > 1:
        kept = recall(cache_path(inference, model.precisions[1], this_machine().cpu))
    return precision_choice(inference, kept, here=on_gpu == (model.device == "cuda"))


def _demands(ds: Any, chosen: Chosen) -> list[Demand]:
    """What the cluster must have room for, with a task of the stages before, if there are any."""
    needs = chosen.needs
    cpus, gpus, least = needs.num_cpus or 0.0, needs.num_gpus or 0.0, (needs.workers or (1, 1))[0]
    pool = Demand("hr.ray.infer", least, cpus, gpus, needs.resources, needs.labels)
    if isinstance(ds, MaterializedDataset) and chosen.layout.value != APART:
        return [pool]
    return [pool, Demand("the stages before it", is_pool=False)]
