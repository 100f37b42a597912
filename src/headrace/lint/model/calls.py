"""Calls: what is called, with what, and what comes back."""

from __future__ import annotations

import ast
from abc import ABC

from headrace.lint.model.records import (
    ActorCall,
    ActorClass,
    Call,
    Context,
    Function,
    Kind,
    Loop,
    Operation,
    Udf,
    udf_of,
)
from headrace.lint.model.values import (
    LONGEST_PATH,
    UNKNOWN,
    ActorClassValue,
    ActorHandle,
    ActorMethod,
    ClassValue,
    Constant,
    Entries,
    Flow,
    FlowMethod,
    FunctionValue,
    Instance,
    Items,
    ObjectRef,
    Partial,
    Remote,
    RemoteFunction,
    Symbol,
    Value,
    either,
    element,
    is_large,
    possible,
)
from headrace.lint.model.vocabulary import SOURCES, SPLITS, kind_of
from headrace.lint.model.walker import Walker

_FEW = 64  # elements of a list that are kept
_MAPPERS = {"map", "map_batches", "flat_map", "filter", "map_groups"}
_SAME_ITEMS = {"list", "tuple", "sorted", "reversed", "set", "iter", "tqdm.tqdm", "tqdm.auto.tqdm", "itertools.cycle"}
_AGGREGATES = {"aggregate", "count", "max", "mean", "min", "std", "sum"}
_PICKS = {"next", "random.choice"}
_FIRST = {
    "copy.copy",
    "copy.deepcopy",
    "torch.compile",
    "torch.jit.script",
    "torch.jit.trace",
    "torch.jit.freeze",
    "torch.nn.DataParallel",
}  # what they give stands for what they are given


class Calls(Walker, ABC):
    """Evaluates calls."""

    def call(self, node: ast.Call) -> Value:
        """What `node` returns."""
        callee = self.evaluate(node.func)
        call = self._arguments(node, callee)
        call.result = either(*(self._result(one, call) for one in possible(callee)))
        self._record(call)
        return call.result

    def _record(self, call: Call) -> None:
        if self.recording:
            self.module.calls.append(call)
            if call.context.function is not None:
                call.context.function.calls.append(call)

    def _arguments(self, node: ast.Call, callee: Value) -> Call:
        args: list[Value] = []
        keywords: dict[str, Value] = {}
        nodes: dict[str, ast.keyword] = {}
        is_open = False
        for arg in node.args:
            value = self.evaluate(arg)
            if isinstance(arg, ast.Starred):
                is_open |= not (isinstance(value, Items) and value.whole)
                args += value.items if isinstance(value, Items) else []
            else:
                args.append(value)
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is not None:
                keywords[keyword.arg], nodes[keyword.arg] = value, keyword
                continue
            entries = next((v for v in possible(value) if isinstance(v, Entries)), None)
            is_open |= entries is None or not entries.whole
            for name, entry in entries.entries.items() if entries is not None else ():
                keywords[name], nodes[name] = entry, keyword
        return Call(node, callee, tuple(args), keywords, nodes, is_open, self.context)

    def _result(self, callee: Value, call: Call) -> Value:
        if isinstance(callee, Symbol):
            return self._from_outside(callee, call)
        if isinstance(callee, FlowMethod):
            return self.operate(callee, call)
        if isinstance(callee, FunctionValue):
            bound = (callee.bound,) if callee.bound is not None else ()
            return self.follow(callee.function, (*bound, *call.args), call)
        if isinstance(callee, ClassValue):
            init = callee.cls.method("__init__")
            if init is not None:
                self.follow(init, (Instance(callee.cls), *call.args), call)
            return Instance(callee.cls)
        if isinstance(callee, Instance):
            method = callee.cls.method("__call__") or callee.cls.method("forward")  # torch's __call__ calls it
            return self.follow(method, (callee, *call.args), call) if method is not None else UNKNOWN
        if isinstance(callee, Partial):
            return self._of_partial(callee, call)
        return self._remote(callee, call) if isinstance(callee, Remote) else UNKNOWN

    def follow(self, function: Function, args: tuple[Value, ...], call: Call) -> Value:
        """Goes into a function of the module: its first call, and those that bring other datasets."""
        call.target = function
        brings = any(isinstance(v, Flow | FunctionValue | ClassValue) for v in (*args, *call.keywords.values()))
        asks = not function.analysed or brings or _gives_dataset(function.result)
        if not asks or not self.may_go_on(function):
            return function.result
        return self.run(function, args, call.keywords)

    def _of_partial(self, partial: Partial, call: Call) -> Value:
        target = possible(partial.target)[0]
        bound = partial.call.args[1:]
        whole = Call(
            call.node,
            target,
            (*bound, *call.args),
            partial.call.keywords | call.keywords,
            {},
            is_open=False,
            context=self.context,
        )
        result = self._result(target, whole)
        call.target = whole.target
        return result

    def _from_outside(self, callee: Symbol, call: Call) -> Value:
        path = callee.path
        if path.startswith("ray.data.") and path.rpartition(".")[2] in SOURCES and path.count(".") <= 3:
            return self._started(path.rpartition(".")[2], call)
        if path in {"functools.partial", "partial"} and call.args:
            return Partial(call.args[0], call)
        if path in {"ray.remote", "ray.remote()"}:
            return self._made_remote(call, callee.call)
        if path == "headrace.ray.infer" and call.args and isinstance(call.args[0], Flow):
            return Flow(self._operation("infer", Kind.LAZY, call, call.args[0].last))
        if path == "ray.get" and call.args:
            return self._fetched(call)
        known = self._builtin(path, call)
        if known is not None:
            return known
        if path.rpartition(".")[2] in {"map", "apply"} and call.args:
            self._each(call.args[0], call.args[1] if len(call.args) > 1 else callee.base, call)
        if isinstance(callee.base, Items) and call.args:
            _add(callee.base, path, call.args[0])
        return Symbol(f"{path}()"[:LONGEST_PATH], callee.origin, callee.function, callee.base, call)

    def _builtin(self, path: str, call: Call) -> Value | None:
        if path == "dict":
            return Entries(dict(call.keywords), not call.is_open and not call.args, call.node)
        if path in _FIRST and call.args:
            return call.args[0]
        if path in {"typing.cast", "cast"} and call.args:
            return call.args[-1]
        if path in _PICKS and call.args and isinstance(call.args[0], Items):
            return element(call.args[0])
        if path == "getattr" and len(call.args) > 1 and isinstance(call.args[1], Constant):
            owner = call.args[0]
            return Symbol(f"{owner.path}.{call.args[1].value}", base=owner) if isinstance(owner, Symbol) else None
        if path in _SAME_ITEMS and call.args and isinstance(call.args[0], Items):
            return call.args[0]
        if path == "super" and self.context.function is not None and self.context.function.owner is not None:
            base = next((b for b in self.context.function.owner.bases if isinstance(b, ClassValue)), None)
            return Instance(base.cls) if base is not None else None
        return None

    def _each(self, function: Value, over: Value | None, call: Call) -> None:
        """`map(f, rows)`, `executor.map(f, rows)`, `column.apply(f)`: f is called in a loop over what it is given."""
        if over is None:
            return
        with self.in_loop(Loop(call.node, over, self.context.function)):
            one = Call(call.node, function, (element(over),), {}, {}, is_open=False, context=self.context)
            one.result = either(*(self._result(f, one) for f in possible(function)))
            self._record(one)

    # Datasets

    def _started(self, name: str, call: Call) -> Flow:
        return Flow(self._operation(name, Kind.SOURCE, call, None))

    def operate(self, method: FlowMethod, call: Call) -> Value:
        """A dataset's method: the dataset that it gives, or what running the pipeline gives."""
        kind = kind_of(method.name)
        if kind is None:
            return UNKNOWN
        if method.flow.grouped and method.name in _AGGREGATES:
            kind = Kind.LAZY  # a dataset with a row for each group
        operation = self._operation(method.name, kind, call, method.flow.last)
        if method.name in SPLITS:
            return Items("tuple", [Flow(operation)], whole=False, node=call.node)
        if kind is Kind.LAZY or method.name in {"materialize", "fully_executed"}:
            return Flow(operation, grouped=method.name == "groupby")
        return Symbol(f"ray.data.Dataset.{method.name}()", base=method.flow, call=call)

    def _operation(self, name: str, kind: Kind, call: Call, upstream: Operation | None) -> Operation:
        others = tuple(v.last for a in call.args for v in _flat(a) if isinstance(v, Flow))
        udf = None
        if name in _MAPPERS and (
            given := call.args[:1] or tuple(call.keywords[k] for k in ("fn",) if k in call.keywords)
        ):
            udf = udf_of(given[0])
            self._prepare(udf, call)
        operation = Operation(name, kind, call, self.context, upstream, others, udf)
        for before in (upstream, *others):
            if before is not None:
                before.downstream.append(operation)
        self.module.operations.append(operation)
        return operation

    def _prepare(self, udf: Udf, call: Call) -> None:
        """Walks a UDF's __init__, and the UDF itself, with the arguments that the operation gives them."""
        outside, self.context = self.context, Context(entry=self.context.entry)
        own: tuple[Value, ...] = (Instance(udf.cls),) if udf.cls is not None else ()
        args, keywords = _given(call, "fn_constructor_args", "fn_constructor_kwargs")
        if udf.init is not None and not udf.init.analysed and self.may_go_on(udf.init):
            self.run(udf.init, (*own, *args), keywords)
        args, keywords = _given(call, "fn_args", "fn_kwargs")
        if isinstance(udf.value, FunctionValue) and udf.value.bound is not None:
            own = (udf.value.bound,)
        function = udf.function
        if (args or keywords) and function is not None and not function.analysed and self.may_go_on(function):
            self.run(function, (*own, UNKNOWN, *args), keywords)
        self.context = outside

    # Actors and remote functions

    def _fetched(self, call: Call) -> Value:
        """ray.get: what the method or function gives back, where the module tells."""
        refs = [v for v in possible(call.args[0]) if isinstance(v, ObjectRef)]
        results = [r.call.target.result for r in refs if r.call.target is not None]
        known = [r for r in results if r is not UNKNOWN]
        return either(*known) if known else Symbol("ray.get()", base=call.args[0], call=call)

    def _made_remote(self, call: Call, options: Call | None) -> Value:
        """ray.remote(Class), or ray.remote(num_gpus=1)(Class)."""
        if not call.args:
            return Symbol("ray.remote()", call=call)
        return self.made_remote(call.args[0], options)

    def made_remote(self, value: Value, options: Call | None) -> Value:
        """A class as an actor class, a function as a remote function."""
        if isinstance(value, ClassValue):
            known = next((a for a in self.module.actors if a.cls is value.cls), None)
            if known is None:
                known = ActorClass(value.cls, options)
                self.module.actors.append(known)
            return ActorClassValue(known, (options,) if options is not None else ())
        function = value.function if isinstance(value, FunctionValue) else None
        return RemoteFunction(function, (options,) if options is not None else ())

    def _remote(self, remote: Remote, call: Call) -> Value:
        """`.options(...)` or `.remote(...)`."""
        target = remote.target
        if remote.name == "options":
            if isinstance(target, ActorClassValue):
                return ActorClassValue(target.actor, (*target.options, call))
            return (
                RemoteFunction(target.function, (*target.options, call))
                if isinstance(target, RemoteFunction)
                else target
            )
        if isinstance(target, ActorClassValue):
            init = target.actor.cls.method("__init__")
            if init is not None:
                self.follow(init, (Instance(target.actor.cls), *call.args), call)
            if self.recording:
                target.actor.created.append(call)
            return ActorHandle(target.actor, call)
        if isinstance(target, ActorMethod):
            made = ActorCall(target.handle, target.name, call)
            method = target.handle.actor.cls.method(target.name)
            if method is not None:
                self.follow(method, (Instance(target.handle.actor.cls), *call.args), call)
            if self.recording:
                target.handle.actor.calls.append(made)
                self.module.actor_calls.append(made)
            return ObjectRef(call, made)
        if isinstance(target, RemoteFunction) and target.function is not None:
            self.follow(target.function, call.args, call)
        return ObjectRef(call)


def _add(items: Items, method: str, value: Value) -> None:
    """list.append, list.extend, set.add."""
    items.whole = False
    if len(items.items) >= _FEW:
        return
    if method.endswith((".append", ".add")):
        items.items.append(value)
    elif method.endswith(".extend") and isinstance(value, Items) and value is not items:
        items.items += value.items
    if is_large(items):
        items.items = []


def _given(call: Call, args: str, keywords: str) -> tuple[list[Value], dict[str, Value]]:
    """What an operation passes on: fn_args=(...) and fn_kwargs={...}, as far as they are written out."""
    listed, named = call.keywords.get(args), call.keywords.get(keywords)
    return (
        listed.items if isinstance(listed, Items) else [],
        named.entries if isinstance(named, Entries) else {},
    )


def _flat(value: Value) -> list[Value]:
    return value.items if isinstance(value, Items) else list(possible(value))


def _gives_dataset(value: Value) -> bool:
    return any(isinstance(v, Flow) for v in possible(value))
