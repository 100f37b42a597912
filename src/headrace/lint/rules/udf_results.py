"""What a function or class gives back to a map operation."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.values import Entries, Items, Symbol, Value, possible
from headrace.lint.rule import Category, Finding, rule


@rule(
    id="HR020",
    name="list-from-map-batches",
    category=Category.BREAKS,
    ray=">=2.5",
    title="map_batches is given back a list",
    why="a batch is a dict of columns, a DataFrame or an Arrow table; Ray raises on a list, after the model has run",
    fix='return a dict of columns, as {"label": labels, "score": scores}',
    error="Returning a list of objects from `map_batches` is not allowed",
    bad="""
import ray

def label(batch):
    results = []
    for value in batch["id"]:
        results.append({"label": int(value) % 2})
    return results

ray.data.range(8).map_batches(label).materialize()
""",
    good="""
import ray

def label(batch):
    return {"label": batch["id"] % 2}

ray.data.range(8).map_batches(label).materialize()
""",
)
def list_from_map_batches(module: Module) -> Iterator[Finding]:
    """A list, or DataFrame.to_dict("records"), returned or yielded by what map_batches calls."""
    for operation in module.maps:
        function = operation.udf.function if operation.udf is not None else None
        if operation.name != "map_batches" or function is None:
            continue
        for result in (*function.returns, *function.yields):
            if any(_is_list(v) for v in possible(result.value)):
                what = "a list of dicts" if _holds_dicts(result.value) else "a list"
                yield Finding(result.node, f"{function.name} gives {what} back to map_batches")  # type: ignore[arg-type]


def _is_list(value: Value) -> bool:
    if isinstance(value, Symbol) and value.call is not None and value.path.endswith(".to_dict()"):
        return any(getattr(a, "value", None) == "records" for a in (*value.call.args, *value.call.keywords.values()))
    return isinstance(value, Items) and value.kind == "list"


def _holds_dicts(value: Value) -> bool:
    return any(isinstance(v, Items) and any(isinstance(i, Entries) for i in v.items) for v in possible(value))
