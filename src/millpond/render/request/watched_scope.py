"""What an ASGI scope holds of a request, seen where it is read past the request object.

Middleware, and whoever makes a request of its own, reads `scope["headers"]`, `["query_string"]` and `["client"]`. The
values themselves tell of it, so a copy of the scope does, too; Starlette's `Headers`, `QueryParams`, `URL` and
`Request` are made of them, and tell when they are made.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.datastructures import URL
from starlette.requests import HTTPConnection
from starlette.responses import Response

from millpond.render.request.agents import read_by_agent
from millpond.render.request.reader import refuse_elsewhere, refuse_in_fill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from millpond.render.scope import Scope

RENDER = "millpond.render"
"""The key of an ASGI scope under which middleware's surroundings find the shared render that it stands around."""

GUARDED = "millpond.guarded"
"""The key of an ASGI scope that says whether request objects that are made of it refuse work for others."""

_READ_OFF = {"headers": "request.headers", "query_string": "request.query_params", "client": "request.client"}
"""Keys of an ASGI scope with request data, and what messages call them."""
_NO_READS = frozenset(
    {
        *("__class__", "__class_getitem__", "__delattr__", "__dir__", "__doc__", "__getattribute__", "__init__"),
        *("__init_subclass__", "__new__", "__reduce__", "__reduce_ex__", "__setattr__", "__sizeof__"),
        *("__subclasshook__", "__getstate__", "fromhex", "maketrans"),
        *("__iadd__", "append", "clear", "extend", "insert"),  # what writes shows nothing
    }
)
_MAKES_REQUESTS = frozenset({URL.__init__.__code__.co_filename, HTTPConnection.__init__.__code__.co_filename, __file__})
_RESPONSES = Response.__init__.__code__.co_filename

_Value = TypeVar("_Value", bound="type[Any]")


def _telling(kind: _Value) -> _Value:
    """Class decorator: each method that shows what is in it calls `seen` first; also those that Python adds later."""
    for name in dir(kind.__base__):
        method = getattr(kind, name)
        if callable(method) and name not in _NO_READS:
            setattr(kind, name, _read_by(method))
    return kind


def _read_by(method: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.seen()
        return method(self, *args, **kwargs)

    return read


@_telling
class HeaderList(list[tuple[bytes, bytes]]):
    """`scope["headers"]` of a request that is answered live: refused to all work for others."""

    def seen(self) -> None:
        refuse_elsewhere("request.headers")

    def __radd__(self, other: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        self.seen()
        return [*other, *self.plain()]

    def plain(self) -> list[tuple[bytes, bytes]]:
        return list(list.__iter__(self))


@_telling
class QueryString(bytes):
    """`scope["query_string"]`, in the same way."""

    def seen(self) -> None:
        refuse_elsewhere("request.query_params")

    def __radd__(self, other: bytes) -> bytes:
        self.seen()
        return other + self.plain()

    def plain(self) -> bytes:
        return bytes.__getitem__(self, slice(None))


@_telling
class ClientAddress(tuple[Any, ...]):
    """`scope["client"]`, in the same way."""

    def seen(self) -> None:
        refuse_elsewhere("request.client")

    def __radd__(self, other: tuple[Any, ...]) -> tuple[Any, ...]:
        self.seen()
        return other + self.plain()

    def plain(self) -> tuple[Any, ...]:
        return tuple.__getitem__(self, slice(None))


_TELLING = (HeaderList, QueryString, ClientAddress)


class _OfRender:
    """A value of the request that a shared render was given: reading it ends the render."""

    __slots__ = ()
    render: Scope
    key: str

    def seen(self) -> None:
        _read(self.render, self.key)


class _RenderHeaders(_OfRender, HeaderList):
    key = "headers"


class _RenderQuery(_OfRender, QueryString):
    key = "query_string"


class _RenderClient(_OfRender, ClientAddress):
    key = "client"


class WatchedScope(dict[str, Any]):
    """The ASGI scope of a shared render, for all that stands around the operation, and for the operation."""

    def __init__(self, scope: dict[str, Any], render: Scope) -> None:
        super().__init__(scope)
        self._render = render
        plain = unwatched(scope)
        values = (
            _RenderHeaders(plain["headers"]),
            _RenderQuery(plain["query_string"]),
            _RenderClient(plain["client"] or ("", 0)),  # None could be read off a copy without a word
        )
        for value in values:
            value.render = render
            self[value.key] = value

    def __getitem__(self, key: str) -> Any:
        self._look(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._look(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self._look(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self._look(key)
        return super().setdefault(key, default)

    def _look(self, key: str) -> None:
        if key in _READ_OFF:
            _read(self._render, key)


def guarded(scope: Mapping[str, Any]) -> dict[str, Any]:
    """What takes the place of a live request's data: the same values, refused to work for others."""
    client = scope.get("client")
    return {
        GUARDED: True,
        "headers": HeaderList(scope["headers"]),
        "query_string": QueryString(scope["query_string"]),
        "client": None if client is None else ClientAddress(client),
    }


def unwatched(scope: dict[str, Any]) -> dict[str, Any]:
    """The scope with plain values, for what is watched on its own."""
    return {**scope, GUARDED: False, **{key: plain_of(scope, key) for key in _READ_OFF}}


def plain_of(scope: dict[str, Any], key: str) -> Any:
    """One value of the scope that `_READ_OFF` names, as it was before it was watched."""
    value = dict.get(scope, key)
    return value.plain() if isinstance(value, _TELLING) else value


def _read(render: Scope, key: str) -> None:
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
    api = "request.url" if _makes_a_url(frame) else _READ_OFF[key]
    refuse_in_fill(api)
    if render.whole or not render.wraps_request or (key == "query_string" and render.segment.cache_query):
        return
    if read_by_agent(frame):
        return
    reader = _outside(frame)
    if reader is None or reader.f_code.co_filename != _RESPONSES:  # a file's range: what is stored is whole (D9)
        render.record_access(api)


def _makes_a_url(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename in _MAKES_REQUESTS:
        if frame.f_code is URL.__init__.__code__:
            return True
        frame = frame.f_back
    return False


def _outside(frame: FrameType | None) -> FrameType | None:
    """The innermost frame that isn't Starlette's making a request object for somebody."""
    while frame is not None and frame.f_code.co_filename in _MAKES_REQUESTS:
        frame = frame.f_back
    return frame
