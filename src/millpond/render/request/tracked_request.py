"""Request objects that report what is read of them.

FastAPI gets the headers, cookies and query of every request, even where the handler declares none of them, and looks
*into* them only for what is declared. So the mappings are tracked, not the properties.

Three kinds of reads matter: any read ends a shared render; a cached function may read nothing; and no shared render may
read a visitor's request, wherever it got it from.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from starlette.datastructures import URL, Headers, QueryParams
from starlette.requests import HTTPConnection, Request

from millpond.internals.starlette_names import make_by
from millpond.render.request.access import is_shared_work, read_by_tracer, refuse_in_function, refuse_in_shared_work
from millpond.render.request.tracked_asgi_scope import (
    GUARDED,
    SHARED_RENDER,
    TrackedASGIScope,
    plain_value,
    untracked,
)
from millpond.render.request.tracked_mappings import TrackedCookies, TrackedHeaders, TrackedQuery, TrackedState
from millpond.render.scopes.dynamic_use import named

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from types import FrameType

    from starlette.datastructures import Address, State
    from starlette.types import Receive

    from millpond.render.request.tracked_mappings import OnRead
    from millpond.render.scopes.scope import OperationScope
    from millpond.render.scopes.shared_scope import SharedScope


class TrackedURL(URL):
    """Reading the path or the server's name is free; the query and the whole URL are request data (R3.9)."""

    def __init__(self, request: GuardedConnection) -> None:
        self._plain = URL(scope=untracked(request.plain))
        self._request = request

    def __getattribute__(self, name: str) -> Any:
        if name in _FREE_PARTS:
            object.__getattribute__(self, "_request").refuse(f"request.url.{name}")
            return getattr(object.__getattribute__(self, "_plain"), name)
        if name in _REPORTED_PARTS:
            object.__getattribute__(self, "_request").record_access(f"request.url.{name}")
            return getattr(object.__getattribute__(self, "_plain"), name)
        return super().__getattribute__(name)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        self._request.record_access("request.url")
        return str(self._plain)

    def __repr__(self) -> str:
        self._request.record_access("request.url")
        return repr(self._plain)


_FREE_PARTS = frozenset(
    {"path", "scheme", "netloc", "hostname", "port", "fragment", "username", "password", "is_secure"}
)
_REPORTED_PARTS = frozenset(
    {"query", "components", "replace", "include_query_params", "replace_query_params", "remove_query_params", "_url"}
)


_REQUEST_DATA = frozenset({"auth", "client", "headers", "query_string", "session", "user"})
"""The keys under which the request, itself a mapping, has what some properties return."""


class GuardedConnection(HTTPConnection):
    """A connection that cached functions and other runs' shared renders can't read (R5.24).

    What they make of it would go to other visitors. Live runs use this class, at the cost of looking up the reading
    code's scope. Properties that Starlette's class has cached before aren't guarded.
    """

    _tracking: OperationScope | None = None
    """The scope that records each read, if one does."""

    def record_access(self, api: str, key: object = None) -> None:
        """Part of the request is read.

        Args:
            api: what messages call the part.
            key: what is read of it, where it is a mapping.
        """
        self.refuse(api, key)

    @property
    def refuse(self) -> OnRead:
        """What to call before a read that is free in the request's own run.

        The request of a shared render is made up: nothing in it is a visitor's, so only functions may not read it.
        """
        return refuse_in_function if SHARED_RENDER in self.__dict__["scope"] else refuse_in_shared_work

    @property
    def plain(self) -> dict[str, Any]:
        """The ASGI scope, untracked."""
        scope: dict[str, Any] = self.__dict__["scope"]
        return scope

    @property
    def _is_tracked(self) -> bool:
        """Whether a scope records reads, or the request is a shared render's."""
        return self._tracking is not None or SHARED_RENDER in self.__dict__["scope"]

    @property
    def scope(self) -> Any:
        if is_shared_work():
            _refuse_but_app(self.refuse, sys._getframe(1))  # noqa: SLF001 - the documented way to a caller's frame
        return self.__dict__["scope"]

    @scope.setter
    def scope(self, scope: Any) -> None:
        self.__dict__["scope"] = scope

    @property
    def headers(self) -> Headers:
        if not hasattr(self, "_own_headers"):
            self._own_headers = headers = TrackedHeaders(raw=plain_value(self.__dict__["scope"], "headers"))
            if self._is_tracked:
                headers.on_read = self.record_access
        return self._own_headers

    @property
    def query_params(self) -> QueryParams:
        if not hasattr(self, "_own_query_params"):
            self._own_query_params = query = TrackedQuery(plain_value(self.__dict__["scope"], "query_string"))
            if self._is_tracked:
                query.on_read = self.record_access
        return self._own_query_params

    @property
    def cookies(self) -> dict[str, str]:
        if not hasattr(self, "_own_cookies"):
            plain = HTTPConnection({"type": "http", "headers": plain_value(self.plain, "headers")})
            self._own_cookies = cookies = TrackedCookies(plain.cookies)
            if self._is_tracked:
                cookies.on_read = self.record_access
        return self._own_cookies

    @property
    def url(self) -> URL:
        if not hasattr(self, "_own_url"):
            self._own_url = TrackedURL(self)
        return self._own_url

    def __getitem__(self, key: str) -> Any:
        self._look_up(key)
        return self.plain[key]

    def __contains__(self, key: object) -> bool:
        self._look_up(key)
        return key in self.plain

    def _look_up(self, key: object) -> None:
        if key in _REQUEST_DATA:
            self.record_access(f'request["{key}"]')
        self.refuse("request", key)

    def __iter__(self) -> Iterator[str]:
        self.refuse("request", None)
        return iter(self.plain)

    @property
    def state(self) -> State:
        self.refuse("request.state", None)
        if not hasattr(self, "_own_state"):
            self._own_state = TrackedState(self.plain.setdefault("state", {}), self._read_state)
        return self._own_state

    def _read_state(self, api: str, key: object = None) -> None:
        self.refuse(api, key)
        render: SharedScope | None = self.plain.get(SHARED_RENDER)
        if render is None or not render.target.route.shares_request_state:
            return
        state = self.plain["state"]
        # A dict of a shared render notes what it is asked for, by another name.
        is_there = dict.__contains__(state, key) if isinstance(state, dict) else key in state
        if not is_there:
            render.record_access(api if key is None else f"{api}.{key}")

    @property
    def base_url(self) -> URL:
        self.record_access("request.base_url")
        return Request(untracked(self.plain)).base_url

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        self.record_access("request.url_for()")
        return super().url_for(name, **path_params)

    @property
    def client(self) -> Address | None:
        self.record_access("request.client")
        return Request(untracked(self.plain)).client

    @property
    def session(self) -> dict[str, Any]:
        self.record_access("request.session")
        return super().session

    @property
    def auth(self) -> Any:
        self.record_access("request.auth")
        return super().auth

    @property
    def user(self) -> Any:
        self.record_access("request.user")
        return super().user


class GuardedRequest(GuardedConnection, Request):
    """A request whose body is guarded, too."""

    @property
    def receive(self) -> Receive:
        self.record_access("request.receive")
        return super().receive

    async def stream(self) -> AsyncGenerator[bytes, None]:
        self.record_access("request.stream()")
        async for chunk in super().stream():
            yield chunk

    async def body(self) -> bytes:
        self.record_access("request.body()")
        return await super().body()

    async def json(self) -> Any:
        self.record_access("request.json()")
        return await super().json()

    def form(self, **limits: Any) -> Any:  # awaited, or entered
        self.record_access("request.form()")
        return super().form(**limits)


_QUERY = frozenset({"request.query_params", "request.url.query"})
_BODY = frozenset({"request.receive", "request.stream()", "request.body()", "request.json()", "request.form()"})
_HEADERS_OF_BODY = frozenset({"content-type", "content-length"})


def _is_of_body(header: object) -> bool:
    return isinstance(header, str) and header.lower() in _HEADERS_OF_BODY


class TrackedRequest(GuardedRequest):
    """A request that also records reads on its scope (R3.9). In a shared render it has what is part of the key."""

    @property
    def _run(self) -> OperationScope:
        """The run that reads are recorded of: a request of middleware's own belongs to the render that it is in."""
        tracking: OperationScope = self.plain[SHARED_RENDER] if self._tracking is None else self._tracking
        return tracking

    def record_access(self, api: str, key: object = None) -> None:
        self.refuse(api, key)
        run = self._run
        if (api in _QUERY and run.query_is_key) or run.is_keyed(api, key):
            return  # what is visible here is part of the key
        if (api in _BODY or (api == "request.headers" and _is_of_body(key))) and run.body_is_key:
            return
        if not read_by_tracer(sys._getframe(1)):  # noqa: SLF001 - the documented way to a caller's frame
            run.record_access(named(api, key))

    # A tracer gets untracked objects, since it may keep them and read them later.

    @property
    def headers(self) -> Headers:
        return self._untracked.headers if read_by_tracer(sys._getframe(1)) else super().headers  # noqa: SLF001

    @property
    def query_params(self) -> QueryParams:
        return self._untracked.query_params if read_by_tracer(sys._getframe(1)) else super().query_params  # noqa: SLF001

    @property
    def cookies(self) -> dict[str, str]:
        return self._untracked.cookies if read_by_tracer(sys._getframe(1)) else super().cookies  # noqa: SLF001

    @property
    def url(self) -> URL:
        return self._untracked.url if read_by_tracer(sys._getframe(1)) else super().url  # noqa: SLF001

    @property
    def _untracked(self) -> Request:
        return Request(untracked(self.plain))


def _refuse_but_app(refuse: OnRead, reader: FrameType) -> None:
    """`request.app` is the same for everybody: a cached function may get its database from there."""
    name = reader.f_code.co_name if reader.f_code.co_filename == _STARLETTES else "scope"
    if name != "app":
        refuse(f"request.{name}", None)


_STARLETTES = HTTPConnection.__init__.__code__.co_filename


def track(request: Request, scope: OperationScope) -> Request:
    """The same request, tracked from now on as its scope needs it. A copy would need a body of its own."""
    if scope.tracks_request:
        request.__class__ = _of_kind(TrackedRequest, type(request))
        cast("TrackedRequest", request)._tracking = scope  # noqa: SLF001 - this is where it is made
        return request
    return guard(request)


def guard(request: Request) -> Request:
    """The same request, guarded from now on."""
    kind = type(request)
    if kind is not GuardedRequest:  # most are from the start
        request.__class__ = GuardedRequest if kind is Request else _of_kind(GuardedRequest, kind)
    return request


async def guard_connection(connection: HTTPConnection) -> None:
    """A FastAPI dependency for endpoints besides file routes, WebSockets included: they call cached functions, too."""
    kind = GuardedRequest if isinstance(connection, Request) else GuardedConnection
    connection.__class__ = _of_kind(kind, type(connection))


def guard_requests() -> None:
    """Guard every request object that is built from a live run's ASGI scope, whoever builds it.

    Middleware builds its own, and may keep it in a global or a context variable; and Starlette's class caches what it
    has read as plain data. No other place sees all of them.
    """
    make_by(_new)


def _new(cls: type[HTTPConnection], scope: Any = None, *args: Any, **kwargs: Any) -> HTTPConnection:
    del args, kwargs
    if scope is None:
        return object.__new__(cls)
    if cls is Request and isinstance(scope, TrackedASGIScope) and scope.render.has_keys:
        # Middleware's own: in its headers some are part of the key, and the scope's list doesn't tell which are read.
        return object.__new__(TrackedRequest)
    if scope.get(GUARDED):
        if cls is Request:
            return object.__new__(GuardedRequest)
        cls = _of_kind(GuardedRequest if issubclass(cls, Request) else GuardedConnection, cls)
    return object.__new__(cls)


@cache
def _of_kind(guarded: type[HTTPConnection], kind: type[HTTPConnection]) -> type[Any]:
    """A class that is `guarded` first and `kind` second, for subclasses of Request such as BaseHTTPMiddleware's."""
    if issubclass(kind, guarded):
        return kind
    if issubclass(guarded, kind):
        return guarded
    return type(kind.__name__, (guarded, kind), {})
