"""A request whose reads are seen.

FastAPI asks every request for its headers, cookies and query on every call, even where the handler declares
nothing; it looks *into* them only for what is declared. So the mappings are watched, not the properties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from starlette.datastructures import URL, Headers, QueryParams
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette._utils import AwaitableOrContextManager
    from starlette.datastructures import Address, FormData
    from starlette.types import Receive

    from millpond.render.agents import Reads

READS_OF_ONE_KEY = ("__contains__", "__delitem__", "__getitem__", "get", "getlist", "pop", "setdefault")
READS_OF_ALL = (
    "__eq__",
    "__iter__",
    "__len__",
    "__ne__",
    "__or__",
    "__repr__",
    "__reversed__",
    "__ror__",
    "__str__",
    "copy",
    "items",
    "keys",
    "multi_items",
    "mutablecopy",
    "popitem",
    "values",
)

_Mapping = TypeVar("_Mapping", bound="type[Any]")


def _watched(mapping: _Mapping) -> _Mapping:
    """Class decorator: each read tells `self.touch(key)`, or `self.touch(None)` when it isn't about one key."""
    for name in (*READS_OF_ONE_KEY, *READS_OF_ALL):
        if getattr(mapping, name, None) is not None:  # a Mapping that can't be reversed says so by None
            setattr(mapping, name, _telling(getattr(mapping, name), keyed=name in READS_OF_ONE_KEY))
    return mapping


def _telling(method: Callable[..., Any], *, keyed: bool) -> Callable[..., Any]:
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.touch(args[0] if keyed and args else None)
        return method(self, *args, **kwargs)

    return read


def _named(api: str, key: object) -> str:
    return api if key is None else f'{api}["{key}"]'


@_watched
class TrackedHeaders(Headers):
    """A subclass of Starlette's, because FastAPI asks for the type."""

    def __init__(self, request: Request, scope: Reads) -> None:
        super().__init__(scope=request.scope)
        self._scope = scope

    def touch(self, key: str | None) -> None:
        self._scope.touch(_named("request.headers", key))

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        self.touch(None)
        return super().raw


@_watched
class TrackedQuery(QueryParams):
    """A subclass of Starlette's, because FastAPI asks for the type."""

    def __init__(self, request: Request, scope: Reads) -> None:
        super().__init__(request.scope["query_string"])
        self._scope = scope

    def touch(self, key: str | None) -> None:
        if not self._scope.segment.cache_query:  # else what is visible is part of the key
            self._scope.touch(_named("request.query_params", key))


@_watched
class TrackedCookies(dict[str, str]):
    """Starlette's cookies are a plain dict."""

    def __init__(self, cookies: dict[str, str], scope: Reads) -> None:
        super().__init__(cookies)
        self._scope = scope

    def touch(self, key: str | None) -> None:
        self._scope.touch(_named("request.cookies", key))


class TrackedURL(URL):
    """The path is free, and so are the parts that name the server; query and whole URL are request data (R3.9)."""

    def __init__(self, request: Request, scope: Reads) -> None:
        self._plain = URL(scope=request.scope)
        self._scope = scope

    def __getattribute__(self, name: str) -> Any:
        if name in _FREE_PARTS:
            return getattr(object.__getattribute__(self, "_plain"), name)
        if name in _TELLING_PARTS:
            if not object.__getattribute__(self, "_keyed")(name):
                object.__getattribute__(self, "_scope").touch(f"request.url.{name}")
            return getattr(object.__getattribute__(self, "_plain"), name)
        return super().__getattribute__(name)

    def _keyed(self, name: str) -> bool:
        """Whether the part is part of the key, and therefore free."""
        return name == "query" and bool(object.__getattribute__(self, "_scope").segment.cache_query)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        self._scope.touch("request.url")
        return str(self._plain)

    def __repr__(self) -> str:
        self._scope.touch("request.url")
        return repr(self._plain)


_FREE_PARTS = frozenset(
    {"path", "scheme", "netloc", "hostname", "port", "fragment", "username", "password", "is_secure"}
)
_TELLING_PARTS = frozenset(
    {"query", "components", "replace", "include_query_params", "replace_query_params", "remove_query_params", "_url"}
)


_REQUEST_DATA = frozenset({"auth", "client", "headers", "query_string", "session", "user"})
"""Keys under which the request, itself a mapping, shows what the properties do."""


class TrackedRequest(Request):
    """A request that tells its scope what was asked for (R3.9). In a shared render it is empty, too."""

    def __init__(self, request: Request, scope: Reads) -> None:
        super().__init__(request.scope, request.receive, request._send)  # noqa: SLF001 - early hints need it
        self._watch = scope

    @property
    def headers(self) -> Headers:
        if not hasattr(self, "_headers"):
            self._headers = TrackedHeaders(self, self._watch)
        return self._headers

    @property
    def query_params(self) -> QueryParams:
        if not hasattr(self, "_query_params"):
            self._query_params = TrackedQuery(self, self._watch)
        return self._query_params

    @property
    def cookies(self) -> dict[str, str]:
        if not hasattr(self, "_cookies"):
            self._cookies = TrackedCookies(Request(self.scope).cookies, self._watch)
        return self._cookies

    @property
    def url(self) -> URL:
        if not hasattr(self, "_url"):
            self._url = TrackedURL(self, self._watch)
        return self._url

    def __getitem__(self, key: str) -> Any:
        if key in _REQUEST_DATA:
            self._watch.touch(f'request["{key}"]')
        return super().__getitem__(key)

    @property
    def receive(self) -> Receive:
        self._watch.touch("request.receive")
        return super().receive

    @property
    def base_url(self) -> URL:
        self._watch.touch("request.base_url")
        return super().base_url

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        self._watch.touch("request.url_for()")
        return super().url_for(name, **path_params)

    @property
    def client(self) -> Address | None:
        self._watch.touch("request.client")
        return super().client

    @property
    def session(self) -> dict[str, Any]:
        self._watch.touch("request.session")
        return super().session

    @property
    def auth(self) -> Any:
        self._watch.touch("request.auth")
        return super().auth

    @property
    def user(self) -> Any:
        self._watch.touch("request.user")
        return super().user

    async def stream(self) -> AsyncGenerator[bytes, None]:
        self._watch.touch("request.stream()")
        async for chunk in super().stream():
            yield chunk

    async def body(self) -> bytes:
        self._watch.touch("request.body()")
        return await super().body()

    async def json(self) -> Any:
        self._watch.touch("request.json()")
        return await super().json()

    def form(self, **limits: Any) -> AwaitableOrContextManager[FormData]:
        self._watch.touch("request.form()")
        return super().form(**limits)
