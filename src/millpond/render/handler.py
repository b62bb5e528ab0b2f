"""The seam between FastAPI's handling of one operation and the scope it runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from millpond.render.escape import MEANT_FOR_THE_LOOP, escaped
from millpond.render.outcome import outcome_in
from millpond.render.request.receiving import attentive
from millpond.render.request.tracked import watch
from millpond.render.scope import required

if TYPE_CHECKING:
    from starlette.requests import Request

    from millpond.routes.operation import Handler


def around(inner: Handler) -> Handler:
    """Run `inner` on the scope's view of the request, and turn what it raises on purpose into its answer.

    Nothing that ends a handler on purpose leaves this function as an exception: the user's middleware and the
    dependencies' exits see an ordinary answer.
    """

    async def handle(request: Request) -> Response:
        scope = required("a route's handler").require_operation("a route's handler")
        scope.operation_began()
        try:
            response = await inner(watch(request, scope))
        except (Exception, *MEANT_FOR_THE_LOOP):
            scope.operation_raised()
            raise
        except BaseException as error:
            if scope.has_ended:
                return Response()  # never sent: whoever began the render looks at the scope first
            outcome = outcome_in(error)
            if outcome is None:
                raise escaped(error) from error
            response = outcome.response(scope.request)
            if not outcome.keeps_cookies:
                return response
        scope.add_cookies(response)
        return attentive(response, request.scope)

    return handle
