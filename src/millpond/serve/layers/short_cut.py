"""Past the middleware stack: for a live operation that needs no layer of FastAPI's, while there are no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from millpond.internals import starlette_names
from millpond.routes.results.direct import NotDirect
from millpond.serve.live import DISPATCHED, LiveRun

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class ShortCut:
    """One request's way: runs an operation directly if it can be and its response is plain.

    Any other outcome, such as an error or a stream, goes through the whole stack, which finds it at the router's place.
    """

    __slots__ = ("_stack", "is_taken")

    def __init__(self, stack: ASGIApp) -> None:
        self._stack = stack
        self.is_taken = False
        """Whether the request has gone through the stack after all."""

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """The way of a request to what answers it live."""
        if not isinstance(app, LiveRun) or (direct := app.operation.direct) is None:
            await self.the_whole_way(app, scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await direct(request)
        except NotDirect:
            rest: ASGIApp = app
        except Exception as error:  # noqa: BLE001 - raised again inside of the user's error handlers
            rest = _instead(app, handling_errors(raising(error), request))
        else:
            if is_plain(response):
                await app.through(response, scope, receive, send)
                return
            rest = _instead(app, handling_errors(response, request))
        await self.the_whole_way(rest, scope, receive, send)

    async def the_whole_way(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the whole stack run, with `app` where the router stands."""
        scope[DISPATCHED], self.is_taken = app, True
        await self._stack(scope, receive, send)


def raising(error: BaseException) -> ASGIApp:
    """An application that raises `error`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        raise error

    return app


def _instead(run: LiveRun, app: ASGIApp) -> ASGIApp:
    """`app` in the place of the operation, which has run already."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        await run.through(app, scope, receive, send)

    return checked


def is_plain(response: Response) -> bool:
    """Whether its body is complete, and sending it runs no other code."""
    return type(response).__call__ is Response.__call__ and response.background is None


def handling_errors(app: ASGIApp, request: Request) -> ASGIApp:
    """Wrap `app` as FastAPI wraps an operation: error handlers get the request whose body the operation has read."""

    async def handling(scope: Scope, receive: Receive, send: Send) -> None:
        await starlette_names.handling_errors(app, request)(scope, receive, send)

    return handling
