"""How often a script starts Ray."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from headrace.lint.model.module import Module
from headrace.lint.model.records import Call
from headrace.lint.rule import Category, Finding, rule

_MANY = 3  # scripts on a page: one that sets Ray up twice is read as one, as tutorials are


@rule(
    id="HR060",
    name="ray-init-twice",
    category=Category.BREAKS,
    title="ray.init() is called a second time",
    why="Ray runs already: RuntimeError ends a script there, and a notebook or page that is run from top to bottom",
    fix="call it once, before all else; or leave it out, for the first use of Ray Data starts Ray",
    error="Maybe you called ray.init twice by accident?",
    bad="""
import ray

ray.init()
print(ray.cluster_resources())

ray.init()
ray.data.range(8).show()
""",
    good="""
import ray

if not ray.is_initialized():
    ray.init()
print(ray.cluster_resources())
ray.data.range(8).show()
""",
)
def ray_init_twice(module: Module) -> Iterator[Finding]:
    """Two calls of ray.init that both happen, with no ray.shutdown between them."""
    if _is_of_scripts(module):
        return
    managed = {i.context_expr for w in module.nodes(ast.With) for i in w.items}
    running: Call | None = None
    for call in module.calls_named("ray.init", "ray.shutdown"):
        if call.name == "ray.shutdown":
            running = None
        elif call.context.branches or call.context.loops or call.node in managed or _may_be_repeated(call):
            continue
        elif running is not None and not call.context.excludes(running.context):
            yield Finding(call.node, f"ray.init() in line {running.node.lineno} has started Ray already")
        else:
            running = call


def _is_of_scripts(module: Module) -> bool:
    """Whether it is a page of several scripts: three or more that call ray.init after an `import ray` of their own."""
    imports = [n.lineno for n in module.nodes(ast.Import) if any(a.name == "ray" for a in n.names)]
    inits = sorted(c.node.lineno for c in module.calls_named("ray.init"))
    own = [n for last, n in pairwise([0, *inits]) if any(last < line < n for line in imports)]
    return len(own) >= _MANY


def _may_be_repeated(call: Call) -> bool:
    allowing = call.keywords.keys() & {"ignore_reinit_error", "allow_multiple"}
    return call.is_open or any(call.constant(name) is not False for name in allowing)
