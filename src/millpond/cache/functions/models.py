"""Pydantic models as data: their fields, and what they have beside them."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pydantic

from millpond.cache.functions.plain import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def models_in(value: object) -> Iterator[pydantic.BaseModel]:
    """The pydantic models that a value consists of, in an order that depends on its content alone."""
    if isinstance(value, pydantic.BaseModel):
        yield value
    fields = fields_of(value)
    parts: Iterable[object] = ()
    if fields is not None:
        parts = fields.values()
    elif isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    for part in parts:
        yield from models_in(part)


def state_of(model: pydantic.BaseModel) -> Any:
    """What a model has beside its fields: the names of those that were given, its private attributes, and their order.

    The order shows in its text. It is None if it is that of the class: rows of a database have their own.
    """
    order = [name for name in model.__dict__ if name in type(model).model_fields]
    declared = [name for name in type(model).model_fields if name in model.__dict__]
    private = dict(getattr(model, "__pydantic_private__", None) or {})
    return [sorted(model.model_fields_set), private, None if order == declared else order]


def restore(model: pydantic.BaseModel, state: Any) -> None:
    """Give a model what `state_of` has told of another one."""
    given, private, order = state
    model.model_fields_set.clear()
    model.model_fields_set.update(given)
    for name, item in private.items():
        setattr(model, name, item)
    values = model.__dict__
    for name in order or ():
        values[name] = values.pop(name)


def validated(kind: type[pydantic.BaseModel], fields: Any) -> pydantic.BaseModel:
    """A model with these fields, by their own names.

    Raises:
        pydantic.ValidationError: its validators refuse them.
    """
    if _takes_names(kind):
        return kind.model_validate(fields, strict=False, by_name=True)
    return kind.model_validate(fields, strict=False)  # SQLModel's has no such option


@functools.lru_cache(maxsize=256)
def _takes_names(kind: type[pydantic.BaseModel]) -> bool:
    return "by_name" in inspect.signature(kind.model_validate).parameters
