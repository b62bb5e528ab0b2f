"""What runs around FastAPI's handler of an operation: it connects the request and the answer to the scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from millpond.render.base_exceptions import CANCELLATION, as_exception
from millpond.render.raised_response import raised_response_in
from millpond.render.request.client_messages import disconnect_aware
from millpond.render.request.tracked_request import track
from millpond.render.scopes.current_scope import required

if TYPE_CHECKING:
    from starlette.requests import Request

    from millpond.routes.route_contract import Handler


def wrap_handler(inner: Handler) -> Handler:
    """A handler that runs `inner` with the request tracked as the scope needs it.

    `redirect()`, `not_found()` and the end of a shared render become responses here, so the user's middleware and the
    exits of dependencies see no exceptions for them.
    """

    async def handle(request: Request) -> Response:
        scope = required("a route's handler").require_operation("a route's handler")
        scope.operation_began(request.scope)
        try:
            with scope.asking_guards():
                response = await inner(track(request, scope))
        except (Exception, *CANCELLATION):
            scope.operation_raised()
            raise
        except BaseException as error:
            if scope.has_ended:
                return Response()  # never sent: the renderer looks at the scope first
            raised = raised_response_in(error)
            if raised is None:
                raise as_exception(error) from error
            response = raised.response(scope.request)
            if not raised.keeps_cookies:
                return response
        scope.has_background = response.background is not None
        scope.add_cookies(response)
        return disconnect_aware(response, request.scope)

    return handle
