"""Handlers whose result is JSON by the time that FastAPI sees it, which would take it apart by itself, and slowly."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from millpond.routes.encoding import json_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


class Encoded(str):
    """The result of a handler, encoded. A string, since FastAPI hands strings on as they are."""

    body: bytes


class EncodedResponse(JSONResponse):
    """A JSONResponse that has nothing left to encode."""

    def render(self, content: Any) -> bytes:
        return content.body if isinstance(content, Encoded) else super().render(content)


def encoding(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose result is a Response or Encoded: in a thread of the pool, where that is where it runs."""
    return _Async(function) if is_async(function) else _Sync(function)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether FastAPI awaits the function; it looks through decorators."""
    shown = inspect.unwrap(function, stop=inspect.iscoroutinefunction)
    return inspect.iscoroutinefunction(shown) or inspect.iscoroutinefunction(type(shown).__call__)


def _encoded(result: Any) -> Response | Encoded:
    if isinstance(result, Response):
        return result
    encoded = Encoded()
    encoded.body = json_bytes(result)
    return encoded


class _Sync:
    """An object and no function: FastAPI's messages name the file of a function, and it would be this one."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, **values: Any) -> Response | Encoded:
        return _encoded(self._function(**values))


class _Async(_Sync):
    async def __call__(self, **values: Any) -> Response | Encoded:  # type: ignore[override]  # awaited by FastAPI
        result = self._function(**values)
        return _encoded(await result if inspect.isawaitable(result) else result)
