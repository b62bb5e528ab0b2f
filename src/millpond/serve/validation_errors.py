"""What a client is told of a request that isn't valid: FastAPI's 422, bounded, and always JSON.

FastAPI shows the input with each fault, and where a field is missing that is all of what it is missing from: of a body
of n bytes and a model of m fields it makes m times n. And what a body may hold and JSON can't, such as NaN, would make
it a 500.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response

MAX_ERRORS = 100
"""Of a request that isn't valid: a body of which nothing fits would make an answer of a hundred times its length, and
hold up all others for ten seconds at a megabyte."""

MAX_SHOWN_INPUT = 1000
"""Characters of strings, digits and items of an input that is shown; a larger one is left out."""

_DEEPEST = 50
"""Levels of an input that is shown."""

_LONGEST_TEXT = 500
"""Characters of a message, or of a name in a place: clients choose some of them."""


async def validation_error_response(request: Request, error: RequestValidationError) -> Response:
    """FastAPI's answer to a request that isn't valid, with as much of its faults as anybody reads."""
    validation_errors = [_told(fault) for fault in error.errors()[:MAX_ERRORS]]
    return await request_validation_exception_handler(
        request, RequestValidationError(validation_errors, body=error.body)
    )


def _told(fault: Any) -> Any:
    if not isinstance(fault, dict):
        return fault  # of a user's own making
    told = {name: _short(value) for name, value in fault.items() if name not in ("input", "ctx")}
    if "input" in fault and _is_shown(fault["input"]):
        told["input"] = fault["input"]
    if isinstance(context := fault.get("ctx"), dict):
        told["ctx"] = {name: _short(value) for name, value in context.items()}
    return {name: told[name] for name in fault if name in told}  # in FastAPI's order


def _short(value: Any) -> Any:
    """A text, or the names of a place, cut short and with nothing in it that UTF-8 can't hold."""
    if isinstance(value, str):
        return value[:_LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, tuple | list):
        return [_short(each) for each in value]
    return value


def _is_shown(value: Any) -> bool:
    """Whether it is short, and JSON can hold it; no more of it is looked at than it takes to tell."""
    room, level = MAX_SHOWN_INPUT, [value]
    for _ in range(_DEEPEST):
        within: list[Any] = []
        for each in level:
            if (size := _size(each)) is None:
                return False
            room -= size
            if room < 0:
                return False
            within += _parts(each)
        if not within:
            return True
        level = within
    return False


def _size(value: Any) -> int | None:
    """What a value counts without its parts; None where JSON can't hold it."""
    if isinstance(value, str):
        return len(value) if len(value) > MAX_SHOWN_INPUT or _is_unicode(value) else None
    if isinstance(value, dict | list | tuple):
        return len(value)
    if isinstance(value, float):
        return 1 if math.isfinite(value) else None
    if isinstance(value, int):  # a bool, too
        return 1 + value.bit_length() // 3
    return 1 if value is None else None


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list | tuple) else ()


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
