"""The request data of an ASGI scope, tracked where it is read without a request object.

Middleware reads `scope["headers"]`, `scope["query_string"]` and `scope["client"]`, or builds a `Request` of its own. So
the values themselves report reads, also those of a copied scope; Starlette's `Headers`, `QueryParams`, `URL` and
`Request` read them when they are built.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.datastructures import URL
from starlette.requests import HTTPConnection
from starlette.responses import Response

from millpond.render.request.absent_keys import StateKeys, record_absent
from millpond.render.request.access import read_by_tracer, refuse_in_function, refuse_in_shared_work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from millpond.render.scopes.shared_scope import SharedScope

SHARED_RENDER = "millpond.render"
"""The key of an ASGI scope under which a shared render's SharedScope is found."""

GUARDED = "millpond.guarded"
"""The key of an ASGI scope that says whether request objects that are built from it refuse shared work."""

_API_OF_KEY = {"headers": "request.headers", "query_string": "request.query_params", "client": "request.client"}
"""The keys of an ASGI scope with request data, and what messages call each."""
_NO_READS = frozenset(
    {
        *("__class__", "__class_getitem__", "__delattr__", "__dir__", "__doc__", "__getattribute__", "__init__"),
        *("__init_subclass__", "__new__", "__reduce__", "__reduce_ex__", "__setattr__", "__sizeof__"),
        *("__subclasshook__", "__getstate__", "fromhex", "maketrans"),
        *("__iadd__", "append", "clear", "extend", "insert"),  # writes reveal nothing
    }
)
_BUILDS_REQUESTS = frozenset(
    {URL.__init__.__code__.co_filename, HTTPConnection.__init__.__code__.co_filename, __file__}
)
_RESPONSES = Response.__init__.__code__.co_filename

_Value = TypeVar("_Value", bound="type[Any]")


def _reporting(kind: _Value) -> _Value:
    """Class decorator: each method that reveals content calls `on_read` first, those of later Pythons included."""
    for name in dir(kind.__base__):
        method = getattr(kind, name)
        if callable(method) and name not in _NO_READS:
            setattr(kind, name, _reporting_read(method))
    return kind


def _reporting_read(method: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.on_read()
        return method(self, *args, **kwargs)

    return read


@_reporting
class HeaderList(list[tuple[bytes, bytes]]):
    """`scope["headers"]` of a live request; shared work may not read it."""

    def on_read(self) -> None:
        refuse_in_shared_work("request.headers")

    def __radd__(self, other: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        self.on_read()
        return [*other, *self.plain()]

    def plain(self) -> list[tuple[bytes, bytes]]:
        return list(list.__iter__(self))


@_reporting
class QueryString(bytes):
    """`scope["query_string"]`, in the same way."""

    def on_read(self) -> None:
        refuse_in_shared_work("request.query_params")

    def __radd__(self, other: bytes) -> bytes:
        self.on_read()
        return other + self.plain()

    def plain(self) -> bytes:
        return bytes.__getitem__(self, slice(None))


@_reporting
class ClientAddress(tuple[Any, ...]):
    """`scope["client"]`, in the same way."""

    def on_read(self) -> None:
        refuse_in_shared_work("request.client")

    def __radd__(self, other: tuple[Any, ...]) -> tuple[Any, ...]:
        self.on_read()
        return other + self.plain()

    def plain(self) -> tuple[Any, ...]:
        return tuple.__getitem__(self, slice(None))


_TRACKED_TYPES = (HeaderList, QueryString, ClientAddress)


class _OfSharedRender:
    """A value of the made-up request of a shared render: reading it ends the render."""

    __slots__ = ()
    render: SharedScope
    key: str

    def on_read(self) -> None:
        _record(self.render, self.key)


class _RenderHeaders(_OfSharedRender, HeaderList):
    key = "headers"


class _RenderQuery(_OfSharedRender, QueryString):
    key = "query_string"


class _RenderClient(_OfSharedRender, ClientAddress):
    key = "client"


class TrackedASGIScope(dict[str, Any]):
    """The ASGI scope of a shared render, for middleware and the operation."""

    def __init__(self, scope: dict[str, Any], render: SharedScope) -> None:
        super().__init__(scope)
        self.render = render
        state = scope.get("state")
        if type(state) is dict and render.target.route.shares_request_state:
            self["state"] = StateKeys(state, render)
        plain = untracked(scope)
        values = (
            _RenderHeaders(plain["headers"]),
            _RenderQuery(plain["query_string"]),
            _RenderClient(plain["client"] or ("", 0)),  # a copy would let None be read unseen
        )
        for value in values:
            value.render = render
            self[value.key] = value

    def __getitem__(self, key: str) -> Any:
        self._on_key(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._on_key(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self._on_key(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self._on_key(key)
        return super().setdefault(key, default)

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        if not found:
            record_absent(self.render, "request.scope", key)
        return found

    def _on_key(self, key: str) -> None:
        if key in _API_OF_KEY:
            _record(self.render, key)
        elif not super().__contains__(key):
            record_absent(self.render, "request.scope", key)


def guarded(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The request data of a live run's ASGI scope, as values that shared work may not read."""
    client = scope.get("client")
    return {
        GUARDED: True,
        "headers": HeaderList(scope["headers"]),
        "query_string": QueryString(scope["query_string"]),
        "client": None if client is None else ClientAddress(client),
    }


def untracked(scope: dict[str, Any]) -> dict[str, Any]:
    """A copy of the scope with plain values, for objects that report reads themselves."""
    return {**scope, GUARDED: False, **{key: plain_value(scope, key) for key in _API_OF_KEY}}


def plain_value(scope: dict[str, Any], key: str) -> Any:
    """A value of the scope under one of the keys of `_API_OF_KEY`, as it was before it was tracked."""
    value = dict.get(scope, key)
    return value.plain() if isinstance(value, _TRACKED_TYPES) else value


def _record(render: SharedScope, key: str) -> None:
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
    api = "request.url" if _builds_a_url(frame) else _API_OF_KEY[key]
    refuse_in_function(api)
    if render.answer_complete or not render.tracks_request or (key == "query_string" and render.query_is_key):
        return
    if read_by_tracer(frame):
        return
    reader = _outside_of_starlette(frame)
    # FileResponse reads the Range header, which changes nothing: what is stored is the whole file (D9).
    if reader is None or reader.f_code.co_filename != _RESPONSES:
        render.record_access(api)


def _builds_a_url(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename in _BUILDS_REQUESTS:
        if frame.f_code is URL.__init__.__code__:
            return True
        frame = frame.f_back
    return False


def _outside_of_starlette(frame: FrameType | None) -> FrameType | None:
    """The innermost frame that isn't building a request object of Starlette's."""
    while frame is not None and frame.f_code.co_filename in _BUILDS_REQUESTS:
        frame = frame.f_back
    return frame
