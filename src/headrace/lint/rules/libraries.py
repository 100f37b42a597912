"""Columns and arguments that tutorials still count on."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import Function, Operation
from headrace.lint.model.values import possible
from headrace.lint.rule import Category, Edit, Finding, rule

_SAME_WEIGHTS = (
    "alexnet", "convnext_", "densenet", "efficientnet_", "mnasnet", "mobilenet_v", "regnet_", "resnet", "resnext50",
    "resnext101_32x8d", "shufflenet_", "squeezenet", "vgg", "wide_resnet",
)  # fmt: skip
_WITH_PATHS = frozenset({"read_audio", "read_binary_files", "read_images", "read_text", "read_videos"})
_KEEP_COLUMNS = frozenset(
    {"filter", "limit", "materialize", "random_sample", "random_shuffle", "randomize_block_order", "repartition",
     "sort"}
)  # fmt: skip


@rule(
    id="HR041",
    name="pretrained-true",
    category=Category.INFORMATION,
    title="a torchvision model is built with pretrained=True",
    why="deprecated since torchvision 0.13, it warns in every worker, and does not say which weights are meant",
    fix='name the weights: weights="IMAGENET1K_V1" is what it stands for, "DEFAULT" is the newest',
    fixable=True,
    bad="""
import ray
from torchvision import models

class Predict:
    def __init__(self):
        self.model = models.resnet50(pretrained=True).eval()
""",
    good="""
import ray
from torchvision import models

class Predict:
    def __init__(self):
        self.model = models.resnet50(weights="IMAGENET1K_V1").eval()
""",
)
def pretrained_true(module: Module) -> Iterator[Finding]:
    """pretrained=True, or a first argument True, of a torchvision model."""
    for call in module.calls:
        path = next((p for p in call.names if p.startswith("torchvision.models.") and "()" not in p), None)
        if path is None:
            continue
        model = path.rpartition(".")[2]
        same = path.count(".") == 2 and model.startswith(_SAME_WEIGHTS)
        keyword = call.keyword_nodes.get("pretrained")
        if call.constant("pretrained") is True and keyword is not None:
            certain = same and keyword.arg == "pretrained" and "weights" not in call.keywords and not call.is_open
            edits = (Edit(keyword, 'weights="IMAGENET1K_V1"'),) if certain else ()
            yield Finding(keyword, f"{model}(pretrained=True) is deprecated: say weights=", edits)
        elif call.args and getattr(call.args[0], "value", None) is True:
            yield Finding(call.node, f"{model}(True) is pretrained=True, which is deprecated: say weights=")


@rule(
    id="HR042",
    name="path-not-included",
    category=Category.BREAKS,
    ray=">=2.3",
    title='the column "path" is used, and the read was not asked for it',
    why="read_images and its kin give the content alone, so the first batch raises KeyError",
    fix="say include_paths=True where the files are read",
    error="KeyError: 'path'",
    fixable=True,
    bad="""
import ray

with open("note.txt", "w") as file:
    file.write("one")

def name(batch):
    return {"name": batch["path"], "text": batch["text"]}

ray.data.read_text("note.txt").map_batches(name).materialize()
""",
    good="""
import ray

with open("note.txt", "w") as file:
    file.write("one")

def name(batch):
    return {"name": batch["path"], "text": batch["text"]}

ray.data.read_text("note.txt", include_paths=True).map_batches(name).materialize()
""",
)
def path_not_included(module: Module) -> Iterator[Finding]:
    """batch["path"], or "path" in select_columns, of a read of whole files before any step that may add columns."""
    for operation in module.operations:
        function = operation.function
        source = _read(operation)
        read = source.call if source is not None else None
        if source is None or read is None:
            continue
        if read.is_open or not ("include_paths" not in read.keywords or read.constants("include_paths") == (False,)):
            continue
        node = _path_taken(module, function) if function is not None else _selected(operation)
        if node is not None:
            given = read.keyword_nodes.get("include_paths")
            edits = _asking(module, read.node) if given is None else ()
            yield Finding(node, f'{source.name} gives no "path" without include_paths=True', edits)


def _selected(operation: Operation) -> ast.expr | None:
    """Where select_columns() names "path"."""
    call = operation.call if operation.name == "select_columns" else None
    nodes = [n for a in (*call.node.args[:1], *call.node.keywords) for n in ast.walk(a)] if call is not None else []
    return next((n for n in nodes if isinstance(n, ast.Constant) and n.value == "path"), None)


def _read(operation: Operation) -> Operation | None:
    """The read whose columns an operation gets as they are."""
    before = operation.chain[:-1]
    if not before or before[0].name not in _WITH_PATHS:
        return None
    return before[0] if all(step.name in _KEEP_COLUMNS for step in before[1:]) else None


def _asking(module: Module, call: ast.Call) -> tuple[Edit, ...]:
    """Adds include_paths=True after the last argument, where that is a plain one (no parentheses of its own)."""
    if call.keywords:
        last = call.keywords[-1]
        return (Edit(last, f"{last.arg}={module.written(last.value)}, include_paths=True"),) if last.arg else ()
    inside = ", ".join(module.written(a) for a in call.args)
    if not call.args or module.written(call) != f"{module.written(call.func)}({inside})":
        return ()
    return (Edit(call.args[-1], f"{module.written(call.args[-1])}, include_paths=True"),)


def _path_taken(module: Module, function: Function) -> ast.expr | None:
    """Where a function takes "path" of its batch or row; None where it asks first, or puts it there itself."""
    taken: ast.expr | None = None
    helpers = [one.call.target for one in reached(function) if one.call.target is not None]
    for node in (n for f in (function, *helpers) for n in f.parts):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant) and node.left.value == "path":
            return None
        if not isinstance(node, ast.Subscript) or getattr(node.slice, "value", None) != "path":
            continue
        if not any(function.is_batch(v) for v in possible(module.value(node.value))):
            continue
        if isinstance(node.ctx, ast.Store):
            return None
        taken = taken or node
    return taken
