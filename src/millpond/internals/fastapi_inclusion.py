"""How FastAPI keeps the routes of included routers, and how another application gets into a route's place.

A router's routes may be included in several applications, and more than once in one. FastAPI makes a record for each
inclusion, with all prefixes, dependencies and defaults, and an application of its own. Nothing of that is changed here:
copies are.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute, APIRouter, APIWebSocketRoute
from fastapi.sse import EventSourceResponse
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from millpond.internals import declared_inputs, fastapi_names
from millpond.internals.private_name import PrivateName

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from starlette.convertors import Convertor
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    Handler = Callable[[Request], Awaitable[Response]]
    Endpoint = Callable[..., Any]
    AppOf = Callable[["EffectiveRoute"], ASGIApp | None]

_LIVE = "endpoints with `@static` on included routers run live"

INCLUDED = PrivateName("fastapi.routing", "_IncludedRouter", _LIVE, keywords=("original_router", "include_context"))
CANDIDATES = PrivateName(
    "fastapi.routing",
    "_IncludedRouter.effective_candidates",
    _LIVE,
    sample=lambda: INCLUDED.find()(original_router=APIRouter(), include_context=None),
)
CONTEXT = PrivateName("fastapi.routing", "_effective_route_context_var", _LIVE)
NAMES = (INCLUDED, CANDIDATES, CONTEXT)

_included: type[Any] | None = INCLUDED.get() if CANDIDATES.is_known and CONTEXT.is_known else None
_PLAIN = (Route, APIRoute, Mount, WebSocketRoute, APIWebSocketRoute, *((_included,) if _included else ()))
"""Classes of routes that look at the path and the method alone."""


_ANSWERING = (
    *("dependencies", "status_code", "response_class", "response_model", "max_body_size"),
    *(f"response_model_{part}" for part in ("include", "exclude", "by_alias")),
    *(f"response_model_exclude_{part}" for part in ("unset", "defaults", "none")),
)
"""What an inclusion may change about the answers of a route."""


@dataclass(frozen=True)
class EffectiveRoute:
    """A route as an application has it: with what its inclusions add."""

    original: BaseRoute
    context: Any = None
    """FastAPI's record of the inclusion; None for a route of the application's own router."""

    @property
    def effective(self) -> Any:
        """What FastAPI asks: its record of the inclusion, or the route itself."""
        return self.original if self.context is None else self.context

    @property
    def endpoint(self) -> Any:
        return getattr(self.original, "endpoint", None)

    @property
    def path(self) -> str:
        """With all prefixes, and convertors: "/items/{id:int}"."""
        route = getattr(self.effective, "starlette_route", None) or self.effective
        return getattr(route, "path", None) or "/"

    @property
    def path_format(self) -> str:
        """Without convertors."""
        return getattr(self.effective, "path_format", None) or self.path

    @property
    def plain_app(self) -> ASGIApp:
        """What answers its requests in FastAPI, once they have been matched."""
        app: ASGIApp = self.effective.app
        return app

    @property
    def methods(self) -> set[str]:
        return getattr(self.effective, "methods", None) or set()

    @property
    def convertors(self) -> dict[str, Convertor[Any]]:
        return getattr(self.effective, "param_convertors", None) or {}

    def params_of(self, path: str) -> dict[str, Any] | None:
        """The parameters that a decoded path has here, converted; None if it doesn't fit."""
        match = self.effective.path_regex.match(path)
        if match is None:
            return None
        return {name: self.convertors[name].convert(value) for name, value in match.groupdict().items()}

    def matches(self, scope: dict[str, Any]) -> Any:
        """Whether it answers a request, in Starlette's terms. A class of its own may look at more than the path."""
        if self.context is None or self.is_plain or not isinstance(self.original, APIRoute):
            return self.effective.matches(scope)[0]
        ours, context = fastapi_names.INCLUSION_KEYS
        return self.original.matches({**scope, ours: {**scope.get(ours, {}), context: self.context}})[0]

    @property
    def has_own_handler(self) -> bool:
        """Whether its class, or somebody else, has put more around FastAPI's handler."""
        route = self.original
        is_own = getattr(type(route), "get_route_handler", None) is not APIRoute.get_route_handler
        return is_own or "get_route_handler" in vars(route)

    @property
    def is_plain(self) -> bool:
        """Whether the path and the method alone say whether it answers, and nothing else runs before its handler."""
        route = self.original
        return _has_own(route, "matches") and _has_own(route, "handle")

    def app(
        self,
        around: Callable[[Handler], Handler],
        through: Callable[[Endpoint], Endpoint] | None,
        behind: Callable[[int], Endpoint] | None = None,
    ) -> ASGIApp:
        """An application that answers as the route's own does, with its handler inside `around`.

        Args:
            around: goes around FastAPI's handler of one request.
            through: what it makes of the endpoint is called in place of that; None: the endpoint itself.
            behind: makes a dependency to stand behind each of the listed ones; None: nothing stands there.
        """
        app: ASGIApp = fastapi_names.REQUEST_RESPONSE.find()(around(self._handler(through, behind)))
        limit = getattr(self.effective, "max_body_size", None)
        return app if limit is None else RequestBodyLimitMiddleware(app, max_body_size=limit)

    @property
    def is_known(self) -> bool:
        """Whether FastAPI's dependant, which is what `through` and `behind` change, is known."""
        return fastapi_names.DEPENDANT.is_known

    def _handler(
        self, through: Callable[[Endpoint], Endpoint] | None, behind: Callable[[int], Endpoint] | None
    ) -> Handler:
        effective = copy.copy(self.effective)
        if behind is not None:
            effective.dependant = fastapi_names.after_each(effective.dependant, len(effective.dependencies), behind)
        if through is not None and fastapi_names.DEPENDANT.is_known:
            dependant = effective.dependant
            effective.dependant = dataclasses.replace(dependant, call=through(dependant.call))
        if self.context is None:
            return effective.get_route_handler()  # type: ignore[no-any-return]  # an APIRoute's
        variable = CONTEXT.find()
        token = variable.set(effective)
        try:
            return self.original.get_route_handler()  # type: ignore[attr-defined, no-any-return]  # as above
        finally:
            variable.reset(token)

    def declared(self) -> Iterator[declared_inputs.Declared]:
        """Each input that it declares, and the function that asks for it."""
        return declared_inputs.declared(self.effective)

    @property
    def sends_events(self) -> bool:
        """Whether what its endpoint yields is sent as server-sent events."""
        kind = getattr(self.effective, "response_class", None)
        return isinstance(kind, type) and issubclass(kind, EventSourceResponse)

    def answers_like(self, other: EffectiveRoute) -> bool:
        """Whether another inclusion of the same route is the same, by its dependencies above all.

        FastAPI puts an inclusion together anew when its router has got another route.
        """
        mine, others = self.effective, other.effective
        return mine is others or all(
            getattr(mine, name, None) == getattr(others, name, None) for name in ("path", *_ANSWERING)
        )

    def dependency_calls(self) -> list[Endpoint] | None:
        return fastapi_names.dependency_calls(self.effective)

    def path_values(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values that the endpoint gets for the parameters of a path, validated; empty if they are invalid."""
        return fastapi_names.path_values(self.effective, params)


def effective_routes(routes: Iterable[BaseRoute]) -> Iterator[EffectiveRoute]:
    """All routes, those of included routers in their places."""
    for route in routes:
        if _included is not None and isinstance(route, _included):
            yield from _of_included(route)
        else:
            yield EffectiveRoute(route)


def _of_included(included: Any) -> Iterator[EffectiveRoute]:
    for candidate in included.effective_candidates():
        if _included is not None and isinstance(candidate, _included):
            yield from _of_included(candidate)
        else:
            yield EffectiveRoute(candidate.original_route, candidate)


def is_possible() -> bool:
    """Whether another application can answer in the place of a route."""
    return fastapi_names.REQUEST_RESPONSE.is_known


def any_route(routes: Iterable[BaseRoute], is_wanted: Callable[[BaseRoute], bool]) -> bool:
    """Whether there is such a route; included routers are looked through, but their routes aren't put together."""
    return any(
        any_route(route.original_router.routes, is_wanted)
        if _included is not None and isinstance(route, _included)
        else is_wanted(route)
        for route in routes
    )


def with_apps(route: BaseRoute, is_wanted: Callable[[BaseRoute], bool], app_of: AppOf) -> BaseRoute:
    """A copy of a route in which other applications answer; the route itself if there is nothing to change.

    Args:
        route: a route of an application's router, which may be an included router.
        is_wanted: whether the application of a route may be another one.
        app_of: makes it; None: its own.
    """
    if not is_possible() or not any_route([route], is_wanted):
        return route
    if _included is not None and isinstance(route, _included):
        return _replacing(route, is_wanted, app_of)
    app = app_of(EffectiveRoute(route))
    if app is None:
        return route
    copied: Any = copy.copy(route)
    copied.app = app
    return copied  # type: ignore[no-any-return]  # as it was


if _included is not None:

    class _Replacing(_included):  # type: ignore[misc, valid-type]  # a class that isn't exported
        """An included router in which other applications answer. It stays as lazy as FastAPI's, and up to date."""

        former: Any
        is_wanted: Callable[[BaseRoute], bool]
        app_of: AppOf
        _known: Any = None
        _replaced: Sequence[Any] = ()

        def effective_candidates(self) -> Any:
            known = self.former.effective_candidates()
            if known is not self._known:
                self._replaced = [self._replace(candidate) for candidate in known]
                self._known = known
            return self._replaced

        def effective_low_priority_routes(self) -> Any:
            return self.former.effective_low_priority_routes()

        def _replace(self, candidate: Any) -> Any:
            if _included is not None and isinstance(candidate, _included):
                return with_apps(candidate, self.is_wanted, self.app_of)
            original = candidate.original_route
            app = self.app_of(EffectiveRoute(original, candidate)) if self.is_wanted(original) else None
            if app is None:
                return candidate
            copied = copy.copy(candidate)
            copied.app = app
            return copied

        __hash__ = object.__hash__
        __eq__ = object.__eq__


def _replacing(route: Any, is_wanted: Callable[[BaseRoute], bool], app_of: AppOf) -> BaseRoute:
    replacing: Any = _Replacing(original_router=route.original_router, include_context=route.include_context)
    replacing.former, replacing.is_wanted, replacing.app_of = route, is_wanted, app_of
    return replacing  # type: ignore[no-any-return]  # an included router is a route


def are_plain(routes: Iterable[BaseRoute]) -> bool:
    """Whether the path and the method alone say whether any of these routes answers a request."""
    return all(_is_plain(route) for route in routes)


def _is_plain(route: BaseRoute) -> bool:
    if _included is not None and isinstance(route, _included):
        router: Any = route.original_router
        own = all(getattr(type(router), name) is getattr(APIRouter, name) for name in ("matches", "handle", "app"))
        return own and are_plain(router.routes)
    return _has_own(route, "matches")


def _has_own(route: BaseRoute, name: str) -> bool:
    """Whether a method is that of one of the classes that FastAPI and Starlette have."""
    if name in vars(route):
        return False
    method = getattr(type(route), name)
    return any(method is getattr(plain, name) for plain in _PLAIN)
