"""What a dataset cannot say of its blocks before it has run."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.records import Kind, Operation
from headrace.lint.rule import Category, Finding, rule

_MAY_BE_MATERIALIZED = frozenset({"copy", "fully_executed", "lazy", "mix", "repeat", "union", "window", "zip"})
_CHANGES_ROWS = frozenset({"filter", "flat_map", "join", "limit", "map_batches", "map_groups"})


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
        if operation.name != "get_internal_block_refs" or operation.call is None:
            continue
        if not any(_asks_version(getattr(b.node, "test", None)) for b in operation.context.branches):
            yield Finding(operation.call.node, "get_internal_block_refs() is deprecated: iter_internal_ref_bundles()")


def _asks_version(test: ast.expr | None) -> bool:
    """Whether an `if` asks which Ray this is: `Version(ray.__version__) >= ...`, `hasattr(ds, ...)`."""
    names = [str(getattr(n, "attr", None) or getattr(n, "id", "")) for n in ast.walk(test)] if test is not None else []
    return any(n == "hasattr" or "version" in n.lower() for n in names)


@rule(
    id="HR028",
    name="size-of-lazy-dataset",
    category=Category.WASTES_MEMORY,
    title="size_bytes() runs the whole pipeline",
    why="after limit, filter or map_batches Ray does not know the size: it runs everything, keeps all blocks in the "
    "object store for that one number, and a write or take() after it starts from the source again",
    fix="leave it out; or call materialize() first and go on with what it returns, where the data fits in memory",
    bad="""
import ray

ds = ray.data.range(1_000_000).limit(1000)
print(ds.size_bytes())
ds.write_parquet("out/")
""",
    good="""
import ray

ds = ray.data.range(1_000_000).limit(1000).materialize()
print(ds.size_bytes())
ds.write_parquet("out/")
""",
    notes="""
Right after a read, `size_bytes()` costs nothing: it is an estimate from the files' sizes. So is `count()` of Parquet
files, images and binary files, even after `limit()`.

Tutorials use it to work out a number of blocks for `override_num_blocks` or `repartition()`. Ray Data cuts blocks to
`DataContext.target_max_block_size` by itself, and a plain `repartition(n)` waits until all rows are there.

A dataset keeps the answer, so that asking it again costs nothing; what is made of the dataset later does not know it.
""",
)
def size_of_lazy_dataset(module: Module) -> Iterator[Finding]:
    """The first size_bytes() after a step that changes the number of rows, on every way that leads there."""
    found: dict[ast.AST, list[Operation]] = defaultdict(list)
    for operation in module.operations:
        if operation.name == "size_bytes" and operation.call is not None:
            found[operation.call.node].append(operation)
    known: set[Operation | None] = set()  # datasets that keep the answer
    for operations in found.values():
        steps = [_of_unknown_size(o) for o in operations]
        last, call, asked = steps[0], operations[0].call, {o.upstream for o in operations}
        if call is not None and last is not None and None not in steps and not asked <= known:
            yield Finding(call.node, f"size_bytes() runs everything up to {last.name}; what follows runs it again")
        known |= asked


def _of_unknown_size(run: Operation) -> Operation | None:
    """The last step that may change how many rows there are, since something was materialized; None without one."""
    for step in reversed(run.chain[:-1]):
        if step.name == "materialize":
            return None
        keeps = step.call is not None and step.call.constant("udf_modifying_row_count") is False
        if step.name in _CHANGES_ROWS and not keeps:
            return step
    return None
