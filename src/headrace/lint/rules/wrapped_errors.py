"""Errors of a map operation's function, as the driver meets them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from headrace.lint.knowledge import builds, runs_model
from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import Call, Handler, Operation
from headrace.lint.model.values import Symbol
from headrace.lint.rule import Category, Finding, rule

_OF_TORCH = frozenset({"torch.cuda.OutOfMemoryError", "torch.OutOfMemoryError", "torch.cuda.CudaError"})
_CATCHES_IT = ("ray.", "Exception", "BaseException")
_MEMORY = re.compile(r"out.of.memory|\bOOM\b|\bcuda\b", re.IGNORECASE)


@rule(
    id="HR057",
    name="function-error-by-type",
    category=Category.BREAKS,
    ray=">=2.10",
    title="an error of a map operation's function is caught by its own type",
    why="whatever the function raises reaches the driver as RayTaskError(UserCodeException), which is no RuntimeError "
    "and no torch error: the except clause never runs and the script ends there",
    fix="catch ray.exceptions.RayTaskError and look at its text, which holds the function's own traceback",
    error="RayTaskError(UserCodeException)",
    notes="`DataContext.get_current().raise_original_map_exception = True` brings the original types back.",
    bad="""
import ray

def embed(batch):
    if len(batch["id"]) > 1:
        raise RuntimeError("CUDA out of memory")
    return {"id": batch["id"] * 2}

for size in (2, 1):
    try:
        ray.data.range(8).map_batches(embed, batch_size=size).materialize()
        break
    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise
""",
    good="""
import ray

def embed(batch):
    if len(batch["id"]) > 1:
        raise RuntimeError("CUDA out of memory")
    return {"id": batch["id"] * 2}

for size in (2, 1):
    try:
        ray.data.range(8).map_batches(embed, batch_size=size).materialize()
        break
    except ray.exceptions.RayTaskError as error:
        if "out of memory" not in str(error):
            raise
""",
)
def function_error_by_type(module: Module) -> Iterator[Finding]:
    """torch's out-of-memory error, or a RuntimeError that is looked at for it, round the run of a map operation."""
    if any(node.attr == "raise_original_map_exception" for node in module.nodes(ast.Attribute)):
        return
    runs = {o.call.node for o in module.runs if o.call is not None and _is_of_functions(o)}
    tries: list[ast.Try | ast.TryStar] = [*module.nodes(ast.Try), *module.nodes(ast.TryStar)]
    guarded = {handler: one for one in tries for handler in one.handlers}
    clauses = {handler.node: handler for handler in module.handlers}
    for handler in module.handlers:
        caught = _own_type(handler)
        statement = guarded.get(handler.node)
        if caught is None or statement is None or not _runs_in(module, statement, runs):
            continue
        if not any(_catches_ray(clauses[other]) for other in statement.handlers if other in clauses):
            yield Finding(handler.node, f"except {caught} never catches what the map operation's function raises")


def _is_of_functions(run: Operation) -> bool:
    """Whether a run's errors are those of map operations: the driver may fail on what iter_* gives it."""
    return any(step.maps for step in run.chain) and not run.name.startswith("iter_")


def _own_type(handler: Handler) -> str | None:
    """The name of the error that a clause expects of the function; None where it may expect one of the driver's."""
    paths = [c.path for c in handler.catches if isinstance(c, Symbol)]
    if len(paths) < len(handler.catches) or not paths:
        return None
    if all(p in _OF_TORCH for p in paths):
        return paths[0]
    texts = (n.value for n in ast.walk(handler.node) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    about_memory = all(p in _OF_TORCH or p == "RuntimeError" for p in paths) and any(map(_MEMORY.search, texts))
    return "RuntimeError" if about_memory else None


def _catches_ray(handler: Handler) -> bool:
    paths = [c.path for c in handler.catches if isinstance(c, Symbol)]
    return not handler.catches or any(p.startswith(_CATCHES_IT) for p in paths)


def _runs_in(module: Module, statement: ast.Try | ast.TryStar, runs: set[ast.Call]) -> bool:
    """Whether a try's body runs a pipeline, itself or by the module's functions, and no model of the driver's own."""
    nodes = {n for s in statement.body for n in ast.walk(s) if isinstance(n, ast.Call)}
    calls: list[Call] = [c for c in module.calls if c.node in nodes]
    calls += [r.call for c in calls if c.target is not None for r in reached(c.target)]
    own = any(runs_model(c) or builds(c) == "model" for c in calls)
    return not own and not runs.isdisjoint(c.node for c in calls)
