"""Middleware that stands around renders: what it reads counts as the handler's, what it answers is not the route's."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response

from millpond.errors import Place
from millpond.render.escape import MEANT_FOR_THE_LOOP
from millpond.render.request.tracked import refuse, watch
from millpond.render.request.watched_scope import RENDER, WatchedScope
from millpond.render.scope import Standing, in_project, standing_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping
    from pathlib import Path
    from types import CodeType

    from starlette.middleware.base import DispatchFunction, RequestResponseEndpoint
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as ASGIScope

    from millpond.render.scope import Scope


def layered(added: Iterable[Middleware], added_at: Mapping[int, Place | None]) -> list[Middleware]:
    """The user's middleware, outermost first, each with a layer around it that sees what it does to a render.

    Args:
        added: what the user has added.
        added_at: by the `id` of each, where.
    """
    layers = []
    for middleware in added:
        layers += [Middleware(Layer, middleware, added_at.get(id(middleware))), _watching(middleware)]
    return [*layers, Middleware(Layer, None, None)]


def watched_scope(scope: ASGIScope) -> ASGIScope:
    """What the surroundings of an operation, and the operation, see of a request: all of it, where it is a real one."""
    render: Scope | None = scope.get(RENDER)
    if render is None or not render.wraps_request or isinstance(scope, WatchedScope):
        return scope
    return WatchedScope(dict(scope), render)


class Layer:
    """Stands around one middleware, or around the operation; does nothing in a live run."""

    def __init__(self, app: ASGIApp, around: Middleware | None, added_at: Place | None) -> None:
        self.app = app
        self._around, self._added_at = around, added_at

    def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> Awaitable[None]:
        if RENDER not in scope:
            return self.app(scope, receive, send)
        return self._in_render(scope[RENDER], scope, receive, send)

    async def _in_render(self, render: Scope, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """A middleware further out sees an ordinary answer where this one has ended the render."""
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        standing = self._standing(render.project)
        render.standing = standing or render.standing
        try:
            with standing_in(standing):
                await self.app(watched_scope(scope), receive, noting)
        except MEANT_FOR_THE_LOOP:
            raise
        except BaseException:
            if begun or render.dynamic_use is None:
                raise
        if render.dynamic_use is not None and not begun:
            await Response()(scope, receive, send)  # nobody gets it: whoever began the render looks at the scope first

    def _standing(self, project: Path) -> Standing | None:
        """What messages call the middleware; where the user has written it, or has added a library's."""
        if self._around is None:
            return None
        function = _function_of(self.app)
        kind: Any = self._around.cls
        named = function if kind is BaseHTTPMiddleware else kind
        code: CodeType | None = getattr(function, "__code__", None)
        file = None if code is None else in_project(code.co_filename, project)
        place = self._added_at if code is None or file is None else Place(file, code.co_firstlineno)
        return Standing(getattr(named, "__name__", type(named).__name__), place)


class _WatchingMiddleware(BaseHTTPMiddleware):
    """One whose function gets a request that is watched. Its names are none that the user's class may have."""

    def __init__(self, app: ASGIApp, dispatch: DispatchFunction | None = None) -> None:
        self.millpond_dispatch = self.dispatch if dispatch is None else dispatch
        super().__init__(app, self.millpond_watched)

    def millpond_watched(self, request: Request, call_next: RequestResponseEndpoint) -> Awaitable[Response]:
        render: Scope | None = request.scope.get(RENDER)
        if render is None or not render.wraps_request:
            return self.millpond_dispatch(refuse(request), call_next)
        # The request itself hands the body down, to whoever asks for it there: that is no read of the middleware's.
        return self.millpond_dispatch(watch(Request(request.scope, request.receive), render), call_next)


def _watching(middleware: Middleware) -> Middleware:
    """The same, with a request that is watched, where it is made of a function of a request."""
    kind: Any
    kind, args, kwargs = middleware
    if not inspect.isclass(kind) or not issubclass(kind, BaseHTTPMiddleware):
        return middleware
    return Middleware(_watching_kind(cast("Any", kind)), *args, **kwargs)


@cache
def _watching_kind(kind: Any) -> Any:
    """`kind`, in which a `_WatchingMiddleware` takes the place of Starlette's own class."""
    bases = (_WatchingMiddleware,) if kind is BaseHTTPMiddleware else (kind, _WatchingMiddleware)
    return type(kind.__name__, bases, {"__module__": kind.__module__, "__qualname__": kind.__qualname__})


def _function_of(app: Any) -> Any:
    """The function that a middleware consists of, or the method of its class that is called."""
    if isinstance(app, BaseHTTPMiddleware):
        called: Any = app.millpond_dispatch if isinstance(app, _WatchingMiddleware) else app.dispatch
    else:
        called = app if inspect.isfunction(app) else type(app).__call__
    called = inspect.unwrap(called)
    return getattr(called, "__func__", called)
