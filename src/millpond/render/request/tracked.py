"""A request whose reads are seen.

FastAPI asks every request for its headers, cookies and query on every call, even where the handler declares
nothing; it looks *into* them only for what is declared. So the mappings are watched, not the properties.

Three kinds of reads matter: in a watched render any of them ends it; inside of a cached function none is allowed; and
no render for everybody may read a visitor's request, however it came by it.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from starlette.datastructures import URL, Headers, QueryParams
from starlette.requests import HTTPConnection, Request

from millpond.internals.starlette_names import make_by
from millpond.render.request.agents import read_by_agent
from millpond.render.request.mappings import TrackedCookies, TrackedHeaders, TrackedQuery, TrackedState
from millpond.render.request.reader import is_for_others, refuse_elsewhere, refuse_in_fill
from millpond.render.request.watched_scope import GUARDED, RENDER, plain_of, unwatched
from millpond.render.scope import named

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from types import FrameType

    from starlette.datastructures import Address, State
    from starlette.types import Receive

    from millpond.render.request.mappings import Ask
    from millpond.render.scope import Scope


class TrackedURL(URL):
    """The path is free, and so are the parts that name the server; query and whole URL are request data (R3.9)."""

    def __init__(self, request: RefusingConnection) -> None:
        self._plain = URL(scope=unwatched(request.plain))
        self._request = request

    def __getattribute__(self, name: str) -> Any:
        if name in _FREE_PARTS:
            object.__getattribute__(self, "_request").refuse(f"request.url.{name}")
            return getattr(object.__getattribute__(self, "_plain"), name)
        if name in _TELLING_PARTS:
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
_TELLING_PARTS = frozenset(
    {"query", "components", "replace", "include_query_params", "replace_query_params", "remove_query_params", "_url"}
)


_REQUEST_DATA = frozenset({"auth", "client", "headers", "query_string", "session", "user"})
"""Keys under which the request, itself a mapping, shows what the properties do."""


class RefusingConnection(HTTPConnection):
    """A connection that tells neither a cached function anything, nor a render that has another request (R5.24).

    What comes of it would go to other visitors, too. It is for live runs, and costs them a look at who reads. What
    Starlette's class has kept of itself isn't looked at.
    """

    _watch: Scope | None = None
    """What wants to be told of each read."""

    def record_access(self, api: str, key: object = None) -> None:
        """Something of the request is read.

        Args:
            api: what messages call it.
            key: what is asked for, where `api` is a mapping.
        """
        self.refuse(api, key)

    @property
    def refuse(self) -> Ask:
        """What is asked before a read that is free in the run that the request belongs to.

        That of a shared render is made up: nothing of it is a visitor's.
        """
        return refuse_in_fill if RENDER in self.__dict__["scope"] else refuse_elsewhere

    @property
    def plain(self) -> dict[str, Any]:
        """The ASGI scope, for those who watch."""
        scope: dict[str, Any] = self.__dict__["scope"]
        return scope

    @property
    def _is_of_render(self) -> bool:
        """Whether it is told of each read, or of a render."""
        return self._watch is not None or RENDER in self.__dict__["scope"]

    @property
    def scope(self) -> Any:
        if is_for_others():
            _refuse_but_app(self.refuse, sys._getframe(1))  # noqa: SLF001 - the documented way to a caller's frame
        return self.__dict__["scope"]

    @scope.setter
    def scope(self, scope: Any) -> None:
        self.__dict__["scope"] = scope

    @property
    def headers(self) -> Headers:
        if not hasattr(self, "_own_headers"):
            self._own_headers = headers = TrackedHeaders(raw=plain_of(self.__dict__["scope"], "headers"))
            if self._is_of_render:
                headers.ask = self.record_access
        return self._own_headers

    @property
    def query_params(self) -> QueryParams:
        if not hasattr(self, "_own_query_params"):
            self._own_query_params = query = TrackedQuery(plain_of(self.__dict__["scope"], "query_string"))
            if self._is_of_render:
                query.ask = self.record_access
        return self._own_query_params

    @property
    def cookies(self) -> dict[str, str]:
        if not hasattr(self, "_own_cookies"):
            plain = HTTPConnection({"type": "http", "headers": plain_of(self.plain, "headers")})
            self._own_cookies = cookies = TrackedCookies(plain.cookies)
            if self._is_of_render:
                cookies.ask = self.record_access
        return self._own_cookies

    @property
    def url(self) -> URL:
        if not hasattr(self, "_own_url"):
            self._own_url = TrackedURL(self)
        return self._own_url

    def __getitem__(self, key: str) -> Any:
        if key in _REQUEST_DATA:
            self.record_access(f'request["{key}"]')
        self.refuse("request", key)
        return self.plain[key]

    def __iter__(self) -> Iterator[str]:
        self.refuse("request", None)
        return iter(self.plain)

    @property
    def state(self) -> State:
        self.refuse("request.state", None)
        if not hasattr(self, "_own_state"):
            self._own_state = TrackedState(self.plain.setdefault("state", {}), self.refuse)
        return self._own_state

    @property
    def base_url(self) -> URL:
        self.record_access("request.base_url")
        return Request(unwatched(self.plain)).base_url

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        self.record_access("request.url_for()")
        return super().url_for(name, **path_params)

    @property
    def client(self) -> Address | None:
        self.record_access("request.client")
        return Request(unwatched(self.plain)).client

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


class RefusingRequest(RefusingConnection, Request):
    """A request with a body that it tells no cached function either."""

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


class TrackedRequest(RefusingRequest):
    """A request that tells its scope, too, what was asked for (R3.9). In a shared render it is empty."""

    _watch: Scope

    def record_access(self, api: str, key: object = None) -> None:
        self.refuse(api, key)
        if api in _QUERY and self._watch.segment.cache_query:
            return  # what is visible is part of the key
        if not read_by_agent(sys._getframe(1)):  # noqa: SLF001 - the documented way to a caller's frame
            self._watch.record_access(named(api, key))

    # An agent gets what isn't tracked, as it may keep it and look into it later.

    @property
    def headers(self) -> Headers:
        return self._unwatched.headers if read_by_agent(sys._getframe(1)) else super().headers  # noqa: SLF001

    @property
    def query_params(self) -> QueryParams:
        return self._unwatched.query_params if read_by_agent(sys._getframe(1)) else super().query_params  # noqa: SLF001

    @property
    def cookies(self) -> dict[str, str]:
        return self._unwatched.cookies if read_by_agent(sys._getframe(1)) else super().cookies  # noqa: SLF001

    @property
    def url(self) -> URL:
        return self._unwatched.url if read_by_agent(sys._getframe(1)) else super().url  # noqa: SLF001

    @property
    def _unwatched(self) -> Request:
        return Request(unwatched(self.plain))


def _refuse_but_app(refuse: Ask, reader: FrameType) -> None:
    """The application is everybody's: a cached function may reach its database through it."""
    name = reader.f_code.co_name if reader.f_code.co_filename == _STARLETTES else "scope"
    if name != "app":
        refuse(f"request.{name}", None)


_STARLETTES = HTTPConnection.__init__.__code__.co_filename


def watch(request: Request, scope: Scope) -> Request:
    """The same request, watched from now on as its scope wants it: a copy would have a body, and a cost, of its own."""
    if scope.wraps_request:
        request.__class__ = _of_kind(TrackedRequest, type(request))
        cast("TrackedRequest", request)._watch = scope  # noqa: SLF001 - this is where it is made
        return request
    return refuse(request)


def refuse(request: Request) -> Request:
    """The same request, that tells cached functions nothing from now on."""
    kind = type(request)
    if kind is not RefusingRequest:  # as most are from the start
        request.__class__ = RefusingRequest if kind is Request else _of_kind(RefusingRequest, kind)
    return request


async def refuse_connection(connection: HTTPConnection) -> None:
    """A dependency for endpoints that aren't routes of files, WebSockets too: they call cached functions as well."""
    kind = RefusingRequest if isinstance(connection, Request) else RefusingConnection
    connection.__class__ = _of_kind(kind, type(connection))


def guard_requests() -> None:
    """Let every request object that is made of a live run's ASGI scope refuse work for others, whoever makes it.

    Middleware makes its own, and keeps it in a global or a context variable; what Starlette's class has read once, it
    keeps as plain data. No other place sees each of them.
    """
    make_by(_new)


def _new(cls: type[HTTPConnection], scope: Any = None, *args: Any, **kwargs: Any) -> HTTPConnection:
    del args, kwargs
    if scope is not None and scope.get(GUARDED):
        if cls is Request:
            return object.__new__(RefusingRequest)
        cls = _of_kind(RefusingRequest if issubclass(cls, Request) else RefusingConnection, cls)
    return object.__new__(cls)


@cache
def _of_kind(watching: type[HTTPConnection], kind: type[HTTPConnection]) -> type[Any]:
    """`watching` on top of a subclass of Request, such as the one that BaseHTTPMiddleware gives to its function."""
    if issubclass(kind, watching):
        return kind
    if issubclass(watching, kind):
        return watching
    return type(kind.__name__, (watching, kind), {})
