"""Keywords of the map family and of writes that Ray 2.60 takes for something else, and fails on."""

from __future__ import annotations

import ast
import difflib
from collections import defaultdict
from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.records import Call, Operation, Udf
from headrace.lint.model.values import ClassValue, FunctionValue
from headrace.lint.rule import Category, Edit, Finding, rule

_OWN = frozenset(
    {
        "fn", "compute", "fn_args", "fn_kwargs", "fn_constructor_args", "fn_constructor_kwargs", "num_cpus", "num_gpus",
        "memory", "concurrency", "label_selector", "fallback_strategy", "max_calls", "resources", "accelerator_type",
        "runtime_env", "ray_remote_args_fn",
    }
)  # fmt: skip
_ALSO = {
    "map_batches": frozenset({"batch_size", "batch_format", "zero_copy_batch", "udf_modifying_row_count"}),
    "map_groups": frozenset({"batch_format", "zero_copy_batch"}),
    "filter": frozenset({"expr"}),
}
_COMMON_OPTIONS = frozenset(
    {
        "name", "object_store_memory", "placement_group", "placement_group_bundle_index", "scheduling_strategy",
        "placement_group_capture_child_tasks", "enable_task_events",
    }
)  # fmt: skip
_TASK_OPTIONS = frozenset({"max_retries", "num_returns", "retry_exceptions"})
_NO_ACTOR_OPTIONS = frozenset({"max_calls"})  # the operations have this parameter, and fail with it beside a class
_ACTOR_OPTIONS = frozenset(
    {
        "allow_out_of_order_execution", "concurrency_groups", "enable_tensor_transport", "get_if_exists", "lifetime",
        "max_concurrency", "max_pending_calls", "max_restarts", "max_task_retries", "namespace",
    }
)  # fmt: skip
_OF_EXECUTION_OPTIONS = frozenset(
    {
        "actor_locality_enabled", "exclude_resources", "locality_with_output", "preserve_order", "resource_limits",
        "verbose_progress",
    }
)  # fmt: skip
_OF_CONTEXT = frozenset(
    {
        "target_max_block_size", "target_min_block_size", "use_push_based_shuffle", "enable_progress_bars",
        "execution_options", "max_errored_blocks", "min_parallelism",
        "raise_original_map_exception", "read_op_min_num_blocks", "streaming_read_buffer_size",
        "actor_task_retry_on_errors", "wait_for_min_actors_s", "max_tasks_in_flight_per_actor", "shuffle_strategy",
        "checkpoint_config", "enable_operator_progress_bars", "retried_io_errors",
        "enable_rich_progress_bars", "max_map_retries", "op_resource_reservation_ratio", "print_on_execution_start",
        "retried_map_errors", "use_polars", "use_ray_tqdm", "verbose_stats_logs", "write_file_retry_on_errors",
    }
)  # fmt: skip
_OF_OTHERS = {
    "local_shuffle_buffer_size": "it belongs to iter_batches",
    "override_num_blocks": "it belongs to reads",
    "parallelism": "it belongs to reads, as override_num_blocks",
    "prefetch_batches": "it belongs to iter_batches",
    "drop_last": "it belongs to iter_batches",
    "num_workers": "the number of workers is compute=ray.data.ActorPoolStrategy(size=N)",
    "num_actors": "the number of actors is compute=ray.data.ActorPoolStrategy(size=N)",
    "batch_size": "only map_batches has batches",
    "batch_format": "only map_batches has batches",
}
_TO_FILE = frozenset(
    {"write_parquet", "write_csv", "write_json", "write_orc"}
)  # unknown keywords go to the file's writer
_FOR_TASKS = frozenset(
    {"num_cpus", "num_gpus", "memory", "resources", "accelerator_type", "runtime_env", "scheduling_strategy",
     "max_retries", "retry_exceptions", "label_selector"}
)  # fmt: skip


@rule(
    id="HR014",
    name="context-option-on-map",
    category=Category.BREAKS,
    ray=">=2.5",
    title="an option of the DataContext is given to a map operation",
    why="map_batches takes it for an option of its tasks, and Ray 2.60 raises ValueError once the pipeline runs",
    fix="set it on ray.data.DataContext.get_current(), before the dataset is made",
    error="Invalid option keyword preserve_order",
    bad="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double, preserve_order=True).materialize()
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.DataContext.get_current().execution_options.preserve_order = True
ray.data.range(8).map_batches(double).materialize()
""",
)
def context_option_on_map(module: Module) -> Iterator[Finding]:
    """A DataContext's or ExecutionOptions' field among a map operation's keywords."""
    for operation, call in _calls(module):
        said: dict[ast.keyword, list[str]] = defaultdict(list)  # a spread dict may hold several
        for name, keyword in call.keyword_nodes.items():
            if name in _OF_EXECUTION_OPTIONS or name in _OF_CONTEXT:
                owner = "DataContext.execution_options" if name in _OF_EXECUTION_OPTIONS else "DataContext"
                said[keyword].append(f"{name}=: it is a field of {owner}")
        yield from (Finding(k, f"{operation.name} has no {', nor '.join(texts)}") for k, texts in said.items())


@rule(
    id="HR015",
    name="unknown-map-keyword",
    category=Category.BREAKS,
    ray=">=2.5",
    title="a map operation is given a keyword that it does not have",
    why="it is taken for an option of the tasks or actors, and Ray 2.60 raises ValueError only once the pipeline runs",
    fix="correct the name, or take it out; what the function itself needs goes into fn_kwargs={...}",
    error="Invalid option keyword scale",
    bad="""
import ray

def multiply(batch, scale):
    return {"id": batch["id"] * scale}

ray.data.range(8).map_batches(multiply, scale=3).materialize()
""",
    good="""
import ray

def multiply(batch, scale):
    return {"id": batch["id"] * scale}

ray.data.range(8).map_batches(multiply, fn_kwargs={"scale": 3}).materialize()
""",
)
def unknown_map_keyword(module: Module) -> Iterator[Finding]:
    """A keyword that is neither the operation's own nor an option of Ray tasks or actors, as its function needs."""
    for operation, call in _calls(module):
        own = _OWN | _ALSO.get(operation.name, frozenset())
        known = own | _COMMON_OPTIONS | _OF_EXECUTION_OPTIONS | _OF_CONTEXT | {"max_concurrency"}
        known |= _remote_options(operation.udf)
        if _remote_options(operation.udf) == _ACTOR_OPTIONS:
            known -= _NO_ACTOR_OPTIONS
        said: dict[ast.keyword, list[str]] = defaultdict(list)  # a spread dict may hold several
        for name, keyword in call.keyword_nodes.items():
            if name not in known and not name.startswith("_"):
                said[keyword].append(f"{name}={_hint(name, own, operation.udf)}")
        yield from (Finding(k, f"{operation.name} has no {', nor '.join(texts)}") for k, texts in said.items())


def _hint(name: str, own: frozenset[str], udf: Udf | None) -> str:
    if name in _OF_OTHERS:
        return f": {_OF_OTHERS[name]}"
    if name in _ACTOR_OPTIONS | _TASK_OPTIONS | _NO_ACTOR_OPTIONS:
        return f" for a {'function' if name in _ACTOR_OPTIONS else 'class'}"
    if udf is not None and udf.function is not None and name in {a.arg for a in udf.function.parameters}:
        return f': {udf.name} gets it by fn_kwargs={{"{name}": ...}}'
    if udf is not None and udf.init is not None and name in {a.arg for a in udf.init.parameters}:
        return f': {udf.name} gets it by fn_constructor_kwargs={{"{name}": ...}}'
    close = difflib.get_close_matches(name, sorted(own), 1)
    return f"; {close[0]}= is close" if close else ""


@rule(
    id="HR016",
    name="max-concurrency-on-function",
    category=Category.BREAKS,
    ray=">=2.5",
    title="max_concurrency= is given beside a function",
    why="it is the number of threads of an actor; functions run in tasks, and Ray 2.60 raises ValueError",
    fix="say compute=ray.data.TaskPoolStrategy(size=N) to run at most N tasks at a time",
    error="Invalid option keyword max_concurrency",
    notes="It does not keep a cluster from being overwhelmed, as is sometimes said. On a class it is legal, and"
    " deprecated with all other remote arguments.",
    bad="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double, max_concurrency=2).materialize()
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double, compute=ray.data.TaskPoolStrategy(size=2)).materialize()
""",
)
def max_concurrency_on_function(module: Module) -> Iterator[Finding]:
    """max_concurrency on an operation that is known to run a function."""
    for operation, call in _calls(module):
        udf = operation.udf
        if "max_concurrency" in call.keyword_nodes and udf is not None and _remote_options(udf) == _TASK_OPTIONS:
            message = f"max_concurrency= is for classes, and {udf.name or 'this'} is a function"
            yield Finding(call.keyword_nodes["max_concurrency"], message)


@rule(
    id="HR049",
    name="deprecated-remote-option",
    category=Category.INFORMATION,
    ray=">=2.60",
    title="a map operation is given an option of Ray tasks or actors",
    why="Ray 2.60 warns of all that goes to ray_remote_args, and Ray 2.64 will not take it any more",
    fix="leave it out, or say what is meant with num_cpus=, num_gpus=, memory=, resources= or compute=",
    notes="""
`max_concurrency=` is the one that tutorials recommend, "to limit memory" or "to prevent oversubscription". It does
neither: it is the number of threads of an actor, whose calls Ray Data lets run one at a time anyway. How many workers
there are is `compute=ray.data.ActorPoolStrategy(size=N)`; what one of them needs is `memory=`.
""",
    bad="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, max_concurrency=2).materialize()
""",
    good="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, compute=ray.data.ActorPoolStrategy(size=2)).materialize()
""",
)
def deprecated_remote_option(module: Module) -> Iterator[Finding]:
    """An option of tasks or actors that fits the function or class, and is no parameter of the operation."""
    for operation, call in _calls(module):
        legal = _COMMON_OPTIONS | _remote_options(operation.udf) | {"ray_remote_args_fn"}
        for name in sorted(legal & call.keyword_nodes.keys()):
            hint = ", and limits neither memory nor workers" if name == "max_concurrency" else ""
            yield Finding(call.keyword_nodes[name], f"{operation.name}({name}=) is deprecated since Ray 2.60{hint}")


@rule(
    id="HR017",
    name="remote-option-on-write",
    category=Category.BREAKS,
    title="a write is given num_cpus or another option of its tasks",
    why="write_parquet and its kin hand the keyword to the file's writer, which raises TypeError after the model has "
    "run on the first blocks; other writes raise it at once",
    fix='say ray_remote_args={"num_cpus": N}',
    error="unexpected parquet write option: num_cpus",
    fixable=True,
    bad="""
import ray

ray.data.range(8).write_parquet("out/", num_cpus=0.5)
""",
    good="""
import ray

ray.data.range(8).write_parquet("out/", ray_remote_args={"num_cpus": 0.5})
""",
)
def remote_option_on_write(module: Module) -> Iterator[Finding]:
    """An option of Ray tasks among the keywords of a write."""
    for operation in module.runs:
        call = operation.call
        if call is None or not operation.name.startswith("write_"):
            continue
        found = [(name, keyword) for name, keyword in call.keyword_nodes.items() if name in _FOR_TASKS]
        alone = len(found) == 1 and "ray_remote_args" not in call.keywords and not call.is_open
        for name, keyword in found:
            text = f'ray_remote_args={{"{name}": {module.written(keyword.value)}}}'
            edits = (Edit(keyword, text),) if alone and keyword.arg == name else ()
            when = "after the work is done" if operation.name in _TO_FILE else "before anything runs"
            message = f"{operation.name} has no {name}=: it fails {when}; use ray_remote_args"
            yield Finding(keyword, message, edits)


def _calls(module: Module) -> Iterator[tuple[Operation, Call]]:
    return ((o, o.call) for o in module.maps if o.call is not None)


def _remote_options(udf: Udf | None) -> frozenset[str]:
    """What Ray lets one say of the tasks (a function's) or actors (a class's); all where it is not known which."""
    if udf is not None and (udf.partials or isinstance(udf.value, FunctionValue)):
        return _TASK_OPTIONS
    return _ACTOR_OPTIONS if udf is not None and isinstance(udf.value, ClassValue) else _TASK_OPTIONS | _ACTOR_OPTIONS
