"""Operations that need nothing of FastAPI's but the validation of what they declare, run without the rest.

FastAPI keeps three stacks of dependencies to close, a response for them to change, a list of background tasks and a
body, for every request. What a handler declares says once and for all whether it can need any of them.
"""

from __future__ import annotations

import dataclasses
import inspect
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from fastapi import params, routing
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import EndpointContext
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from millpond.routes.results.returned import is_async
from millpond.routes.untouched import untouched

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi._compat import ModelField
    from fastapi.dependencies.models import Dependant
    from fastapi.routing import APIRoute
    from starlette.requests import Request

TELEMETRY = "fastapi.telemetry"
"""The key of an ASGI scope under which FastAPI keeps what it observes of a request; None when nobody wants to know."""

_READ = {
    "path_params": attrgetter("path_params"),
    "query_params": attrgetter("query_params"),
    "header_params": attrgetter("headers"),
    "cookie_params": attrgetter("cookies"),
}
_REQUEST = ("request_param_name", "http_connection_param_name")


class NotDirect(Exception):
    """Raised before the function was called: FastAPI's own handler has to answer."""


def direct_handler(route: APIRoute) -> DirectHandler | None:
    """The handler of a route that declares nothing but parameters and the request; None for every other route.

    It raises NotDirect for a request that isn't valid, and for one that FastAPI observes.

    Args:
        route: its function answers at once, and is no generator; its result is Encoded unless it has a model.
    """
    dependant = route.dependant
    if dependant.call is None or not _is_simple(dependant) or not _is_untouched():
        return None
    named = (getattr(dependant, each) for each in _REQUEST)
    validated = {kind: [each for each in getattr(dependant, kind) if not _is_any_text(each)] for kind in _READ}
    return DirectHandler(
        call=dependant.call,
        awaited=is_async(dependant.call),
        requests=[name for name in named if name is not None],
        texts=[each.name for each in dependant.path_params if _is_any_text(each)],
        sources=[(fields, _READ[kind]) for kind, fields in validated.items() if fields],
        field=route.response_field,
        path=dependant.path,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class DirectHandler:
    """Answers a request, by what is known of the operation before the first request."""

    call: Callable[..., Any]
    awaited: bool
    requests: list[str]
    """Parameters that are the request."""
    texts: list[str]
    """Those that are parts of the path, as they are."""
    sources: list[tuple[list[ModelField], Callable[[Request], Any]]]
    """Those that are validated, by where they are read."""
    field: ModelField | None
    """The model of the response."""
    path: str | None

    async def __call__(self, request: Request) -> Response:
        if request.scope.get(TELEMETRY) is not None:
            raise NotDirect
        values = self._values(request)
        result = await (self.call(**values) if self.awaited else run_in_threadpool(self.call, **values))
        if isinstance(result, Response):
            return result
        content = result.body if self.field is None else await self._filtered(result, request)
        return Response(content, media_type="application/json")

    def _values(self, request: Request) -> dict[str, Any]:
        values: dict[str, Any] = dict.fromkeys(self.requests, request)
        for name in self.texts:
            values[name] = request.path_params[name]
        for fields, read in self.sources:
            found, errors = request_params_to_args(fields, read(request))
            if errors:
                raise NotDirect
            values.update(found)
        return values

    async def _filtered(self, result: Any, request: Request) -> bytes:
        """As the model of the response has it."""
        path = f"{request.method} {request.scope.get('root_path', '').rstrip('/')}{self.path}"
        body: bytes = await routing.serialize_response(
            field=self.field,
            response_content=result,
            is_coroutine=self.awaited,
            endpoint_ctx=EndpointContext(**{**_context(self.call), "path": path}),
            dump_json=True,
        )
        return body


def _is_simple(dependant: Dependant) -> bool:
    """Whether its parameters and the request are all that it needs: what FastAPI may add to its kinds counts, too."""
    for field in dataclasses.fields(dependant):
        needed = field.name == "dependencies" or field.name.endswith(("_params", "_param_name"))
        if needed and field.name not in (*_READ, *_REQUEST) and getattr(dependant, field.name):
            return False
    return True


def _is_untouched() -> bool:
    """Whether FastAPI's functions are the original ones: tracers replace some to observe calls."""
    names = (
        "get_request_handler",
        "request_response",
        "run_endpoint_function",
        "serialize_response",
        "solve_dependencies",
    )
    return untouched((getattr(routing, name, None) for name in names), "fastapi")


def _is_any_text(field: ModelField) -> bool:
    """Whether it is a part of the path that is text, without conditions: there is nothing to validate."""
    info = field.field_info
    own_name = field.alias == field.name and info.validation_alias is None
    return own_name and type(info) is params.Path and info.annotation is str and not info.metadata


def _context(call: Callable[..., Any]) -> EndpointContext:
    """Where messages about a result that isn't valid say that it comes from."""
    code = getattr(inspect.unwrap(call), "__code__", None)
    if code is None:
        return EndpointContext()
    return EndpointContext(function=code.co_name, file=code.co_filename, line=code.co_firstlineno)
