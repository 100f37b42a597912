"""What a dataset cannot say of its blocks before it has run."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.records import Kind, Operation
from headrace.lint.rule import Category, Finding, rule

_MAY_BE_MATERIALIZED = frozenset({"copy", "fully_executed", "lazy", "mix", "repeat", "union", "window", "zip"})


@rule(
    id="HR018",
    name="num-blocks-of-lazy-dataset",
    category=Category.BREAKS,
    ray=">=2.10",
    title="num_blocks() of a dataset that is not materialized",
    why="blocks are only made while the pipeline runs, so Ray 2.60 raises NotImplementedError",
    fix="leave it to Ray Data, or call materialize() first where the data fits in memory",
    error="Number of blocks is only available for `MaterializedDataset`",
    bad="""
import ray

ds = ray.data.range(8)
print(ds.num_blocks())
""",
    good="""
import ray

ds = ray.data.range(8).materialize()
print(ds.num_blocks())
""",
    notes="Old advice is to choose it with `override_num_blocks`; Ray's own documentation now discourages it.",
)
def num_blocks_of_lazy_dataset(module: Module) -> Iterator[Finding]:
    """num_blocks() right after a read or a lazy step, on every way that leads there."""
    found: dict[ast.AST, list[Operation]] = defaultdict(list)
    for operation in module.operations:
        if operation.name == "num_blocks" and operation.call is not None:
            found[operation.call.node].append(operation)
    for operations in found.values():
        call = operations[0].call
        steps = [o.upstream for o in operations]
        if call is not None and all(s is not None and _is_lazy(s) for s in steps):
            name = steps[0].name if steps[0] is not None else ""
            yield Finding(call.node, f"num_blocks() raises NotImplementedError: nothing has run since {name}")


def _is_lazy(step: Operation) -> bool:
    if step.kind is Kind.SOURCE:
        return step.name.startswith(("read_", "range"))
    return step.kind is Kind.LAZY and step.name not in _MAY_BE_MATERIALIZED


@rule(
    id="HR019",
    name="internal-block-refs",
    category=Category.INFORMATION,
    ray=">=2.33",
    title="get_internal_block_refs() is deprecated",
    why="it only warns so far and will go; it also keeps every block of the result in memory",
    fix="use iter_internal_ref_bundles(), or to_arrow_refs() for the blocks themselves",
    bad="""
import ray

refs = ray.data.range(8).get_internal_block_refs()
""",
    good="""
import ray

refs = [ref for bundle in ray.data.range(8).iter_internal_ref_bundles() for ref in bundle.block_refs]
""",
)
def internal_block_refs(module: Module) -> Iterator[Finding]:
    """get_internal_block_refs() of any dataset."""
    for operation in module.operations:
        if operation.name == "get_internal_block_refs" and operation.call is not None:
            yield Finding(operation.call.node, "get_internal_block_refs() is deprecated: iter_internal_ref_bundles()")
