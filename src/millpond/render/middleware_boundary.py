"""The user's middleware in shared renders, with a boundary around each that knows when its code runs.

What middleware reads of the request counts as the handler's; what it answers in place of the operation isn't the
route's answer.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response

from millpond.errors import Place
from millpond.internals.starlette_names import dispatch_of, replace_dispatch
from millpond.messages import at
from millpond.render.base_exceptions import CANCELLATION
from millpond.render.request.tracked_asgi_scope import SHARED_RENDER, TrackedASGIScope
from millpond.render.request.tracked_request import guard, track
from millpond.render.scopes.shared_scope import MiddlewareSource, middleware_running
from millpond.render.user_code import in_project

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path
    from types import CodeType

    from starlette.middleware.base import DispatchFunction, RequestResponseEndpoint
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as ASGIScope

    from millpond.render.scopes.shared_scope import SharedScope

log = logging.getLogger("millpond.render")


@dataclass(frozen=True, slots=True, eq=False)
class RenderMiddleware:
    """A middleware around renders, as it was added."""

    make: Callable[..., ASGIApp]
    """Called with the application to wrap, and with `options`."""
    options: Mapping[str, Any]
    keep_headers: bool
    """Whether headers that it adds to an answer for everybody are stored with it."""
    added_at: Place | None
    """The line that added it."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """The middleware around `app`."""
        return self.make(app, **self.options)


def tracked_asgi_scope(scope: ASGIScope) -> ASGIScope:
    """The ASGI scope that middleware and the operation get: a tracked one in a shared render, else `scope` itself."""
    render: SharedScope | None = scope.get(SHARED_RENDER)
    if render is None or not render.tracks_request or isinstance(scope, TrackedASGIScope):
        return scope
    return TrackedASGIScope(dict(scope), render)


class MiddlewareBoundary:
    """Around one middleware, or around the operation (None); does nothing in a live run."""

    def __init__(self, app: ASGIApp, added: RenderMiddleware | None) -> None:
        self.app = app
        self._added = added
        self._told: set[tuple[str, ...]] = set()
        """Names of dropped headers that were warned about."""
        if added is not None and isinstance(app, BaseHTTPMiddleware):
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
            if message["type"] == "http.response.start":
                message = self._without_added_headers(message, render, middleware)
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

    def _without_added_headers(
        self, message: Message, render: SharedScope, middleware: MiddlewareSource | None
    ) -> Message:
        """The start of an answer without what the middleware has added to it for one request, such as a request id."""
        headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
        before, render.answer_headers = render.answer_headers, headers
        if self._added is None or self._added.keep_headers or before is None:
            return message
        kept = [header for header in headers if header in before or _describes_the_body(header[0])]
        names = {name for name, _ in headers}
        kept += [
            (name, value)
            for name, value in before
            if name in names and (name, value) not in kept and not _describes_the_body(name)
        ]
        dropped = tuple(sorted({name.decode("latin-1") for name, value in headers if (name, value) not in kept}))
        if dropped and dropped not in self._told and middleware is not None:
            self._told.add(dropped)
            log.warning(
                "%s%s changes %s, which are dropped from answers for everybody; "
                "add_render_middleware(..., keep_headers=True) keeps them.",
                at(middleware.place),
                middleware.name,
                ", ".join(dropped),
            )
        render.answer_headers = kept
        return {**message, "headers": kept}

    def _source(self, project: Path) -> MiddlewareSource | None:
        """What messages call the middleware, with the line that defines it, or that adds a library's."""
        if self._added is None:
            return None
        function = _function_of(self.app)
        named: Any = function if type(self.app) is BaseHTTPMiddleware else self._added.make
        code: CodeType | None = getattr(function, "__code__", None)
        file = None if code is None else in_project(code.co_filename, project)
        place = self._added.added_at if code is None or file is None else Place(file, code.co_firstlineno)
        return MiddlewareSource(getattr(named, "__name__", type(named).__name__), place)


def _describes_the_body(name: bytes) -> bool:
    """Whether a header belongs to the body that it comes with: middleware that changes the one changes the other."""
    return name.startswith(b"content-") or name in (b"accept-ranges", b"etag", b"last-modified", b"vary")


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
