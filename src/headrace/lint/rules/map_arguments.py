"""What map, map_batches, flat_map and filter are given."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.records import Operation, Udf
from headrace.lint.model.values import ClassValue, Constant, FunctionValue, Items, Value
from headrace.lint.rule import Category, Edit, Finding, rule


@rule(
    id="HR010",
    name="deprecated-concurrency",
    category=Category.INFORMATION,
    ray=">=2.51",
    title="concurrency= is deprecated on map, map_batches, flat_map and filter",
    why="since Ray 2.51 it only warns and will go; reads and writes keep theirs",
    fix="say compute=ray.data.ActorPoolStrategy(size=N); for a function TaskPoolStrategy(size=N)",
    fixable=True,
    bad="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, concurrency=2).materialize()
""",
    good="""
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, compute=ray.data.ActorPoolStrategy(size=2)).materialize()
""",
)
def deprecated_concurrency(module: Module) -> Iterator[Finding]:
    """`concurrency=` on an operation that runs a function or class; that has no `compute=` beside it."""
    for operation in module.maps:
        call = operation.call
        if call is None or operation.name == "map_groups" or "compute" in call.keywords:
            continue
        value = call.keywords.get("concurrency")
        if value is None or value == Constant(None):
            continue
        keyword = call.keyword_nodes["concurrency"]
        text = _compute(module, operation, value, module.written(keyword.value))
        edits = (Edit(keyword, f"compute={text}"),) if text and keyword.arg == "concurrency" else ()
        yield Finding(keyword, f"{operation.name}(concurrency=) is deprecated since Ray 2.51", edits)


def _compute(module: Module, operation: Operation, value: Value, written: str) -> str | None:
    """The strategy that Ray makes of `concurrency` itself; None where that depends on what is not known."""
    strategy = _strategy(operation.udf)
    name = module.spell(f"ray.data.{strategy}", operation.context.function) if strategy else None
    if name is None:
        return None
    if isinstance(value, Items):
        sizes = [str(v.value) for v in value.items if isinstance(v, Constant) and isinstance(v.value, int)]
        if strategy != "ActorPoolStrategy" or not written.startswith("(") or len(sizes) != len(value.items):
            return None
        names = ("min_size", "max_size", "initial_size")[: len(sizes)]
        return f"{name}({', '.join(f'{n}={s}' for n, s in zip(names, sizes, strict=True))})" if len(sizes) > 1 else None
    return f"{name}(size={written})" if isinstance(value, Constant) and isinstance(value.value, int) else None


def _strategy(udf: Udf | None) -> str | None:
    """Classes run in actors, functions in tasks; partials are functions to Ray, whatever they hold."""
    if udf is None:
        return None
    if udf.partials or isinstance(udf.value, FunctionValue):
        return "TaskPoolStrategy"
    return "ActorPoolStrategy" if isinstance(udf.value, ClassValue) else None
