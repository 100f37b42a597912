"""Expressions: what each stands for."""

from __future__ import annotations

import ast
from abc import ABC

from headrace.lint.model.calls import Calls
from headrace.lint.model.records import Branch, Loop
from headrace.lint.model.values import (
    LONGEST_PATH,
    UNKNOWN,
    ActorClassValue,
    ActorHandle,
    ActorMethod,
    ClassValue,
    Computed,
    Constant,
    Entries,
    Flow,
    FlowMethod,
    FunctionValue,
    Instance,
    Items,
    Origin,
    Remote,
    RemoteFunction,
    Symbol,
    Value,
    either,
    element,
    is_large,
    possible,
)
from headrace.lint.model.vocabulary import OTHERS, kind_of

_FEW = 64  # elements of a literal that are looked at
_GROWS = ast.BinOp | ast.UnaryOp | ast.Compare | ast.JoinedStr | ast.List | ast.Tuple | ast.Set | ast.Dict


class Expressions(Calls, ABC):
    """Evaluates expressions."""

    def evaluate(self, node: ast.expr) -> Value:
        """What `node` stands for; records the calls in it."""
        method = _METHODS.get(type(node))
        value: Value = getattr(self, method)(node) if method is not None else self._parts(node)
        if isinstance(node, _GROWS) and is_large(value):
            value = UNKNOWN
        if self.recording:
            self.module.values[node] = value
        return value

    def _parts(self, node: ast.AST) -> Value:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.evaluate(child)
        return UNKNOWN

    def _constant(self, node: ast.Constant) -> Value:
        return Constant(node.value)

    def _name(self, node: ast.Name) -> Value:
        return self.lookup(node.id)

    def _attribute(self, node: ast.Attribute) -> Value:
        return either(*(self._member(one, node) for one in possible(self.evaluate(node.value))))

    def _member(self, value: Value, node: ast.Attribute) -> Value:
        name = node.attr
        if isinstance(value, Symbol):
            return self._symbols_member(value, name)
        if isinstance(value, Flow):
            return FlowMethod(value, name) if kind_of(name) is not None else UNKNOWN
        if isinstance(value, Instance | ClassValue):
            return self._objects_member(value, name)
        if isinstance(value, ActorHandle):
            return ActorMethod(value, name)
        if isinstance(value, ActorClassValue | ActorMethod | RemoteFunction):
            return Remote(value, name) if name in {"remote", "options"} else UNKNOWN
        if isinstance(value, Items | Entries):
            return Symbol(f"{'dict' if isinstance(value, Entries) else value.kind}.{name}", Origin.BUILTIN, base=value)
        return UNKNOWN

    def _symbols_member(self, value: Symbol, name: str) -> Value:
        if name == "map_batches" and not value.path.startswith(("ray.", *OTHERS)):
            return FlowMethod(self.source(value.path, value.function), name)
        return Symbol(f"{value.path}.{name}"[:LONGEST_PATH], value.origin, value.function, value)

    def _objects_member(self, value: Instance | ClassValue, name: str) -> Value:
        for cls in value.cls.lineage():
            attributes = self.attributes_of(cls) if isinstance(value, Instance) else cls.attributes
            if name in attributes:
                return attributes[name]
            if name in cls.methods:
                method = cls.methods[name]
                if any(isinstance(d, Symbol) and d.path.endswith("property") for d in method.decorators):
                    return self.run(method, (value,), {}) if self.may_go_on(method) else method.result
                return FunctionValue(method, None if method.is_static or isinstance(value, ClassValue) else value)
        outer = value.cls.outer_bases()
        return Symbol(f"{outer[0]}().{name}", base=value) if outer and isinstance(value, Instance) else UNKNOWN

    def _subscript(self, node: ast.Subscript) -> Value:
        key = self.evaluate(node.slice)
        return either(*(self._item(one, key, node) for one in possible(self.evaluate(node.value))))

    def _item(self, value: Value, key: Value, node: ast.Subscript) -> Value:
        if isinstance(value, Items):
            index = key.value if isinstance(key, Constant) else None
            if isinstance(index, int) and value.whole and -len(value.items) <= index < len(value.items):
                return value.items[index]
            return value if isinstance(node.slice, ast.Slice) else either(*value.items) if value.items else UNKNOWN
        if isinstance(value, Entries):
            name = key.value if isinstance(key, Constant) else None
            return value.entries.get(name, UNKNOWN) if isinstance(name, str) else UNKNOWN
        if isinstance(value, Symbol):
            shown = repr(key.value) if isinstance(key, Constant) else key.path if isinstance(key, Symbol) else ""
            shown = shown.replace("'", '"')
            return Symbol(f"{value.path}[{shown}]"[:LONGEST_PATH], value.origin, value.function, value, value.call)
        return UNKNOWN

    def _operator(self, node: ast.BinOp) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        if isinstance(left, Constant) and isinstance(right, Constant):
            return _arithmetic(node.op, left.value, right.value)
        if isinstance(left, Items) and isinstance(right, Items) and isinstance(node.op, ast.Add):
            return Items(left.kind, [*left.items, *right.items], left.whole and right.whole, node)
        if isinstance(left, Items) and isinstance(node.op, ast.Mult):
            return Items(left.kind, left.items, whole=False, node=node)
        return Computed(type(node.op).__name__, (left, right))

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self.evaluate(node.operand)
        if isinstance(value, Constant) and isinstance(node.op, ast.USub) and isinstance(value.value, int | float):
            return Constant(-value.value)
        return Computed(type(node.op).__name__, (value,))

    def _comparison(self, node: ast.Compare) -> Value:
        return Computed("Compare", tuple(self.evaluate(n) for n in (node.left, *node.comparators)))

    def _boolean(self, node: ast.BoolOp) -> Value:
        return either(*(self.evaluate(n) for n in node.values))

    def _text(self, node: ast.JoinedStr) -> Value:
        return Computed("f", tuple(self.evaluate(v.value) for v in node.values if isinstance(v, ast.FormattedValue)))

    def _conditional(self, node: ast.IfExp) -> Value:
        self.evaluate(node.test)
        with self.in_branch(Branch(node, 0, node.test)):
            first = self.evaluate(node.body)
        with self.in_branch(Branch(node, 1)):
            return either(first, self.evaluate(node.orelse))

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        values = [self.evaluate(n) for n in node.elts[:_FEW] if not isinstance(n, ast.Starred)]
        for starred in (n for n in node.elts[:_FEW] if isinstance(n, ast.Starred)):
            self.evaluate(starred.value)
        return Items(type(node).__name__.lower(), values, len(values) == len(node.elts), node)

    def _dict(self, node: ast.Dict) -> Value:
        found = Entries({}, len(node.keys) <= _FEW, node)
        for key, value_node in zip(node.keys[:_FEW], node.values, strict=False):
            value = self.evaluate(value_node)
            name = self.evaluate(key) if key is not None else None
            if isinstance(name, Constant) and isinstance(name.value, str):
                found.entries[name.value] = value
            elif key is None and isinstance(value, Entries):
                found.entries.update(value.entries)
                found.whole &= value.whole
            else:
                found.whole = False
        return found

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
        return self._comprehended(node, node.generators)

    def _comprehended(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, left: list[ast.comprehension]
    ) -> Value:
        """Walks the generators one inside the other. Its names are left in the scope, which hurts nobody."""
        if left:
            iterated = self.evaluate(left[0].iter)
            with self.in_loop(Loop(left[0], iterated, self.context.function)):
                self.assign(left[0].target, element(iterated))
                for test in left[0].ifs:
                    self.evaluate(test)
                return self._comprehended(node, left[1:])
        if isinstance(node, ast.DictComp):
            self.evaluate(node.key)
            self.evaluate(node.value)
            return Entries({}, whole=False, node=node)
        kind = {ast.ListComp: "list", ast.SetComp: "set", ast.GeneratorExp: "generator"}[type(node)]
        return Items(kind, [self.evaluate(node.elt)], whole=False, node=node)

    def _lambda(self, node: ast.Lambda) -> Value:
        return FunctionValue(self.define(node))

    def _named(self, node: ast.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        self.assign(node.target, value)
        return value

    def _inner(self, node: ast.Await | ast.Starred) -> Value:
        return self.evaluate(node.value)


def _arithmetic(op: ast.operator, left: object, right: object) -> Value:
    """Whole numbers of a sane size are computed, as 4 * 1024."""
    if not isinstance(left, int | float) or not isinstance(right, int | float) or abs(left) + abs(right) > 1e12:
        return UNKNOWN
    if isinstance(op, ast.Add | ast.Sub):
        return Constant(left + right if isinstance(op, ast.Add) else left - right)
    if isinstance(op, ast.Mult):
        return Constant(left * right)
    if isinstance(op, ast.Div | ast.FloorDiv) and right:
        return Constant(left / right if isinstance(op, ast.Div) else left // right)
    return UNKNOWN


_METHODS: dict[type[ast.expr], str] = {
    ast.Constant: "_constant",
    ast.Name: "_name",
    ast.Attribute: "_attribute",
    ast.Call: "call",
    ast.Subscript: "_subscript",
    ast.BinOp: "_operator",
    ast.UnaryOp: "_unary",
    ast.Compare: "_comparison",
    ast.BoolOp: "_boolean",
    ast.JoinedStr: "_text",
    ast.IfExp: "_conditional",
    ast.List: "_sequence",
    ast.Tuple: "_sequence",
    ast.Set: "_sequence",
    ast.Dict: "_dict",
    ast.ListComp: "_comprehension",
    ast.SetComp: "_comprehension",
    ast.GeneratorExp: "_comprehension",
    ast.DictComp: "_comprehension",
    ast.Lambda: "_lambda",
    ast.NamedExpr: "_named",
    ast.Await: "_inner",
    ast.Starred: "_inner",
}
