"""The inner FastAPI application: the user's middleware, dependencies and error handlers live in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import request_response
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound

from millpond.render.run import OPERATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import URLPath
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from millpond.routes.operation import OperationRoute


class MatchedOperation(BaseRoute):
    """Hands a request to the operation that Millpond has matched already: no scan over routes."""

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


class InnerApp(FastAPI):
    """FastAPI, with the operations of the route files in its OpenAPI document and nowhere on its way."""

    def __init__(self, operations: Sequence[OperationRoute]) -> None:
        super().__init__(redirect_slashes=False)
        self._operations = list(operations)
        for operation in self._operations:  # so that `dependency_overrides` reaches them, as tests expect of FastAPI
            operation.dependency_overrides_provider = self
            operation.app = request_response(operation.get_route_handler())
        self.router.routes.insert(0, MatchedOperation(self._operations))
        self.add_exception_handler(Exception, _empty_500)

    @property
    def routes(self) -> list[BaseRoute]:
        """For OpenAPI: the operations, then what the user added."""
        return [*self._operations, *self.router.routes]


async def _empty_500(request: Request, error: Exception) -> Response:
    """A handler that raised: 500 without a body (R1.39); the error is logged where the request came in."""
    del request, error
    return Response(status_code=500)
