"""What is declared on the application itself: FastAPI's router, without the routes of the files."""

from __future__ import annotations

import copy
from operator import is_
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Match, NoMatchFound

from millpond.routes.operation import OperationRoute

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.datastructures import URLPath
    from starlette.types import ASGIApp, Receive, Scope, Send


class DeclaredRoutes:
    """Answers as FastAPI's router would if there were no file routes.

    The router tries one route after the other, and would ask hundreds of file routes in vain, and send clients to
    slashes that no file route has. So a copy of it is asked, made anew when its list of routes has changed.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._known: list[BaseRoute] = []
        self._others = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        router = self._router
        if len(self._known) != len(router.routes) or not all(map(is_, self._known, router.routes)):
            self._known = list(router.routes)
            self._others = copy.copy(router)
            self._others.routes = [route for route in self._known if not _is_of_a_file(route)]
        scope.setdefault("router", router)
        await self._others.app(scope, receive, send)


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


def _is_of_a_file(route: BaseRoute) -> bool:
    return isinstance(route, OperationRoute | Front)
