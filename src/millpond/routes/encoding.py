"""What a handler returned, as the JSON that FastAPI sends for it: the same bytes, sooner.

FastAPI makes a value of JSON's own types out of everything, whatever it is, and has it written after that. Most
handlers return such a value to begin with; msgspec writes it as it is, once it is certain that the bytes are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

_encode = msgspec.json.Encoder().encode

_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
"""Exact types: a subclass may be an enum, or a dataclass, whose value is another."""
_LEAST, _MOST = 1e-4, 1e16
"""Between them floats are written without an exponent, and alike."""
_SQLALCHEMYS = b'"_sa'
"""FastAPI drops keys that begin so."""


def json_bytes(value: Any) -> bytes:
    """The body of `JSONResponse(jsonable_encoder(value))`.

    Raises:
        Exception: what those two raise for it.
    """
    if _is_plain((value,)):
        body = _encode(value)
        if _SQLALCHEMYS not in body:
            return body
    value = _simplified(value)
    return _encode(value) if _is_plain((value,)) else bytes(JSONResponse(value).body)


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
    """As `jsonable_encoder`, which is asked for what isn't common."""
    kind = type(value)
    if kind in _AS_THEY_ARE or kind is float:
        return value
    if kind is list or kind is tuple:
        items = []
        for item in value:  # no comprehension: it would halve the depth that fits into Python's stack
            items.append(_simplified(item))  # noqa: PERF401
        return items
    if kind is dict and all(type(key) is str and not key.startswith("_sa") for key in value):
        fields = {}
        for key, item in value.items():
            fields[key] = _simplified(item)
        return fields
    if isinstance(value, BaseModel):
        return _simplified(value.model_dump(mode="json", by_alias=True))
    return jsonable_encoder(value)
