"""The seam between FastAPI's handling of one operation and the scope it runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from millpond.render.escape import MEANT_FOR_THE_LOOP, escaped
from millpond.render.outcome import outcome_in
from millpond.render.request.receiving import disconnect_aware
from millpond.render.request.tracked import watch
from millpond.render.scope import required

if TYPE_CHECKING:
    from starlette.requests import Request

    from millpond.render.scope import Scope
    from millpond.routes.operation import Handler


def around(inner: Handler) -> Handler:
    """Run `inner` on the scope's view of the request, and turn what it raises on purpose into its answer.

    Nothing that ends a handler on purpose leaves this function as an exception: the user's middleware and the
    dependencies' exits see an ordinary answer.
    """

    async def handle(request: Request) -> Response:
        scope = required("a route's handler")
        scope.entered = True
        try:
            response = await inner(watch(request, scope))
        except (Exception, *MEANT_FOR_THE_LOOP):
            scope.raised = True
            raise
        except BaseException as error:
            if scope.dynamic_use is not None:
                return Response()  # never sent: whoever began the render looks at the scope first
            outcome = outcome_in(error)
            if outcome is None:
                raise escaped(error) from error
            response = outcome.response(scope.request)
            if not outcome.keeps_cookies:
                return response
        _add_cookies(scope, response)
        return disconnect_aware(response, request.scope)

    return handle


def _add_cookies(scope: Scope, response: Response) -> None:
    """Cookies of the scope come first, and those that the response itself sets win on equal names (R13.3)."""
    if not scope.set_cookies:
        return
    own = {_name(value) for key, value in response.raw_headers if key == b"set-cookie"}
    added = [(b"set-cookie", value.encode("latin-1")) for value in scope.set_cookies]
    response.raw_headers[:0] = [(key, value) for key, value in added if _name(value) not in own]


def _name(set_cookie: bytes) -> bytes:
    return set_cookie.partition(b"=")[0].strip()
