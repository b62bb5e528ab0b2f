"""The inner FastAPI application: the user's middleware, dependencies and error handlers live in it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound

from millpond.internals import fastapi_names, starlette_names
from millpond.render.middleware_boundary import tracked_asgi_scope, with_boundaries
from millpond.render.renderer import OPERATION
from millpond.render.request.tracked_request import guard_connection
from millpond.render.user_code import user_place
from millpond.routes.direct import NotDirect
from millpond.routes.operation import OperationApp
from millpond.serve.validation_errors import validation_error_response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from starlette.datastructures import URLPath
    from starlette.middleware import Middleware
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.errors import Place
    from millpond.routes.operation import Handler, OperationRoute


_CHECK_INTERVAL = 1.0
"""Seconds between two checks whether anything, such as a tracer, observes the application."""


class MatchedOperation(BaseRoute):
    """Passes a request to the operation that Millpond has already matched, without a scan over the routes."""

    def __init__(self, operations: Sequence[OperationRoute]) -> None:
        self._operations = operations

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL, {}) if OPERATION in scope else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope[OPERATION](scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        for operation in self._operations:
            try:
                return operation.url_path_for(name, **path_params)
            except NoMatchFound:
                continue
        raise NoMatchFound(name, path_params)


class PassableStack(ServerErrorMiddleware):
    """FastAPI's middleware stack, bypassed by an operation that can run directly and returns a plain response.

    Any other outcome, such as an error or a stream, goes through the whole of FastAPI. It is a ServerErrorMiddleware
    because instrumentation of an application looks for one.
    """

    def __init__(self, stack: ServerErrorMiddleware, inner: InnerApp) -> None:
        super().__init__(stack.app, stack.handler, stack.debug)
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = scope.get(OPERATION)
        if not isinstance(operation, OperationApp) or (direct := self._direct(operation)) is None:
            await super().__call__(scope, receive, send)
            return
        scope = tracked_asgi_scope(scope)
        scope.setdefault("router", self._inner.router)
        request = Request(scope, receive, send)
        try:
            response = await direct(request)
        except NotDirect:
            rest: ASGIApp = operation
        except Exception as error:  # noqa: BLE001 - raised again inside of the user's error handlers
            rest = operation.around(_handling_errors(_raising(error), request))
        else:
            if _is_plain(response):
                await response(scope, receive, send)
                return
            rest = operation.around(_handling_errors(response, request))
        scope[OPERATION] = rest
        await super().__call__(scope, receive, send)

    def _direct(self, operation: OperationApp) -> Handler | None:
        return operation.route.ways.direct if self._inner.unobserved else None


def _is_plain(response: Response) -> bool:
    """Whether its body is complete, and sending it runs no other code."""
    return type(response).__call__ is Response.__call__ and response.background is None


def _raising(error: Exception) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        raise error

    return app


def _handling_errors(app: ASGIApp, request: Request) -> ASGIApp:
    """Wrap `app` as FastAPI wraps an operation: error handlers get the request whose body the operation has read."""

    async def handling(scope: Scope, receive: Receive, send: Send) -> None:
        await starlette_names.handling_errors(app, request)(scope, receive, send)

    return handling


class InnerApp(starlette_names.LayeredFastAPI):
    """FastAPI with the operations of the route files: they are in its OpenAPI document, but not in its routing."""

    def __init__(
        self, operations: Sequence[OperationRoute], project: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._project = project
        self._added_at: dict[int, Place | None] = {}
        super().__init__(redirect_slashes=False, dependencies=[Depends(guard_connection)])
        self._clock, self._next_check = clock, 0.0
        self.unobserved = False
        """Whether the last check found nothing that observes requests: only then may short cuts be taken."""
        self._operations = list(operations)
        for operation in self._operations:  # so that `dependency_overrides` applies to them, as in any FastAPI test
            operation.dependency_overrides_provider = self
        self.router.routes.insert(0, MatchedOperation(self._operations))
        self.add_exception_handler(Exception, _empty_500)
        self.exception_handlers[RequestValidationError] = validation_error_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if OPERATION in scope and self._is_unobserved():
            scope.setdefault(fastapi_names.TELEMETRY_KEY, None)
            stack = starlette_names.built_stack(self)
            if stack is not None and not self.root_path:
                scope["app"] = self  # what FastAPI and Starlette do, one after the other
                await stack(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _is_unobserved(self) -> bool:
        """Whether OpenTelemetry isn't set up, and no agent has replaced functions of Starlette or FastAPI.

        FastAPI itself would check for the former at each request, which is slow.
        """
        now = self._clock()
        if now >= self._next_check:
            self._next_check = now + _CHECK_INTERVAL
            self.unobserved = not fastapi_names.is_observed(self) and starlette_names.is_past_possible()
        return self.unobserved

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """As in FastAPI; also records the calling line, for the build's messages about a library's middleware."""
        super().add_middleware(middleware_class, *args, **kwargs)
        added = starlette_names.added_last(self)
        frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
        if added is not None:
            self._added_at[id(added)] = user_place(frame, self._project)

    def layers(self, added: list[Middleware]) -> list[Middleware]:
        return with_boundaries(added, self._added_at)

    def past(self, stack: ASGIApp) -> ASGIApp:
        if self.max_body_size is not None or not isinstance(stack, ServerErrorMiddleware):
            return stack
        return PassableStack(stack, self)

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes for OpenAPI: the operations, then the routes that the user added."""
        return [*self._operations, *self.router.routes]


async def _empty_500(request: Request, error: Exception) -> Response:
    """Answer a handler's exception with 500 and no body (R1.39); the dispatcher logs the error."""
    del request, error
    return Response(status_code=500)
