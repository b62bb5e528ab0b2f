"""Whether a route file does nothing by being imported, but define what is in it: then a start needn't execute it.

What such a file imports is imported at the start all the same, so what other modules do then is done. Whatever isn't
known to be without effect, and without a look at what may change until the first request, counts as one.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

from millpond.routes.deferred.harmless_names import (
    BASES,
    BUILTINS,
    BY_REFERENCE,
    ENUMS,
    OF_INSTANCES,
    READERS,
    WITHOUT_EFFECT,
)


class TopImport(NamedTuple):
    """An import at the top level of a file."""

    module: str
    level: int
    """Dots in front of the module."""
    names: tuple[str, ...]
    """Those that are taken from the module; none: the module itself is."""


class _HasEffect(Exception):
    """Something isn't known to be without effect."""


def inert_imports(tree: ast.Module) -> list[TopImport] | None:
    """What a file imports at its top level, if it does nothing else but define names; None where that isn't certain.

    Args:
        tree: the file's.
    """
    source = _TopLevel()
    try:
        source.block(tree.body)
    except _HasEffect:
        return None
    return source.imports


class _TopLevel:
    """Walks over a file from top to bottom, with the names that it has so far."""

    def __init__(self) -> None:
        self.imports: list[TopImport] = []
        self._harmless: dict[str, frozenset[str] | None] = {}
        """Names of modules in WITHOUT_EFFECT, and what they may be asked for."""
        self._callable: set[str] = set()
        """Names of what may be called."""
        self._by_reference: set[str] = set()
        self._foreign: set[str] = set()
        """Names whose values other modules may change."""
        self._own: set[str] = set()
        self._classes: set[str] = set()
        self._known: set[str] = set()
        """Imported names that may be looked into."""
        self._readers: set[str] = set()
        """Names of READERS, and of what they export."""
        self._enums: set[str] = set()
        """Names of classes whose members are made with the class."""
        self._opaque: set[str] = set()
        """The file's own names, where a look into their values could run code, or see what other modules change."""
        self._is_in_class = False

    # Statements

    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import():
                self._import(statement)
            case ast.ImportFrom():
                self._import_from(statement)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(statement)
            case ast.ClassDef():
                self._class(statement)
            case ast.Assign(targets=targets, value=value):
                self._assigned(targets, value)
            case ast.AnnAssign(target=target, annotation=annotation, value=given):
                self._annotation(annotation)
                self._assigned([target], given)
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.If(test=test, orelse=orelse):
                if not _is_never(test):
                    raise _HasEffect
                self.block(orelse)
            case _:
                if not _is_type_alias(statement):
                    raise _HasEffect

    def _assigned(self, targets: list[ast.expr], value: ast.expr | None) -> None:
        is_opaque = value is not None and self._has_opaque(value)
        if is_opaque and self._is_in_class and isinstance(value, ast.Name):  # its __set_name__ would run
            raise _HasEffect
        if value is not None and all(isinstance(target, ast.Name) for target in targets):
            self._value(value)
        elif value is not None:  # it is unpacked
            self._looked_into(value)
        for target in targets:
            self._target(target, is_opaque=is_opaque)

    def _has_opaque(self, value: ast.expr) -> bool:
        """Whether a part of a value, or the whole of it, is nothing to be looked into."""
        names = {each.id for each in ast.walk(value) if isinstance(each, ast.Name)}
        return not names.isdisjoint(self._foreign | self._opaque)

    def _import(self, statement: ast.Import) -> None:
        for alias in statement.names:
            self.imports.append(TopImport(alias.name, 0, ()))
            name = alias.asname or alias.name.partition(".")[0]
            self._bind(name)
            if alias.name in WITHOUT_EFFECT and (alias.asname or "." not in alias.name):
                self._harmless[name] = WITHOUT_EFFECT[alias.name]
                if alias.name in READERS:
                    self._readers.add(name)
            else:
                self._foreign.add(name)

    def _import_from(self, statement: ast.ImportFrom) -> None:
        module = statement.module or ""
        if module == "__future__":
            return
        names = tuple(alias.name for alias in statement.names)
        if "*" in names:
            raise _HasEffect
        self.imports.append(TopImport(module, statement.level, names))
        known = WITHOUT_EFFECT.get(module, frozenset()) if statement.level == 0 else frozenset[str]()
        for alias in statement.names:
            name = alias.asname or alias.name
            self._bind(name)
            if known is not None and alias.name not in known:
                self._foreign.add(name)
                continue
            self._known.add(name)
            self._callable.add(name)
            if module == "fastapi" and alias.name in BY_REFERENCE:
                self._by_reference.add(name)
            if module in READERS or alias.name.endswith("Response"):
                self._readers.add(name)
            if module == "enum" and alias.name in ENUMS:
                self._enums.add(name)

    def _function(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in function.decorator_list:
            self._decorator(decorator)
        arguments = function.args
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self._value(default)
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for argument in every:
            if argument is not None and argument.annotation is not None:
                self._annotation(argument.annotation)
        if function.returns is not None:
            self._annotation(function.returns)
        self._bind(function.name)
        self._opaque.add(function.name)

    def _decorator(self, decorator: ast.expr) -> None:
        if isinstance(decorator, ast.Call):
            self._call(decorator)
        elif not self._is_callable(decorator):
            raise _HasEffect

    def _class(self, made: ast.ClassDef) -> None:
        for decorator in made.decorator_list:
            self._decorator(decorator)
        for base in made.bases:
            if not self._is_base(base):
                raise _HasEffect
        for keyword in made.keywords:
            if keyword.arg == "metaclass":
                raise _HasEffect
            self._value(keyword.value)
        is_enum = any(self._is_enum(base) for base in made.bases)
        if is_enum and any(self._may_make_members(each) for each in (*made.bases, *made.body)):
            raise _HasEffect
        outside = {name: each.copy() for name, each in vars(self).items() if isinstance(each, set | dict)}
        outside_class, self._is_in_class = self._is_in_class, True
        self.block(made.body)
        self._is_in_class = outside_class
        vars(self).update(outside)  # names of its body mean nothing outside of it
        self._bind(made.name)
        self._classes.add(made.name)
        self._opaque.add(made.name)
        if is_enum:
            self._enums.add(made.name)

    def _is_enum(self, base: ast.expr) -> bool:
        match base:
            case ast.Name(id=name):
                return name in self._enums
            case ast.Attribute(attr=attribute):
                return attribute in ENUMS
        return False

    def _may_make_members(self, part: ast.AST) -> bool:
        """Whether a base or a statement of an enum's class may be what makes its members."""
        match part:
            case ast.Name(id=name):
                return name in self._classes and name not in self._enums
            case ast.FunctionDef(name=name):
                return name == "__init__"
        return False

    def _is_base(self, base: ast.expr) -> bool:
        if isinstance(base, ast.Subscript):
            self._annotation(base.slice)
            base = base.value
        if isinstance(base, ast.Name) and base.id not in self._foreign:
            return (
                base.id in self._classes or (base.id in BASES and base.id not in self._own) or self._is_callable(base)
            )
        return self._is_callable(base)

    def _target(self, target: ast.expr, *, is_opaque: bool) -> None:
        match target:
            case ast.Name():
                self._bind(target.id)
                if is_opaque:
                    self._opaque.add(target.id)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self._target(element, is_opaque=is_opaque)
            case _:
                raise _HasEffect

    def _bind(self, name: str) -> None:
        """A name means something new from here on."""
        is_special = name.startswith("_") and name.endswith("_") and name.strip("_") != ""
        if self._is_in_class and is_special and name not in OF_INSTANCES:
            raise _HasEffect
        self._harmless.pop(name, None)
        for names in vars(self).values():
            if isinstance(names, set):
                names.discard(name)
        self._own.add(name)

    # Expressions

    def _is_callable(self, function: ast.expr) -> bool:
        match function:
            case ast.Name(id=name):
                return name in self._callable or (name in BUILTINS and name not in self._own)
            case ast.Attribute(value=ast.Name(id=module), attr=attribute) if module in self._harmless:
                names = self._harmless[module]
                return names is None or attribute in names
        return False

    def _call(self, call: ast.Call) -> None:
        function = call.func
        if not self._is_callable(function):
            raise _HasEffect
        name, attribute = _name_and_attribute(function)
        keeps = name in self._by_reference or attribute in BY_REFERENCE
        reads = name in self._readers or (attribute or "").endswith("Response")
        looks = reads or (attribute is None and name in BUILTINS)
        for argument in call.args:
            self._argument(argument, keeps=keeps, looks=looks)
        for keyword in call.keywords:
            self._argument(keyword.value, keeps=keeps, looks=looks or keyword.arg is None)  # **options are read

    def _argument(self, argument: ast.expr, *, keeps: bool, looks: bool) -> None:
        if keeps and isinstance(argument, ast.Attribute):
            self._annotation(argument)
        elif looks:
            self._looked_into(argument)
        else:
            self._value(argument)

    def _value(self, value: ast.expr) -> None:
        """An expression whose value is kept as it is."""
        match value:
            case ast.Constant() | ast.Name():
                pass
            case ast.Lambda(args=arguments):
                for default in (*arguments.defaults, *arguments.kw_defaults):
                    if default is not None:
                        self._value(default)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                for element in elements:
                    self._value(element)
            case ast.Dict(keys=keys, values=values):
                for each in (*keys, *values):
                    if each is None:  # **other
                        raise _HasEffect
                    self._value(each)
            case ast.Call():
                self._call(value)
            case _:
                self._looked_into(value)

    def _looked_into(self, value: ast.expr) -> None:
        """An expression that is computed, so its parts may be nobody else's."""
        match value:
            case ast.Constant():
                return
            case ast.Name(id=name):
                if name in self._foreign or name in self._opaque:
                    raise _HasEffect
            case ast.Attribute(value=ast.Name(id=name)) if name in self._harmless or name in self._known:
                return
            case ast.Attribute(value=ast.Call() as call) if _name_and_attribute(call.func)[0] in self._readers:
                self._call(call)
            case ast.Call():
                self._call(value)
            case ast.BinOp(left=left, right=right):
                self._looked_into(left)
                self._looked_into(right)
            case ast.UnaryOp(operand=operand):
                self._looked_into(operand)
            case ast.BoolOp(values=values):
                for each in values:
                    self._looked_into(each)
            case ast.Compare(left=left, comparators=others):
                for each in (left, *others):
                    self._looked_into(each)
            case ast.JoinedStr(values=values):
                for each in values:
                    self._looked_into(each.value if isinstance(each, ast.FormattedValue) else each)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                for each in elements:
                    self._looked_into(each)
            case ast.Dict(keys=keys, values=values):
                for key, each in zip(keys, values, strict=True):
                    if key is None:
                        raise _HasEffect
                    self._looked_into(key)
                    self._looked_into(each)
            case ast.Subscript(value=inner, slice=index):
                self._annotation_of_harmless(inner)
                self._annotation(index)
            case _:
                raise _HasEffect

    def _annotation_of_harmless(self, value: ast.expr) -> None:
        """What may be subscripted outside of an annotation: types, such as `dict[str, int]`."""
        if not (self._is_callable(value) or (isinstance(value, ast.Name) and value.id in self._own - self._foreign)):
            raise _HasEffect

    def _annotation(self, annotation: ast.expr) -> None:
        """A type, or what is kept like one: names and their attributes, whoever they are of."""
        match annotation:
            case ast.Constant() | ast.Name():
                return
            case ast.Attribute(value=value):
                self._annotation(value)
            case ast.Subscript(value=value, slice=index):
                self._annotation(value)
                self._annotation(index)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self._annotation(element)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                self._annotation(left)
                self._annotation(right)
            case ast.Call():
                self._call(annotation)
            case _:
                raise _HasEffect


def _name_and_attribute(function: ast.expr) -> tuple[str, str | None]:
    """What `_is_callable` allows: a name, or a name and its attribute."""
    match function:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return name, attribute
        case ast.Name(id=name):
            return name, None
    return "", None


def _is_never(test: ast.expr) -> bool:
    """Whether a condition is about type checkers, or about a file that is run as a script."""
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(value=ast.Name(id="typing"), attr="TYPE_CHECKING"):
            return True
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return True
    return False


def _is_type_alias(statement: ast.stmt) -> bool:
    """Whether it is a `type` statement, whose value is computed at its first use; new in Python 3.12."""
    return type(statement).__name__ == "TypeAlias"
