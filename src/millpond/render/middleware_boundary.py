"""The user's middleware in shared renders, with a boundary around each that knows when its code runs.

What middleware reads of the request counts as the handler's; what it answers in place of the operation isn't the
route's answer.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response

from millpond.errors import Place
from millpond.internals.starlette_names import dispatch_of, replace_dispatch
from millpond.render.base_exceptions import CANCELLATION
from millpond.render.request.tracked_asgi_scope import SHARED_RENDER, TrackedASGIScope
from millpond.render.request.tracked_request import guard, track
from millpond.render.scopes.shared_scope import MiddlewareSource, middleware_running
from millpond.render.user_code import in_project

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping
    from pathlib import Path
    from types import CodeType

    from starlette.middleware.base import DispatchFunction, RequestResponseEndpoint
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as ASGIScope

    from millpond.render.scopes.shared_scope import SharedScope


def with_boundaries(added: Iterable[Middleware], added_at: Mapping[int, Place | None]) -> list[Middleware]:
    """The user's middleware, outermost first, with a boundary around each, and around the operation.

    Args:
        added: the user's middleware.
        added_at: the line that added each, by its `id`.
    """
    stack = []
    for middleware in added:
        stack += [Middleware(MiddlewareBoundary, middleware, added_at.get(id(middleware))), middleware]
    return [*stack, Middleware(MiddlewareBoundary, None, None)]


def tracked_asgi_scope(scope: ASGIScope) -> ASGIScope:
    """The ASGI scope that middleware and the operation get: a tracked one in a shared render, else `scope` itself."""
    render: SharedScope | None = scope.get(SHARED_RENDER)
    if render is None or not render.tracks_request or isinstance(scope, TrackedASGIScope):
        return scope
    return TrackedASGIScope(dict(scope), render)


class MiddlewareBoundary:
    """Around one middleware, or around the operation; does nothing in a live run."""

    def __init__(self, app: ASGIApp, inner: Middleware | None, added_at: Place | None) -> None:
        self.app = app
        self._inner, self._added_at = inner, added_at
        if inner is not None and isinstance(app, BaseHTTPMiddleware):
            replace_dispatch(app, _tracking)

    def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> Awaitable[None]:
        if SHARED_RENDER not in scope:
            return self.app(scope, receive, send)
        return self._in_render(scope[SHARED_RENDER], scope, receive, send)

    async def _in_render(self, render: SharedScope, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """Where the render ends inside, middleware further out sees an ordinary answer."""
        begun = False

        async def tracked_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        middleware = self._source(render.project)
        render.innermost_middleware = middleware or render.innermost_middleware
        try:
            with middleware_running(middleware):
                await self.app(tracked_asgi_scope(scope), receive, tracked_send)
        except CANCELLATION:
            raise
        except BaseException:
            if begun or render.dynamic_use is None:
                raise
        if render.dynamic_use is not None and not begun:
            await Response()(scope, receive, send)  # never sent: the renderer looks at the scope first

    def _source(self, project: Path) -> MiddlewareSource | None:
        """What messages call the middleware, with the line that defines it, or that adds a library's."""
        if self._inner is None:
            return None
        function = _function_of(self.app)
        named: Any = function if type(self.app) is BaseHTTPMiddleware else self._inner.cls
        code: CodeType | None = getattr(function, "__code__", None)
        file = None if code is None else in_project(code.co_filename, project)
        place = self._added_at if code is None or file is None else Place(file, code.co_firstlineno)
        return MiddlewareSource(getattr(named, "__name__", type(named).__name__), place)


def _tracking(dispatch: DispatchFunction) -> DispatchFunction:
    """The dispatch function of a BaseHTTPMiddleware, which then gets a tracked request."""

    def tracking(request: Request, call_next: RequestResponseEndpoint) -> Awaitable[Response]:
        render: SharedScope | None = request.scope.get(SHARED_RENDER)
        if render is None or not render.tracks_request:
            return dispatch(guard(request), call_next)
        # `call_next` reads the body from `request` itself for the code below it; that is no read of the middleware's.
        return dispatch(track(Request(request.scope, request.receive), render), call_next)

    tracking.__wrapped__ = dispatch  # type: ignore[attr-defined]
    return tracking


def _function_of(app: Any) -> Any:
    """The function that a middleware is, or the method of its class that is called."""
    if isinstance(app, BaseHTTPMiddleware):
        called: Any = dispatch_of(app)
    else:
        called = app if inspect.isfunction(app) else type(app).__call__
    called = inspect.unwrap(called)
    return getattr(called, "__func__", called)
