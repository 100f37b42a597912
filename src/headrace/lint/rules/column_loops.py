"""Python's loop over a column that NumPy does at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.model.module import Module
from headrace.lint.model.records import Function
from headrace.lint.model.values import Origin, Symbol, possible
from headrace.lint.rule import Category, Finding, rule


@rule(
    id="HR059",
    name="column-looped",
    category=Category.SLOW,
    title="a loop does to each row what NumPy does to the column",
    why="a batch's columns are NumPy arrays; Python's loop over one makes an object of every row and is many times "
    "slower than the same arithmetic on the array",
    fix='write it for the column: batch["x"] * 2, or np.full(len(batch["x"]), value)',
    bad="""
import ray

def double(batch):
    return {"id": [x * 2 for x in batch["id"]]}

ray.data.range(8).map_batches(double).write_parquet("out/")
""",
    good="""
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double).write_parquet("out/")
""",
)
def column_looped(module: Module) -> Iterator[Finding]:
    """A loop or comprehension over a column whose result is arithmetic with numbers, or the same for every row."""
    for operation in module.maps:
        function = operation.function
        arrow = operation.call is not None and "pyarrow" in operation.call.constants("batch_format")
        if function is None or operation.name != "map_batches" or arrow:
            continue
        for node in function.parts:
            looped = _looped(node)
            if looped is not None and isinstance(node, ast.expr | ast.stmt) and _is_column(module, looped, function):
                yield Finding(node, f"{function.qualname} goes through {ast.unparse(looped)} row by row")


def _looped(node: ast.AST) -> ast.expr | None:
    """What a loop goes over, where it only does arithmetic with numbers, or makes the same thing again and again."""
    if isinstance(node, ast.ListComp) and len(node.generators) == 1 and not node.generators[0].ifs:
        over = node.generators[0]
        return over.iter if isinstance(over.target, ast.Name) and _is_plain(node.elt, over.target.id) else None
    if not isinstance(node, ast.For) or node.orelse or len(node.body) != 1 or not isinstance(node.target, ast.Name):
        return None
    call = node.body[0].value if isinstance(node.body[0], ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "append":
        return None
    return node.iter if len(call.args) == 1 and _is_plain(call.args[0], node.target.id) else None


def _is_plain(node: ast.expr, name: str) -> bool:
    """Arithmetic of a row's value and numbers, or constants alone; dicts and lists of such."""
    parts = list(ast.walk(node))
    if not all(isinstance(p, _CONTAINERS | _ARITHMETIC) for p in parts):
        return False
    if not any(isinstance(p, ast.Name) for p in parts):
        return True
    names = all(p.id == name for p in parts if isinstance(p, ast.Name))
    keys = {k for p in parts if isinstance(p, ast.Dict) for k in p.keys}
    numbers = [p.value for p in parts if isinstance(p, ast.Constant) and p not in keys]
    return names and bool(numbers) and all(type(n) in (int, float) for n in numbers)


_CONTAINERS = ast.Dict | ast.List | ast.expr_context
_ARITHMETIC = ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop | ast.Constant | ast.Name


def _is_column(module: Module, node: ast.expr, function: Function) -> bool:
    """Whether an expression is a column of the batch that a function gets, as it came."""
    path = f"{function.batch_parameter}["
    return all(
        isinstance(v, Symbol)
        and v.origin is Origin.PARAMETER
        and v.function is function
        and v.path.startswith(path)
        and v.path.count("[") == 1
        for v in possible(module.value(node))
    )
