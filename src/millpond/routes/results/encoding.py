"""What a handler returned, as the JSON that FastAPI sends for it: the same bytes, sooner.

FastAPI makes a value of JSON's own types out of everything, whatever it is, and has it written after that. Most
handlers return such a value to begin with; msgspec writes it as it is, once it is certain that the bytes are the same.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from enum import Enum
from pathlib import PurePath
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel
from pydantic_core import PydanticUndefinedType
from starlette.responses import JSONResponse

from millpond.internals.fastapi_names import encoders
from millpond.routes.results.contents import NotData, check_kind, contents_of, key_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from millpond.errors import Place

_encode = msgspec.json.Encoder().encode

_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
"""Exact types: a subclass may be an enum, or a dataclass, whose value is another."""
_LEAST, _MOST = 1e-4, 1e16
"""Between them floats are written without an exponent, and alike."""
_SQLALCHEMYS = b'"_sa'
"""FastAPI drops keys that begin so."""

_CONTAINERS = frozenset({dict, list, tuple})
_LISTED = (list, set, frozenset, GeneratorType, tuple, deque)
_LOOKED_INTO = (dict, list, set, frozenset, tuple, deque)
"""What can be looked into twice."""
_WRITTEN = (Enum, PurePath, str, int, float, type(None), PydanticUndefinedType)
_ENCODED = tuple(encoders)
"""Those whose subclasses FastAPI encodes, too. What an application adds later counts for its very type."""


def json_bytes(value: Any, place: Place | None = None) -> bytes:
    """The body of `JSONResponse(jsonable_encoder(value))`, where that publishes nothing but data.

    Args:
        value: what a handler returned.
        place: the handler, for messages.

    Raises:
        UsageError: something in it isn't data; FastAPI would publish its attributes.
        Exception: what FastAPI raises for it.
    """
    if _is_plain((value,)):
        body = _encode(value)
        if _SQLALCHEMYS not in body:
            return body
    value = simplified(value, place)
    return _encode(value) if _is_plain((value,)) else bytes(JSONResponse(value).body)


def simplified(value: Any, place: Place | None = None) -> Any:
    """As `jsonable_encoder`: the value in types that JSON knows, and nothing that isn't data.

    Raises:
        UsageError, Exception: as `json_bytes`.
    """
    try:
        return _simplified(value)
    except NotData as refused:
        raise refused.error(place) from None


def refuse_in(value: Any, place: Place | None = None) -> None:
    """For a value that pydantic writes as it is: refuse what isn't data in it.

    Raises:
        UsageError: something in it isn't data.
    """
    if _is_plain((value,)):
        return
    try:
        _refuse_in(value)
    except NotData as refused:
        raise refused.error(place) from None


def _is_plain(values: Iterable[Any]) -> bool:
    """Whether FastAPI would leave the values as they are, and msgspec writes the bytes that `json.dumps` does."""
    for value in values:
        kind = type(value)
        if kind in _AS_THEY_ARE:
            continue
        if kind is dict:
            for key in value:
                if type(key) is not str:
                    return False
            if not _is_plain(value.values()):
                return False
        elif kind is list or kind is tuple:
            if not _is_plain(value):
                return False
        elif kind is not float or not (_LEAST <= abs(value) < _MOST or value == 0):
            return False
    return True


def _simplified(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_THEY_ARE or kind is float:
        return value
    if kind not in _CONTAINERS:
        value, done = _taken_apart(value)
        if done:
            return value
    step: Any = 0
    try:
        if type(value) is dict:
            fields = {}
            for step, item in value.items():
                if type(step) is str:
                    if not step.startswith("_sa"):
                        fields[step] = _simplified(item)
                elif not isinstance(step, str) or not step.startswith("_sa"):
                    fields[jsonable_encoder(step)] = _simplified(item)
            return fields
        items = []
        # No comprehension: it would halve the depth that fits into Python's stack.
        for step, item in enumerate(value):  # noqa: B007 - for whoever learns what can't be published
            items.append(_simplified(item))
    except NotData as refused:
        refused.within(key_step(step))
        raise
    return items


def _taken_apart(value: Any) -> tuple[Any, bool]:
    """What isn't JSON's own, one step simpler: a dict or list to go on with, or what FastAPI makes of it for good.

    In the order in which FastAPI asks, as a value may be several things at once.
    """
    kind = type(value)
    if isinstance(value, BaseModel):
        check_kind(value)
        return value.model_dump(mode="json", by_alias=True), False
    if dataclasses.is_dataclass(kind):
        return _fields_of(value), False
    if isinstance(value, _WRITTEN):
        return jsonable_encoder(value), True
    if isinstance(value, dict):
        return dict(value.items()), False
    if isinstance(value, _LISTED):
        return [*value], False
    if kind in encoders or isinstance(value, _ENCODED) or _is_of_pydantic_1(kind):
        return jsonable_encoder(value), True
    return contents_of(value), False


def _fields_of(value: Any) -> dict[str, Any]:
    _refuse_dataclasses_in(value)
    try:
        return dataclasses.asdict(value)
    except Exception as error:  # noqa: BLE001 - raised again where nothing says more
        # It copies what it doesn't know. What can't be copied, a client say, is told by what it is.
        refused = _refusal_of({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        raise (refused or error) from None


def _refusal_of(value: Any) -> NotData | None:
    """Why it must not be published, if that is why it can't be encoded."""
    try:
        _simplified(value)
    except NotData as refused:
        return None if refused.formless else refused
    except Exception:  # noqa: BLE001 - FastAPI has failed before that, and with another error
        return None
    return None


def _refuse_dataclasses_in(value: Any) -> None:
    """`asdict` makes dicts of dataclasses that a dataclass holds; afterwards nobody knows what they were."""
    if dataclasses.is_dataclass(type(value)):
        check_kind(value)
    elif not isinstance(value, (dict, list, tuple)):
        return
    _into(value, _refuse_dataclasses_in)


def _refuse_in(value: Any) -> None:
    if dataclasses.is_dataclass(type(value)) or not isinstance(value, (*_LOOKED_INTO, *_WRITTEN, *_ENCODED)):
        check_kind(value)
    _into(value, _refuse_in)


def _into(value: Any, look: Callable[[Any], None]) -> None:
    steps: Iterable[tuple[Any, Any]] = ()
    if dataclasses.is_dataclass(type(value)):
        steps = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif isinstance(value, dict):
        steps = value.items()
    elif isinstance(value, _LOOKED_INTO):
        steps = enumerate(value)
    for step, item in steps:
        try:
            look(item)
        except NotData as refused:
            refused.within(key_step(step))
            raise


def _is_of_pydantic_1(kind: type) -> bool:
    """FastAPI refuses those models by an error of its own."""
    return any(base.__module__ == "pydantic.v1.main" for base in kind.__mro__)
