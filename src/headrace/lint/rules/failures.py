"""What is made of exceptions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from headrace.lint.knowledge import is_broad, may_run_model, runs_model
from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import Function, Handler
from headrace.lint.model.values import Flow, inputs
from headrace.lint.rule import Category, Finding, rule

_OUT_OF_MEMORY = re.compile(r"\bOOM\b|out.of.memory", re.IGNORECASE)
_SAYS_FAILED = re.compile(r"err|exc|fail|status|reason|ok|valid|success|message", re.IGNORECASE)
_FILLED = frozenset({"zeros", "ones", "full", "zeros_like", "ones_like", "full_like"})


@rule(
    id="HR035",
    name="any-error-called-oom",
    category=Category.WRONG_RESULT,
    title="any exception is reported as out of memory",
    why="a wrong path, a bad image or a misspelt option is then told as a batch size that is too large",
    fix="catch torch.cuda.OutOfMemoryError, or look for 'out of memory' in the text, and raise the rest",
    bad="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

try:
    ray.data.range(1000).map_batches(double, batch_size=64).write_parquet("out/")
except Exception:
    print("batch size 64: OOM")
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

try:
    ray.data.range(1000).map_batches(double, batch_size=64).write_parquet("out/")
except ray.exceptions.RayTaskError as error:
    if "out of memory" not in str(error):
        raise
    print("batch size 64: OOM")
""",
)
def any_error_called_oom(module: Module) -> Iterator[Finding]:
    """A broad except round a pipeline or model, which says "OOM" without a look at what it caught."""
    bodies = _tried(module)
    for handler in module.handlers:
        if not is_broad(handler) or _looks_at_it(handler.node) or not _says_oom(handler.node):
            continue
        if _does_inference(module, bodies.get(handler.node, set())):
            yield Finding(handler.node, f"{_written(handler)} calls every failure out of memory")


@rule(
    id="HR036",
    name="failure-made-a-row",
    category=Category.WRONG_RESULT,
    title="a model's failure becomes a row that looks like a result",
    why="-1 or 0.0 is averaged and counted with real answers, and a run that failed throughout ends well",
    fix="catch only what bad input raises and leave the answer None with the error beside it; let the rest fail",
    bad="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        try:
            scores = self.model(torch.as_tensor(batch["x"])).numpy()
        except Exception:
            scores = -1.0
        return {"id": batch["id"], "score": scores}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    good="""
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"id": batch["id"], "score": self.model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
)
def failure_made_a_row(module: Module) -> Iterator[Finding]:
    """A broad except round a forward pass, in what a map operation calls, that goes on with made-up values."""
    bodies = _tried(module)
    for operation in module.maps:
        function = operation.function
        if function is None:
            continue
        called = {id(r.call.target): r.call.target for r in reached(function) if r.call.target is not None}
        for one in (function, *called.values()):
            for handler in one.handlers:
                if is_broad(handler) and _runs_model_in(one, bodies.get(handler.node, set())) and _makes_up(handler):
                    message = (
                        f"{_written(handler)} turns a failure of the model in {one.qualname} into a made-up result"
                    )
                    yield Finding(handler.node, message)


def _tried(module: Module) -> dict[ast.AST, set[ast.AST]]:
    """What each except clause guards: the nodes of its try's body."""
    tries: list[ast.Try | ast.TryStar] = [*module.nodes(ast.Try), *module.nodes(ast.TryStar)]
    return {h: {n for s in t.body for n in ast.walk(s)} for t in tries for h in t.handlers}


def _written(handler: Handler) -> str:
    return f"except {ast.unparse(handler.node.type)}" if handler.node.type is not None else "a bare except"


def _looks_at_it(handler: ast.ExceptHandler) -> bool:
    """Whether the clause decides by something, as `if "out of memory" in str(e)`, or raises at once."""
    if any(isinstance(s, ast.Raise) and not _says_oom(s) for s in handler.body):
        return True
    return any(isinstance(n, ast.If | ast.IfExp | ast.Match) for n in ast.walk(handler))


def _says_oom(said: ast.AST) -> bool:
    texts = (n.value for n in ast.walk(said) if isinstance(n, ast.Constant))
    return any(isinstance(t, str) and _OUT_OF_MEMORY.search(t) for t in texts)


def _does_inference(module: Module, body: set[ast.AST]) -> bool:
    """Whether a dataset is used, or a model runs, in this code or in the functions that it calls."""
    calls = [c for c in module.calls if c.node in body]
    calls += [r.call for c in calls if c.target is not None for r in reached(c.target)]
    nodes = {c.node for c in calls}
    if any(o.call is not None and o.call.node in nodes for o in module.operations):
        return True
    given = (v for c in calls for a in (*c.args, *c.keywords.values()) for v in inputs(a))
    return any(runs_model(c) for c in calls) or any(isinstance(v, Flow) for v in given)


def _runs_model_in(function: Function, body: set[ast.AST]) -> bool:
    calls = [c for c in function.calls if c.node in body]
    calls += [r.call for c in calls if c.target is not None for r in reached(c.target)]
    return any(may_run_model(c) for c in calls)


def _makes_up(handler: Handler) -> bool:
    """Whether the clause goes on with values of its own: returned, appended or bound."""
    if any(isinstance(n, ast.Raise) for n in ast.walk(handler.node)):
        return False
    for node in ast.walk(handler.node):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None and _is_made_up(node.value):
            return True
        if isinstance(node, ast.Call) and _appends(node) and any(_is_made_up(a) for a in node.args):
            return True
        if isinstance(node, ast.Assign | ast.AugAssign) and _is_made_up(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = " ".join(ast.unparse(t) for t in targets)
            if not _SAYS_FAILED.search(names):
                return True
    return False


def _appends(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr in {"append", "extend"}


def _is_made_up(node: ast.expr) -> bool:
    """A number or text, filled arrays, or lists and dicts of them; a dict's columns that tell of the failure aside."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float | str) and not isinstance(node.value, bool)
    if isinstance(node, ast.UnaryOp):
        return _is_made_up(node.operand)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mult) and _is_made_up(node.left)
    if isinstance(node, ast.List | ast.Tuple):
        return any(_is_made_up(n) for n in node.elts)
    if isinstance(node, ast.Dict):
        told = [isinstance(k, ast.Constant) and _SAYS_FAILED.search(str(k.value)) for k in node.keys]
        return any(not t and _is_made_up(v) for t, v in zip(told, node.values, strict=True))
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in _FILLED
    return False
