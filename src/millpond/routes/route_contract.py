"""What the other rooms know of a route: the same of a file's and of an endpoint's that is declared in code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from millpond.routes.path import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

    from fastapi.routing import APIRoute
    from starlette.types import ASGIApp

    from millpond.errors import Place
    from millpond.policy.compat import Compat
    from millpond.policy.segment import SegmentConfig
    from millpond.policy.variants.variation import Variation
    from millpond.routes.folder import Segment
    from millpond.routes.options.guards import Guard

Endpoint = Callable[..., Any]
"""What a route file defines, or what FastAPI's decorators get."""
Handler = Callable[[Request], Awaitable[Response]]
Params = dict[str, Any]
"""The values of a path's parameters, by name: text, lists of text, or what a convertor of Starlette's makes of it."""


_PHRASES = {
    "query": 'query parameter "{}"',
    "header": 'header "{}"',
    "cookie": 'cookie "{}"',
    "body": "request body",
    "form": 'form field "{}"',
    "security": 'security scheme "{}"',
}


class ToldRoute(NamedTuple):
    """What the scope of a request says about the route that answers it."""

    route: APIRoute
    endpoint: Callable[..., Any]
    path: str
    """In FastAPI's spelling, with all prefixes: "/things/{id}"."""
    inclusion: object | None = None
    """FastAPI's own record of an included route; see `INCLUSION_KEYS`."""


class Wish(NamedTuple):
    """What the author of a route says about its GET, before anything has run."""

    static: bool
    text: str
    place: Place | None = None


class ListedPath(NamedTuple):
    """A path that the author of a route has listed, to be rendered at build."""

    segments: Sequence[str]
    params: Params

    @property
    def path(self) -> str:
        """Canonical."""
        return canonical(self.segments)


@dataclass(frozen=True, slots=True)
class DeclaredInput:
    """Something of the request that a handler's signature, or one of its dependencies, asks for."""

    kind: Literal["query", "header", "cookie", "body", "form", "security"]
    name: str
    place: Place | None = None
    """Where the dependency that asks for it is defined; None: the handler itself asks."""
    by: str | None = None
    """The name of that dependency."""
    guard: Guard | None = None
    """The listed dependency on whose behalf it is asked for: of the application, a router, a folder or an operation."""

    @property
    def api(self) -> str:
        """What messages call it."""
        phrase = _PHRASES[self.kind].format(self.name)
        return phrase if self.by is None else f"{phrase} in {self.by}"


class Operation(ABC):
    """One method of a route."""

    method: str
    declared: tuple[DeclaredInput, ...]
    """Known without running anything; dependencies count."""
    streams: bool
    """Whether the function is a generator, so that its answer is a stream."""
    place: Place
    guards: tuple[Guard, ...] = ()
    """What stands in the way of a request: the dependencies that are listed at the application, at a router or folder,
    or at the operation itself. Nobody uses their values."""
    tells_guards: bool = False
    """Whether it tells which of its guards a request has passed: where the request isn't tracked in full."""
    accepted: tuple[str, ...] = ()
    """The media types of bodies that it takes, where it declares that; only of a QUERY."""
    hides_body: bool = True
    """Whether a GET or HEAD gets no body (R1.29)."""

    @property
    def sends_events(self) -> bool:
        """Whether its stream is one of server-sent events, which has no end."""
        return False

    @property
    def guards_read(self) -> bool:
        """Whether a guard is known to read the request, or may."""
        return any(guard.takes_request for guard in self.guards) or any(
            each.guard is not None for each in self.declared
        )

    @property
    @abstractmethod
    def told(self) -> ToldRoute:
        """What the scope of a request says about it."""

    @property
    @abstractmethod
    def app(self) -> ASGIApp:
        """Answers requests that have been matched, in a scope that is entered."""

    @property
    @abstractmethod
    def direct(self) -> Handler | None:
        """Gets from a request to its response without FastAPI's machinery; None where that isn't possible."""

    @property
    @abstractmethod
    def threaded(self) -> bool:
        """Whether the function, or a dependency of it, is a sync one, and so runs in a thread of the pool."""

    @abstractmethod
    def dependency_calls(self) -> Sequence[Callable[..., Any]] | None:
        """The functions of its dependencies; None where that can't be told."""

    @abstractmethod
    def called_through(
        self, through: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> AbstractContextManager[None]:
        """Within the block what `through` makes of the function is called in its place; dependencies are not."""


class Route(ABC):
    """One URL pattern and the operations that answer it."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """What tells it from every other route, today and tomorrow: part of keys and of builds."""

    @property
    @abstractmethod
    def source(self) -> str:
        """The file that defines it, as messages show it."""

    @property
    @abstractmethod
    def pattern(self) -> str:
        """Its paths, with parameters in brackets: "/items/[id]"."""

    @property
    @abstractmethod
    def own_patterns(self) -> tuple[str, ...]:
        """All spellings of the pattern that `revalidate_path` may be given, the usual one first."""

    @property
    @abstractmethod
    def folders(self) -> str:
        """The pattern with route groups."""

    @property
    @abstractmethod
    def config(self) -> SegmentConfig: ...

    @property
    def cache_query(self) -> Sequence[str]:
        """The parameters of the query that are part of an answer's key."""
        return self.config.cache_query

    @cached_property  # each live request asks
    def variation(self) -> Variation | None:
        """What else of a request is part of an answer's key; None: nothing."""
        return self.config.variation

    @property
    @abstractmethod
    def operations(self) -> Mapping[str, Operation]:
        """By method."""

    @property
    def accepted_queries(self) -> tuple[str, ...]:
        """The media types with which it can be asked by QUERY (RFC 10008 §3); empty where none is declared."""
        return ()

    @property
    @abstractmethod
    def segments(self) -> Sequence[Segment] | None:
        """What Millpond matches a path with; None where FastAPI does."""

    @property
    def everywhere(self) -> Sequence[Segment] | None:
        """Other paths at which its one answer is given as well; None: there are none."""
        return None

    @property
    @abstractmethod
    def params(self) -> Collection[str]:
        """The names of its parameters."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Of the source; another one means that it was edited."""

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that every answer has."""
        return ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences with their places: what looks like a mistake."""
        return ()

    @property
    def inherited(self) -> Collection[str]:
        """The names of the options that folders above give it."""
        return ()

    @property
    def guard(self) -> Guard | None:
        """The first dependency that is listed before GET."""
        get = self.operations.get("GET")
        return get.guards[0] if get is not None and get.guards else None

    @property
    def is_verified(self) -> bool:
        """Whether a build with Cache Components looks at what it waits for."""
        return True

    @property
    @abstractmethod
    def lister(self) -> str | None:
        """What messages call that which lists its paths; None where nothing does."""

    @abstractmethod
    async def listed(self) -> list[ListedPath]:
        """The paths to render at build: one without parameters, else those that are listed, each once.

        Raises:
            RouteModuleError: the list doesn't fit the path.
            Exception: what the user's function raised.
        """

    @abstractmethod
    def place(self, name: str) -> Place:
        """Where an option, a method or the list of paths is defined."""

    @abstractmethod
    def wish(self, compat: Compat, *, cache_components: bool) -> Wish:
        """Whether it asks for a static GET, unless what a handler declares forbids that."""

    def unreachable(self, path: ListedPath | None = None) -> str | None:
        """Why no request for a path of its gets there, as another route answers it; None: it does.

        Args:
            path: one of its paths; None: all of them.
        """
        del path
        return None

    def taken(self, path: str) -> ListedPath | None:
        """A decoded path, if FastAPI gives its requests to this route; None for routes that Millpond matches."""
        del path
        return None

    @property
    def methods(self) -> list[str]:
        """Those that it has an answer of its own for."""
        return list(self.operations)

    @property
    def follows_trailing_slash(self) -> bool:
        """Whether its paths end as `trailing_slash` says; those of an endpoint in code end as that declares them."""
        return True

    @property
    def shares_request_state(self) -> bool:
        """Whether `request.state` holds what the middleware of clients' requests leaves there, who is asking, say.

        In a route file it doesn't: a render that misses something there has no visitor to take it from.
        """
        return False

    @property
    def live_remedy(self) -> str:
        """How its author makes it live, as the beginning of a sentence."""
        return f'Set dynamic = "force-dynamic" in {self.source}'

    @property
    def is_told_by_path(self) -> bool:
        """Whether a path that it has answered is answered by it again, whatever else a request says."""
        return True

    def spellings(self, params: Params) -> Sequence[str]:
        """Other paths that mean the same: whoever invalidates one means all."""
        del params
        return ()

    @property
    @abstractmethod
    def allow(self) -> str:
        """The value of `Allow`, for the automatic OPTIONS and for 405 (R1.23, D2)."""

    @abstractmethod
    def method_for(self, method: str) -> str:
        """The method whose operation answers."""
