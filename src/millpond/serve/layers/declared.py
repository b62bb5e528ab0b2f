"""What is declared on the application itself: FastAPI's router, without the routes of the files."""

from __future__ import annotations

import copy
from operator import is_
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Match, NoMatchFound

from millpond.internals.fastapi_inclusion import with_apps
from millpond.render.route_in_scope import say_route
from millpond.routes.deferred.unloaded_routes import known_routes
from millpond.routes.endpoints.static import is_static
from millpond.routes.operation import OperationRoute
from millpond.serve.live import ANSWER_ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import APIRouter
    from starlette.datastructures import URLPath
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.internals.fastapi_inclusion import EffectiveRoute
    from millpond.routes.endpoints.endpoint_route import EndpointRoute

    EndpointOf = Callable[[EffectiveRoute], EndpointRoute | None]
    AnswerEndpoint = Callable[[EndpointRoute, ASGIApp, Scope, Receive, Send], Awaitable[None]]


class DeclaredRoutes:
    """Answers as FastAPI's router would if there were no file routes.

    The router tries one route after the other, and would ask hundreds of file routes in vain, and send clients to
    slashes that no file route has. So a copy of it is asked, made anew when its list of routes has changed. In the copy
    something else answers in the place of endpoints with `@static`: FastAPI matches, and runs nothing yet. The routers
    that are included stay as they are, as other applications may have them, too.
    """

    def __init__(
        self,
        router: APIRouter,
        endpoint_of: EndpointOf = lambda route: None,
        on_reorder: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_reorder` is called when a route stands, or is missing, in front of those that were there."""
        self._router, self._endpoint_of, self._on_reorder = router, endpoint_of, on_reorder
        self._known: list[BaseRoute] = []
        self._others = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        router = self._router
        now = known_routes(router)
        if len(self._known) != len(now) or not all(map(is_, self._known, now)):
            former, self._known = self._known, list(now)
            if not all(map(is_, former, self._known)) or len(former) > len(self._known):
                self._on_reorder()
            self._others = copy.copy(router)
            others = [route for route in self._known if not is_of_file(route)]
            self._others.routes = [with_apps(route, is_static, self._app_of) for route in others]
        scope.setdefault("router", router)
        await self._others.app(scope, receive, send)

    def _app_of(self, route: EffectiveRoute) -> ASGIApp | None:
        """What answers where FastAPI has matched an endpoint with `@static`."""
        endpoint = self._endpoint_of(route)
        if endpoint is None:
            return None
        plain, known, told = route.plain_app, endpoint, endpoint.operations["GET"].told

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            say_route(scope, told)  # not the copies that have matched
            answer: AnswerEndpoint | None = scope.get(ANSWER_ENDPOINT)
            if answer is None:
                await plain(scope, receive, send)
            else:
                await answer(known, plain, scope, receive, send)

        return app


class Front(BaseRoute):
    """Hands every request on; the first route of a router before whose whole list nothing can stand."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.NONE if scope["type"] == "lifespan" else Match.FULL), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)


def is_of_file(route: BaseRoute) -> bool:
    """Whether Millpond has put it there."""
    return isinstance(route, OperationRoute | Front)
