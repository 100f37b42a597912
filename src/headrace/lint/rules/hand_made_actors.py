"""Ray actors made by hand, beside or instead of map_batches."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.knowledge import runs_model
from headrace.lint.model.module import Module, reached
from headrace.lint.model.records import ActorCall, Call
from headrace.lint.model.values import (
    ActorHandle,
    Computed,
    Constant,
    Items,
    ObjectRef,
    Origin,
    Symbol,
    Value,
    possible,
)
from headrace.lint.rule import Category, Finding, rule

_PREDICTS = frozenset({"predict", "predict_proba", "generate", "encode", "forward", "transcribe"})
_BAD_GET = """
import ray

@ray.remote
def double(x):
    return x * 2

results = []
for x in range(8):
    results.append(ray.get(double.remote(x)))
"""
_SERVED = """
import ray
import torch

@ray.remote
class Server:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def predict(self, x):
        return self.model(torch.as_tensor(x)).numpy()

"""
_BY_MAP_BATCHES = """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"id": batch["id"], "y": self.model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
"""


@rule(
    id="HR051",
    name="get-in-udf",
    category=Category.WASTES_ACCELERATOR,
    title="ray.get waits inside a map operation's function",
    why="the worker keeps its CPU or GPU while it waits for another, and a full cluster waits for ever",
    fix="do the work in the map operation itself: give it the class that holds the model",
    bad=_SERVED
    + """
server = Server.remote()

def predict(batch):
    return {"id": batch["id"], "y": ray.get(server.predict.remote(batch["x"]))}

ray.data.read_parquet("in/").map_batches(predict, batch_size=64).write_parquet("out/")
""",
    good=_BY_MAP_BATCHES,
    notes="""
What is the same for all batches is put in the object store once, and fetched with ray.get in the class's `__init__`.
""",
)
def get_in_udf(module: Module) -> Iterator[Finding]:
    """ray.get or ray.wait, called by what a map operation calls, itself or through the module's functions."""
    for operation in module.maps:
        udf = operation.udf
        if udf is None or udf.function is None:
            continue
        for one in reached(udf.function):
            waits = next((n for n in one.call.names if n in {"ray.get", "ray.wait"}), None)
            if waits is not None and not one.is_guarded:
                yield Finding(one.call.node, f"{waits} makes {udf.name} wait in every call that {operation.name} makes")


@rule(
    id="HR052",
    name="get-in-submit-loop",
    category=Category.WASTES_ACCELERATOR,
    title="each task is waited for before the next is submitted",
    why="one task runs at a time, whatever the cluster has",
    fix="submit all, then ray.get the list; for data, let ray.data's map_batches keep the workers busy",
    bad=_BAD_GET,
    good="""
import ray

@ray.remote
def double(x):
    return x * 2

results = ray.get([double.remote(x) for x in range(8)])
""",
)
def get_in_submit_loop(module: Module) -> Iterator[Finding]:
    """ray.get, in a for loop or comprehension, of one reference that was made in the same loop."""
    fed_back = _fed_back(module.tree)
    for call in module.calls_named("ray.get"):
        loops = [loop for loop in call.loops if not isinstance(loop.node, ast.While)]
        if not loops or not call.args or call.node in fed_back:
            continue
        refs = [v for v in possible(call.args[0]) if isinstance(v, ObjectRef)]
        if refs and all(loops[-1] in ref.call.loops for ref in refs):
            yield Finding(call.node, "ray.get waits for each call before the loop makes the next")


def _fed_back(tree: ast.Module) -> set[ast.AST]:
    """The calls whose result is bound to a name that they use: `state = ray.get(step.remote(state))`."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            if any(isinstance(n, ast.Name) and n.id in targets for n in ast.walk(node.value)):
                found.add(node.value)
    return found


@rule(
    id="HR053",
    name="one-actor-fed-serially",
    category=Category.WASTES_ACCELERATOR,
    title="one actor is fed item by item",
    why="an actor does one call at a time: the items queue for it, one forward pass each, and other GPUs stay idle",
    fix="give the class to map_batches, which makes batches and as many workers as there is room for",
    bad=_SERVED
    + """
server = Server.remote()
results = ray.get([server.predict.remote([x]) for x in range(1000)])
""",
    good=_BY_MAP_BATCHES,
)
def one_actor_fed_serially(module: Module) -> Iterator[Finding]:
    """A method that runs a model, called in a loop on the only actor of its class."""
    for one in module.actor_calls:
        created = one.handle.actor.created
        if len(created) != 1 or created[0].context.loops or not one.call.args or not _runs_model(one):
            continue
        loops = [loop for loop in one.call.loops if not isinstance(loop.node, ast.While)]
        if loops and not _is_concurrent(one):
            yield Finding(one.call.node, f"one {one.handle.actor.cls.name} does all of this loop, a call at a time")


def _runs_model(one: ActorCall) -> bool:
    method = one.handle.actor.cls.method(one.method)
    if method is None:
        return False
    return any(runs_model(r.call) or r.call.name.rpartition(".")[2] in _PREDICTS for r in reached(method))


def _is_concurrent(one: ActorCall) -> bool:
    """Whether the actor does several calls at once: max_concurrency, or async methods."""
    methods = one.handle.actor.cls.methods.values()
    options = one.handle.actor.options
    says = options is not None and "max_concurrency" in options.keywords
    created = ast.unparse(one.handle.created.node.func)
    return says or "max_concurrency" in created or any(isinstance(m.node, ast.AsyncFunctionDef) for m in methods)


@rule(
    id="HR054",
    name="actors-beside-map-batches",
    category=Category.WASTES_ACCELERATOR,
    title="actors made by hand do the work of map_batches",
    why="Ray Data does not know of them: it neither counts their GPUs, nor replaces or adds any, nor keeps them fed",
    fix="give the class to map_batches, with its model in __init__ and compute=ray.data.ActorPoolStrategy(size=N)",
    bad=_SERVED
    + """
servers = [Server.remote() for _ in range(2)]

def predict(batch):
    server = servers[int(batch["id"][0]) % len(servers)]
    return {"id": batch["id"], "y": ray.get(server.predict.remote(batch["x"]))}

ray.data.read_parquet("in/").map_batches(predict, batch_size=64).write_parquet("out/")
""",
    good=_BY_MAP_BATCHES,
)
def actors_beside_map_batches(module: Module) -> Iterator[Finding]:
    """An actor whose method runs a model and is called by what a map operation calls."""
    by_node = {one.call.node: one for one in module.actor_calls}
    for operation in module.maps:
        function = operation.udf.function if operation.udf is not None else None
        for one in reached(function) if function is not None else ():
            actor_call = by_node.get(one.call.node)
            if function is not None and actor_call is not None and _runs_model(actor_call):
                name = actor_call.handle.actor.cls.name
                made = actor_call.handle.created.node
                yield Finding(made, f"{name} is an actor made by hand, which {function.name} passes its batches to")


@rule(
    id="HR055",
    name="actor-picked-by-constant",
    category=Category.WASTES_ACCELERATOR,
    title="an actor is picked by something that never changes",
    why="the length of a full batch is always the same, and so is its hash: one actor gets all, the others nothing",
    fix="let map_batches choose the worker: give it the class and compute=ray.data.ActorPoolStrategy(size=N)",
    bad=_SERVED
    + """
servers = [Server.remote() for _ in range(2)]

def predict(batch):
    server = servers[hash(len(batch["id"])) % len(servers)]
    return {"id": batch["id"], "y": ray.get(server.predict.remote(batch["x"]))}

ray.data.read_parquet("in/").map_batches(predict, batch_size=64).write_parquet("out/")
""",
    good=_BY_MAP_BATCHES,
)
def actor_picked_by_constant(module: Module) -> Iterator[Finding]:
    """An element of a list of actors, by an index modulo something that depends on nothing but a length."""
    for node, value in list(module.values.items()):
        if not isinstance(node, ast.Subscript) or not _is_actor(value):
            continue
        held = possible(module.value(node.value))
        for index in possible(module.value(node.slice)):
            if not any(isinstance(h, Items) for h in held) or not isinstance(index, Computed) or index.op != "Mod":
                continue
            if _depends(index.operands[0]) == {"length"}:
                yield Finding(node, "the index depends on the batch's length alone, so that one actor gets all batches")


def _is_actor(value: Value) -> bool:
    return any(isinstance(v, ActorHandle) for v in possible(value))


_PURE = ("hashlib", "zlib", "int", "str", "hash", "repr", "abs", "len", "bytes")


def _depends(value: Value) -> set[str]:
    """What a value is made from: "length" of something, "data", or "other"; nothing for a literal."""
    found: set[str] = set()
    for one in possible(value):
        if isinstance(one, Computed):
            found.update(*(_depends(o) for o in one.operands))
        elif isinstance(one, Symbol):
            found |= _symbol_depends(one)
        elif not isinstance(one, Constant):
            found.add("other")
    return found


def _symbol_depends(symbol: Symbol) -> set[str]:
    if symbol.path == "len()" or symbol.path.endswith(".shape[0]"):
        return {"length"}
    if symbol.origin is Origin.PARAMETER:
        return {"data"}
    if symbol.path.split(".")[0].removesuffix("()") not in _PURE:
        return {"other"}
    call: Call | None = symbol.call
    found = _depends(symbol.base) if symbol.base is not None else set()
    return found.union(*(_depends(a) for a in call.args)) if call is not None else found
