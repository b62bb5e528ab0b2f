"""The answer to a request that isn't valid: FastAPI's 422, bounded in size, and always valid JSON.

FastAPI shows the input of each error. For a missing field that is the whole object around it, so the answer to a body
of n bytes and a model of m fields would have m times n bytes. A value that JSON can't hold, such as NaN, would make it
a 500.
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
"""Errors that are shown: a body of a megabyte without one valid item would make an answer of a hundred megabytes, and
block the event loop for ten seconds."""

MAX_SHOWN_INPUT = 1000
"""Characters of strings, digits and items of an input that is shown; a larger input is left out."""

_MAX_DEPTH = 50
"""Levels of nesting of an input that is shown."""

_MAX_TEXT = 500
"""Characters of a message, or of a name in a location: clients choose some of them."""


async def validation_error_response(request: Request, error: RequestValidationError) -> Response:
    """FastAPI's answer to a request that isn't valid, with its first errors, each bounded."""
    errors = [_bounded(found) for found in error.errors()[:MAX_ERRORS]]
    return await request_validation_exception_handler(request, RequestValidationError(errors, body=error.body))


def _bounded(found: Any) -> Any:
    if not isinstance(found, dict):
        return found  # the user's own
    bounded = {name: _cut(value) for name, value in found.items() if name not in ("input", "ctx")}
    if "input" in found and _is_shown(found["input"]):
        bounded["input"] = found["input"]
    if isinstance(context := found.get("ctx"), dict):
        bounded["ctx"] = {name: _cut(value) for name, value in context.items()}
    return {name: bounded[name] for name in found if name in bounded}  # in FastAPI's order


def _cut(value: Any) -> Any:
    """A text, or the names of a location, cut to a bounded length and encodable as UTF-8."""
    if isinstance(value, str):
        return value[:_MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, tuple | list):
        return [_cut(each) for each in value]
    return value


def _is_shown(value: Any) -> bool:
    """Whether an input is small, and JSON can hold it; stops as soon as that is known."""
    room, level = MAX_SHOWN_INPUT, [value]
    for _ in range(_MAX_DEPTH):
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
    """The size of a value without its parts; None where JSON can't hold it."""
    if isinstance(value, bytes):  # a body that wasn't taken for JSON; the encoder decodes it
        value = value.decode("utf-8", "surrogateescape")
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
