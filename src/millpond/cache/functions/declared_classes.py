"""Instances of the classes that a return type names: each as its class and its fields, so that a union is no riddle."""

from __future__ import annotations

import dataclasses
import typing
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any

import msgspec
import pydantic

from millpond.cache.functions.models import restore, state_of, validated
from millpond.cache.functions.plain import NotPlain, fields_of
from millpond.cache.functions.scalars import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNNAMED = "; declare the function's return type, so that it can be read back"


class Undeclared(NotPlain):
    """It contains an instance of a class that the return type doesn't name."""


class DeclaredClasses:
    """The classes of a return type and of their fields, however deep: enums, named tuples, dataclasses, models."""

    def __init__(self, declared: object) -> None:
        kinds = list(dict.fromkeys(_classes_in(declared, set())))
        names = [_name(kind) for kind in kinds]
        self._kinds = {name: kind for name, kind in zip(names, kinds, strict=True) if names.count(name) == 1}

    @property
    def shape(self) -> dict[str, list[str]]:
        """The names of the classes, with those of their fields."""
        return {name: [field for field, _ in _fields(kind)] for name, kind in self._kinds.items()}

    def parts_of(self, value: object, where: str) -> tuple[str, Any, Any]:
        """See `Instances`."""
        kind = type(value)
        name = _name(kind)
        if isinstance(value, SECRETS):
            raise NotPlain(value, where)
        if self._kinds.get(name) is not kind:
            known = fields_of(value) is not None or isinstance(value, Enum)
            raise Undeclared(value, where, _UNNAMED) if known else NotPlain(value, where)
        if isinstance(value, Enum):
            return name, value.value if isinstance(value, Flag) else value.name, None
        if isinstance(value, tuple):
            return name, list(value), None
        fields = dict(fields_of(value) or {})
        if not isinstance(value, pydantic.BaseModel):
            return name, fields, None
        secrets = {each: item for each, item in fields.items() if isinstance(item, SECRETS) and _may_show(value, each)}
        shown = {each: item.get_secret_value() for each, item in secrets.items()}
        return name, {**fields, **shown}, state_of(value)

    def made_of(self, name: str, parts: Any, state: Any) -> object:
        """See `Instances`."""
        kind = self._kinds[name]
        if issubclass(kind, Flag):
            return kind(parts)
        if issubclass(kind, Enum):
            return kind[parts]
        if issubclass(kind, tuple):
            return kind(*parts)
        if issubclass(kind, pydantic.BaseModel):
            model = validated(kind, parts["root"] if issubclass(kind, pydantic.RootModel) else parts)
            restore(model, state)
            return model
        return _constructed(kind, parts)


def _constructed(kind: type[Any], fields: dict[str, Any]) -> object:
    """A dataclass or Struct. What its constructor doesn't take is set afterwards."""
    if not dataclasses.is_dataclass(kind):
        return kind(**fields)
    later = {field.name for field in dataclasses.fields(kind) if not field.init}
    made: object = kind(**{name: value for name, value in fields.items() if name not in later})
    for name in later & fields.keys():
        object.__setattr__(made, name, fields[name])
    return made


def _may_show(model: pydantic.BaseModel, field: str) -> bool:
    """Whether the author of a model has declared how a secret is written."""
    serializers = type(model).__pydantic_decorators__.field_serializers.values()
    return any({field, "*"} & set(serializer.info.fields) for serializer in serializers)


def _classes_in(annotation: Any, seen: set[int]) -> Iterator[type]:
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    alias = getattr(annotation, "__value__", None)  # that of a `type` statement
    if alias is not None and not isinstance(annotation, type):
        yield from _classes_in(alias, seen)
    for part in (typing.get_origin(annotation), *typing.get_args(annotation)):
        yield from _classes_in(part, seen)
    if isinstance(annotation, type):
        if issubclass(annotation, Enum) or _has_fields(annotation):
            yield annotation
        for _, kind in _fields(annotation):
            yield from _classes_in(kind, seen)


def _has_fields(kind: type) -> bool:
    is_named_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
    return dataclasses.is_dataclass(kind) or is_named_tuple or issubclass(kind, msgspec.Struct | pydantic.BaseModel)


def _fields(kind: type) -> Iterable[tuple[str, Any]]:
    """The fields of a class, with their types; nothing for other classes."""
    if issubclass(kind, pydantic.BaseModel):
        return [(name, field.annotation) for name, field in kind.model_fields.items()]
    if not _has_fields(kind) and not typing.is_typeddict(kind):
        return []
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except (NameError, AttributeError, TypeError):  # imported for type checkers only
        hints = dict.fromkeys(getattr(kind, "__annotations__", ()), Any)
    return list(hints.items())


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
