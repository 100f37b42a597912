"""Statements: names bound, branches taken, functions gone into."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from headrace.lint.model.expressions import Expressions
from headrace.lint.model.module import Import
from headrace.lint.model.records import Branch, ClassInfo, Function, Handler, Loop, Result, Stored
from headrace.lint.model.values import (
    UNKNOWN,
    ClassValue,
    Constant,
    Entries,
    Flow,
    FunctionValue,
    Instance,
    Items,
    Origin,
    Symbol,
    Value,
    either,
    element,
    is_large,
    possible,
)
from headrace.lint.model.vocabulary import OTHERS, SOURCES
from headrace.lint.model.walker import Scope, annotates_dataset, annotates_other, leaves

_STARRED_NAMES = (*sorted(SOURCES), "ActorPoolStrategy", "TaskPoolStrategy", "DataContext", "Dataset")


class Statements(Expressions):
    """Walks statements in the order in which they run; loops once, branches each with the names that it binds."""

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Walks statements. What follows an `if` that leaves stands in that if's other arm."""
        with ExitStack() as arms:
            for statement in statements:
                if isinstance(statement, ast.If) and leaves(statement.body):
                    self.evaluate(statement.test)
                    self._arm(statement, 0, statement.body, statement.test)
                    arms.enter_context(self.in_branch(Branch(statement, 1)))
                    self.block(statement.orelse)
                else:
                    self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        """Walks one statement."""
        method = _METHODS.get(type(node))
        if method is not None:
            getattr(self, method)(node)
        else:
            self._parts(node)

    def _arm(self, node: ast.AST, arm: int, body: Sequence[ast.stmt], test: ast.expr | None) -> dict[str, Value]:
        """Walks an arm; gives the names as it leaves them, and puts back what they were."""
        before = dict(self.scope.names)
        with self.in_branch(Branch(node, arm, test)):
            self.block(body)
        after, self.scope.names = self.scope.names, before
        return after

    def _join(self, arms: Sequence[dict[str, Value]]) -> None:
        if not arms:
            return
        joined = dict(arms[0])
        for arm in arms[1:]:
            for name, value in arm.items():
                known = joined.get(name, value)
                joined[name] = value if known is value else either(known, value)
        self.scope.names = joined

    # Statements

    def _if(self, node: ast.If) -> None:
        self.evaluate(node.test)
        arms = [self._arm(node, 0, node.body, node.test), self._arm(node, 1, node.orelse, None)]
        self._join(arms[:1] if leaves(node.orelse) else arms)

    def _try(self, node: ast.Try) -> None:
        with self.in_branch(Branch(node, 0)):
            self.block(node.body)
            self.block(node.orelse)
        arms = [self.scope.names]
        for number, handler in enumerate(node.handlers, 1):
            caught = self.evaluate(handler.type) if handler.type is not None else None
            catches = tuple(caught.items) if isinstance(caught, Items) else (caught,) if caught is not None else ()
            found = Handler(handler, catches, self.context)
            if self.recording:
                self.module.handlers.append(found)
                if self.context.function is not None:
                    self.context.function.handlers.append(found)
            if handler.name:
                self.bind(handler.name, Symbol("except", Origin.BUILTIN, base=caught))
            after = self._arm(node, number, handler.body, None)
            if not leaves(handler.body):
                arms.append(after)
        self._join(arms)
        self.block(node.finalbody)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        iterated = self.evaluate(node.iter)
        with self.in_loop(Loop(node, iterated, self.context.function)):
            self.assign(node.target, element(iterated))
            self._count(node.body)
            self.block(node.body)
        self.block(node.orelse)

    def _count(self, body: Sequence[ast.stmt]) -> None:
        """A name that a loop's body counts up, `n += 1`, is no constant there, but what enumerate counts."""
        for node in (n for s in body for n in ast.walk(s) if isinstance(n, ast.AugAssign)):
            name = node.target.id if isinstance(node.target, ast.Name) else ""
            if isinstance(self.scope.names.get(name), Constant) and isinstance(node.value, ast.Constant):
                self.scope.names[name] = Symbol("enumerate()[0]", Origin.BUILTIN)

    def _while(self, node: ast.While) -> None:
        with self.in_loop(Loop(node, UNKNOWN, self.context.function)):
            self._count(node.body)
            self.evaluate(node.test)
            self.block(node.body)
        self.block(node.orelse)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        managers = []
        for item in node.items:
            managers.append(self.evaluate(item.context_expr))
            if item.optional_vars is not None:
                self.assign(item.optional_vars, managers[-1])
        with self.in_with(managers):
            self.block(node.body)

    def _match(self, node: ast.Match) -> None:
        self.evaluate(node.subject)
        self._join([self._arm(node, number, case.body, case.guard) for number, case in enumerate(node.cases)])

    def _assign(self, node: ast.Assign) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target, value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        value = self.evaluate(node.value) if node.value is not None else UNKNOWN
        if not isinstance(value, Flow) and self._says_dataset(node.annotation):
            value = self.source(ast.unparse(node.target), self.context.function)
        if node.value is not None or value is not UNKNOWN:
            self.assign(node.target, value)

    def _augmented(self, node: ast.AugAssign) -> None:
        value = self.evaluate(node.value)
        before = self.evaluate(node.target)
        if isinstance(before, Items) and isinstance(value, Items):
            before.items = [] if is_large(before) else [*before.items, *value.items[:8]]
            before.whole = False
        elif not isinstance(before, Items):
            self.assign(node.target, UNKNOWN)

    def assign(self, target: ast.expr, value: Value) -> None:
        """Binds `target` to `value`."""
        if isinstance(target, ast.Name):
            self.bind(target.id, self._as_guessed(target.id, value))
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, value)
        elif isinstance(target, ast.Attribute):
            for holder in possible(self.evaluate(target.value)):
                if isinstance(holder, Instance | ClassValue):
                    self._set_attribute(holder.cls, target.attr, value)
        elif isinstance(target, ast.Subscript):
            holder, key = self.evaluate(target.value), self.evaluate(target.slice)
            if isinstance(holder, Entries) and isinstance(key, Constant) and isinstance(key.value, str):
                holder.entries[key.value], holder.places[key.value] = value, target
                if is_large(holder):
                    holder.entries[key.value] = UNKNOWN
            elif isinstance(holder, Entries):
                holder.whole = False
            elif isinstance(holder, Symbol) and isinstance(key, Constant) and isinstance(key.value, str):
                self._store(Stored(target, key.value, value), holder)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, UNKNOWN)

    def _store(self, stored: Stored, holder: Symbol) -> None:
        """Notes a column that a function puts into the batch that it was given."""
        function = holder.function
        if self.recording and function is not None and function.is_batch(holder):
            function.stored.append(stored)

    def _unpack(self, target: ast.Tuple | ast.List, value: Value) -> None:
        value = possible(value)[0]
        whole = isinstance(value, Items) and value.whole and len(value.items) == len(target.elts)
        for number, part in enumerate(target.elts):
            if isinstance(value, Items):
                self.assign(part, value.items[number] if whole else element(value))
            elif isinstance(value, Symbol):
                path = f"{value.path}[{number}]"
                self.assign(part, Symbol(path, value.origin, value.function, value, value.call))
            else:
                self.assign(part, UNKNOWN)

    def _set_attribute(self, cls: ClassInfo, name: str, value: Value) -> None:
        """The last assignment counts, in a branch with the one before; None takes nothing back."""
        before = cls.attributes.get(name)
        if before is not None and isinstance(value, Constant) and value.value is None:
            return
        cls.attributes[name] = either(before, value) if before is not None and self.context.branches else value

    def _as_guessed(self, name: str, value: Value) -> Value:
        """What an unknown function returned is a dataset where the module calls map_batches on that name."""
        if name in self.guessed and isinstance(value, Symbol) and value.origin is not Origin.BUILTIN:
            return value if value.path.startswith(OTHERS) else self.source(name, self.context.function)
        return value

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            self._imported(name, alias.name if alias.asname else name)

    def _import_from(self, node: ast.ImportFrom) -> None:
        home = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name != "*":
                self._imported(alias.asname or alias.name, f"{home}.{alias.name}")
            elif home == "ray.data":
                for name in _STARRED_NAMES:
                    self._imported(name, f"ray.data.{name}")

    def _imported(self, name: str, path: str) -> None:
        self.bind(name, Symbol(path))
        if self.recording:
            self.module.imports.append(Import(name, path, self.context.function))

    def _outer(self, node: ast.Global | ast.Nonlocal) -> None:
        self.scope.outer |= set(node.names)

    def _return(self, node: ast.Return) -> None:
        value = self.evaluate(node.value) if node.value is not None else Constant(None)
        self._give_back(node, value)

    def _expression(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Yield | ast.YieldFrom) and self.context.function is not None:
            value = self.evaluate(node.value.value) if node.value.value is not None else Constant(None)
            if self.recording:
                self.context.function.yields.append(Result(node, value, self.context))
        else:
            self.evaluate(node.value)

    def _give_back(self, node: ast.AST, value: Value) -> None:
        function = self.context.function
        if function is None:
            return
        if self.recording:
            function.returns.append(Result(node, value, self.context))
        self._returned = value if self._returned is UNKNOWN else either(self._returned, value)

    # Functions and classes

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        function = self.define(node)
        value: Value = FunctionValue(function)
        for decorator in function.decorators:
            if isinstance(decorator, Symbol) and decorator.path in {"ray.remote", "ray.remote()"}:
                value = self.made_remote(value, decorator.call)
        if self.scope.cls is not None:
            self.scope.cls.methods[node.name] = function
        self.bind(node.name, value)

    def define(self, node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
        """A function of the module; the same one for the same node."""
        known = self.module.values.get(node.args)
        if isinstance(known, FunctionValue):
            known.function.scope = self.scope
            return known.function
        written: list[ast.expr] = [] if isinstance(node, ast.Lambda) else node.decorator_list
        decorators = tuple(self.evaluate(d) for d in written)
        for default in (*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)):
            self.evaluate(default)
        name = "lambda" if isinstance(node, ast.Lambda) else node.name
        function = Function(name, node, self.scope.cls, decorators, self.scope)
        self.module.functions.append(function)
        self.module.values[node.args] = FunctionValue(function)
        return function

    def _class(self, node: ast.ClassDef) -> None:
        bases = tuple(self.evaluate(b) for b in node.bases)
        decorators = tuple(self.evaluate(d) for d in node.decorator_list)
        cls = ClassInfo(node.name, node, bases, decorators)
        self.module.classes.append(cls)
        outside, self.scope = self.scope, Scope({}, self.scope, self.scope.function, cls)
        self.block(node.body)
        cls.attributes |= {n: v for n, v in self.scope.names.items() if n not in cls.methods}
        self.scope = outside
        value: Value = ClassValue(cls)
        for decorator in decorators:
            if isinstance(decorator, Symbol) and decorator.path in {"ray.remote", "ray.remote()"}:
                value = self.made_remote(value, decorator.call)
        self.bind(node.name, value)

    def run(self, function: Function, args: Sequence[Value], keywords: Mapping[str, Value]) -> Value:
        """Walks `function`'s body with these arguments and gives what it returns."""
        saved = (self.scope, self.context, self.recording, self._returned)
        assert isinstance(function.scope, Scope)
        called = bool(self.running) or self.context.function is not None or self.calling
        self.recording, self._returned = not function.analysed, UNKNOWN
        function.analysed = True
        entry = self.context.entry if called else function
        self.context = replace(self.context, function=function, entry=entry)
        self.scope = Scope(self._bound(function, args, keywords), function.scope, function)
        self.running.append(function)
        if isinstance(function.node, ast.Lambda):
            self._give_back(function.node.body, self.evaluate(function.node.body))
        else:
            self.block(function.node.body)
        self.running.pop()
        result = self._returned
        self.scope, self.context, self.recording, self._returned = saved
        returns = None if isinstance(function.node, ast.Lambda) else function.node.returns
        if (
            not any(isinstance(v, Flow) for v in possible(result))
            and returns is not None
            and self._says_dataset(returns)
        ):
            result = self.source(f"{function.name}()", function)
        function.result = result
        return result

    calling = True  # False while functions are walked that the module itself never calls
    _returned: Value = UNKNOWN

    def _bound(self, function: Function, args: Sequence[Value], keywords: Mapping[str, Value]) -> dict[str, Value]:
        spec = function.node.args
        names: dict[str, Value] = {}
        positional = function.parameters
        if function.owner is not None and not function.is_static and not args:
            args = (Instance(function.owner),)
        defaults = dict(zip((a.arg for a in reversed(positional)), reversed(spec.defaults), strict=False))
        defaults |= {a.arg: d for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None}
        given = dict(zip((a.arg for a in positional), args, strict=False)) | dict(keywords)
        for parameter in (*positional, *spec.kwonlyargs):
            default = (
                self.module.value(defaults[parameter.arg]) if parameter.arg in defaults and self.calling else UNKNOWN
            )
            value = given.get(parameter.arg, default)
            names[parameter.arg] = self._parameter(parameter, value, function)
        for rest in (spec.vararg, spec.kwarg):
            if rest is not None:
                names[rest.arg] = Symbol(rest.arg, Origin.PARAMETER, function)
        return names

    def _parameter(self, parameter: ast.arg, value: Value, function: Function) -> Value:
        if any(isinstance(v, Flow) for v in possible(value)):
            return value
        if annotates_other(parameter.annotation):
            return Symbol(f"{OTHERS[0]}.{parameter.arg}") if value is UNKNOWN else value
        says = parameter.annotation is not None and self._says_dataset(parameter.annotation)
        if says or (parameter.arg in self.guessed and not isinstance(value, Symbol)):
            return self.source(parameter.arg, function)
        return Symbol(parameter.arg, Origin.PARAMETER, function) if value is UNKNOWN else value

    def _says_dataset(self, annotation: ast.expr) -> bool:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except SyntaxError:
                return False
        recording, self.recording = self.recording, False
        says = annotates_dataset(self.evaluate(annotation))
        self.recording = recording
        return says


_METHODS: dict[type[ast.stmt], str] = {
    ast.If: "_if",
    ast.Try: "_try",
    ast.TryStar: "_try",
    ast.For: "_for",
    ast.AsyncFor: "_for",
    ast.While: "_while",
    ast.With: "_with",
    ast.AsyncWith: "_with",
    ast.Match: "_match",
    ast.Assign: "_assign",
    ast.AnnAssign: "_annotated",
    ast.AugAssign: "_augmented",
    ast.Import: "_import",
    ast.ImportFrom: "_import_from",
    ast.Global: "_outer",
    ast.Nonlocal: "_outer",
    ast.Return: "_return",
    ast.Expr: "_expression",
    ast.FunctionDef: "_function",
    ast.AsyncFunctionDef: "_function",
    ast.ClassDef: "_class",
}
