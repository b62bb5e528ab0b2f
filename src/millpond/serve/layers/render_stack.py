"""What stands around the operations of file routes: the middleware for renders, and the exception handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request

from millpond.internals import fastapi_names
from millpond.render.middleware_boundary import MiddlewareBoundary, tracked_asgi_scope
from millpond.render.renderer import OPERATION, tolerating_failed_background
from millpond.render.request.tracked_asgi_scope import SHARED_RENDER
from millpond.routes.results.direct import NotDirect
from millpond.serve.layers.short_cut import handling_errors, is_plain, raising

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastapi import FastAPI
    from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

    from millpond.render.middleware_boundary import RenderMiddleware
    from millpond.render.scopes.shared_scope import SharedScope


async def run_operation(scope: Scope, receive: Receive, send: Send) -> None:
    """Run the operation that the scope names."""
    await scope[OPERATION](scope, receive, send)


def live_stack(app: FastAPI, middleware: Sequence[RenderMiddleware]) -> ASGIApp:
    """The operations, inside of the middleware for renders. FastAPI's own layers stand around the router already."""
    return _layers(middleware, handlers_of(app)) if middleware else run_operation


class SharedStack:
    """The same for renders for everybody, which no client's request surrounds.

    Handlers of exceptions run in the render, on its made-up request. The one for `Exception` or 500 doesn't: a render
    that raises has no answer that could be stored, and each visitor's request raises the error again.
    """

    def __init__(self, app: FastAPI, middleware: Sequence[RenderMiddleware], is_unseen: Callable[[], bool]) -> None:
        """`is_unseen`: whether nothing, such as an agent, has to see renders."""
        handlers = handlers_of(app)
        self._app, self._has_middleware, self._is_unseen = app, bool(middleware), is_unseen
        self._stack: ASGIApp = exception_layer(_layers(middleware, handlers), handlers, app.debug)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"], scope["router"] = self._app, self._app.router
        scope[fastapi_names.TELEMETRY_KEY] = None
        rest = await self._answer_shortly(scope, receive, send)
        if rest is not None:
            await self._stack(rest, receive, send)

    async def _answer_shortly(self, scope: Scope, receive: Receive, send: Send) -> Scope | None:
        """Answer without the layers, where none of them would do anything. Otherwise, the scope that they are to get.

        Its operation may be one that has run already, and gives what it has returned or raised.
        """
        render: SharedScope = scope[SHARED_RENDER]
        direct = render.target.operation.direct
        if direct is None or self._has_middleware or render.at_build or not self._is_unseen():
            return scope
        request = Request(tracked_asgi_scope(scope), receive, send)
        try:
            response = await direct(request)
        except NotDirect:
            return scope
        except Exception as error:  # noqa: BLE001 - raised again inside of the user's error handlers
            request.scope[OPERATION] = handling_errors(raising(error), request)
            return request.scope
        if is_plain(response):
            await response(scope, receive, send)
            return None
        request.scope[OPERATION] = tolerating_failed_background(handling_errors(response, request))
        return request.scope


def exception_layer(app: ASGIApp, handlers: Mapping[Any, ExceptionHandler], debug: bool) -> ASGIApp:
    """Starlette's own layer for exceptions around `app`.

    It is made in Starlette's way: agents change the class at the moment that a `Middleware` is made of it, and this may
    come before the application has made its stack.
    """
    layer = Middleware(ExceptionMiddleware, handlers=handlers, debug=debug)
    made: ASGIApp = layer.cls(app, *layer.args, **layer.kwargs)
    return made


def handlers_of(app: FastAPI) -> Mapping[Any, ExceptionHandler]:
    """The exception handlers of a class or status; the one for any other error is the visitor's request's alone."""
    return {key: handler for key, handler in app.exception_handlers.items() if key not in (500, Exception)}


def _layers(middleware: Sequence[RenderMiddleware], handlers: Mapping[Any, ExceptionHandler]) -> ASGIApp:
    """The operations, inside of what FastAPI closes files with, inside of the middleware."""
    app: ASGIApp = MiddlewareBoundary(fastapi_names.with_exit_stack(run_operation, handlers), None)
    for added in reversed(middleware):
        app = MiddlewareBoundary(added.around(app), added)
    return app
