"""Ray actors made by hand, beside or instead of map_batches."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.lint.knowledge import may_run_model
from headrace.lint.model.module import Module, is_over_batches, reached
from headrace.lint.model.records import ActorCall, Call, Udf
from headrace.lint.model.values import (
    ActorHandle,
    Computed,
    Constant,
    Flow,
    Items,
    ObjectRef,
    Origin,
    Symbol,
    Value,
    possible,
)
from headrace.lint.rule import Category, Finding, rule

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
    why="an actor keeps its CPU and GPU while it waits, a task its GPU: where these are all that the cluster has, "
    "what they wait for never starts",
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
What is the same for all batches is put in the object store once (`ray.put`) and fetched with ray.get: that waits for
nobody and is no finding. In the class's `__init__` it is also unpacked only once.
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
            if (
                waits is not None
                and not one.is_guarded
                and not (_is_at_hand(one.call, udf) or _is_gathered(one.call, udf))
            ):
                yield Finding(one.call.node, f"{waits} makes {udf.name} wait in every call that {operation.name} makes")


def _is_gathered(call: Call, udf: Udf) -> bool:
    """Whether it waits for all the actors that the class made itself: a model in parts."""
    given = call.args[0] if call.args else None
    refs = [r for i in given.items for r in possible(i)] if isinstance(given, Items) else []
    calls = [r.actor_call for r in refs if isinstance(r, ObjectRef)]
    own = [c for c in calls if c is not None and c.handle.created.context.function is udf.init]
    return udf.init is not None and bool(refs) and len(own) == len(refs)


def _is_at_hand(call: Call, udf: Udf) -> bool:
    """Whether nothing is waited for: what ray.put stored, or an argument other than the batch (fn_args, fn_kwargs)."""
    refs = possible(call.args[0]) if call.args else ()
    return bool(refs) and all(isinstance(r, Symbol) and (r.path == "ray.put()" or _is_argument(r, udf)) for r in refs)


def _is_argument(symbol: Symbol, udf: Udf) -> bool:
    of_udf = symbol.origin is Origin.PARAMETER and symbol.function is udf.function
    return of_udf and udf.function is not None and symbol.path != udf.function.batch_parameter


@rule(
    id="HR052",
    name="get-in-submit-loop",
    category=Category.SLOW,
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
    for call in module.calls_named("ray.get"):
        loops = [loop for loop in call.loops if not isinstance(loop.node, ast.While)]
        if not loops or not call.args or _feeds_itself(call, loops[-1].node):
            continue
        given = call.args[0]
        if isinstance(given, Items) and given.whole and len(given.items) == 1:
            given = given.items[0]
        refs = [v for v in possible(given) if isinstance(v, ObjectRef) and not _is_of_only_actor(v)]
        if refs and all(loops[-1] in ref.call.loops for ref in refs):
            yield Finding(call.node, "ray.get waits for each call before the loop makes the next")


def _is_of_only_actor(ref: ObjectRef) -> bool:
    """Whether it is of a class with one actor, which does one call at a time in any case; no model fed with items."""
    one = ref.actor_call
    if one is None or len(one.handle.actor.created) != 1 or one.handle.actor.created[0].context.loops:
        return False
    return _gets_dataset(one.call) or not _runs_model(one)


def _gets_dataset(call: Call) -> bool:
    return any(isinstance(v, Flow) for a in call.args for v in possible(a))


def _feeds_itself(call: Call, loop: ast.AST) -> bool:
    """Whether each turn needs the last one's answer: `state = ray.get(step.remote(state))`, or through other names."""
    uses: dict[str, set[str]] = {}
    for name, made in _bound(loop):
        uses.setdefault(name, set()).update(_names(made))
    answers = {name for name, made in _bound(loop) if any(n is call.node for n in ast.walk(made))}
    needed = _names(call.node)
    while more := set().union(*(uses.get(name, set()) for name in needed)) - needed:
        needed |= more
    return bool(answers & needed)


def _bound(loop: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(loop):
        if isinstance(node, ast.Assign):
            yield from ((n.id, node.value) for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name))


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


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
        if loops and not _gets_dataset(one.call) and not _is_concurrent(one):
            yield Finding(one.call.node, f"one {one.handle.actor.cls.name} does all of this loop, a call at a time")


def _runs_model(one: ActorCall) -> bool:
    method = one.handle.actor.cls.method(one.method)
    if method is None:
        return False
    return any(may_run_model(r.call) for r in reached(method))


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
    """An actor whose method runs a model, and is called by a map operation or fed with batches by the driver."""
    by_node = {one.call.node: one for one in module.actor_calls}
    for operation in module.maps:
        function = operation.function
        for one in reached(function) if function is not None else ():
            actor_call = by_node.get(one.call.node)
            if function is not None and actor_call is not None and _runs_model(actor_call):
                name = actor_call.handle.actor.cls.name
                made = actor_call.handle.created.node
                yield Finding(made, f"{name} is an actor made by hand, which {function.qualname} passes its batches to")
    for actor_call in module.actor_calls:
        created, actor = actor_call.handle.created, actor_call.handle.actor
        is_single = len(actor.created) == 1 and not created.context.loops  # HR053 says that
        if not is_single and _runs_model(actor_call) and any(is_over_batches(loop) for loop in actor_call.call.loops):
            yield Finding(
                created.node, f"{actor.cls.name} is an actor made by hand, which the driver feeds batch by batch"
            )


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
    for node in module.nodes(ast.Subscript):
        if not _is_actor(module.value(node)):
            continue
        held = possible(module.value(node.value))
        for index in possible(module.value(node.slice)):
            if not any(isinstance(h, Items) for h in held) or not isinstance(index, Computed) or index.op != "Mod":
                continue
            number = index.operands[0]
            if not isinstance(number, Constant) and _depends(number) <= {"length"}:
                what = "the batch's length" if _depends(number) else "a constant"
                yield Finding(node, f"the index depends on {what} alone, so that one actor gets all batches")


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
