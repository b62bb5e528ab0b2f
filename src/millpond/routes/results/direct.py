"""Operations that need nothing of FastAPI's but the validation of what they declare, run without the rest.

FastAPI keeps three stacks of dependencies to close, a response for them to change, a list of background tasks and a
body, for every request. What a handler declares says once and for all whether it can need any of them.
"""

from __future__ import annotations

import dataclasses
import inspect
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from millpond.internals import fastapi_names
from millpond.routes.results.returned import is_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.routing import APIRoute
    from starlette.requests import Request

    from millpond.internals.fastapi_names import ModelField

_READ = {
    "path_params": attrgetter("path_params"),
    "query_params": attrgetter("query_params"),
    "header_params": attrgetter("headers"),
    "cookie_params": attrgetter("cookies"),
}


class NotDirect(Exception):
    """Raised before the function was called: FastAPI's own handler has to answer."""


def direct_handler(route: APIRoute, call: Callable[..., Any]) -> DirectHandler | None:
    """The handler of a route that declares nothing but parameters and the request; None for every other route.

    It raises NotDirect for a request that isn't valid, and for one that FastAPI observes.

    Args:
        route: what is declared.
        call: its function; it answers at once, and is no generator; its result is Encoded unless it has a model.
    """
    plain = (
        fastapi_names.is_default_class(route)
        and route.status_code is None
        and route.max_body_size is None
        and _writes_all(route)
    )
    if not plain or not fastapi_names.is_past_possible(route):
        return None
    needed = fastapi_names.direct_parameters(route)
    if needed is None:
        return None
    return DirectHandler(
        call=call,
        awaited=is_async(call),
        requests=needed.requests,
        texts=needed.texts,
        sources=[(fields, _READ[kind]) for kind, fields in needed.validated.items()],
        field=fastapi_names.response_field(route),
        path=needed.path,
    )


def _writes_all(route: APIRoute) -> bool:
    """Whether everything that the model of the response has is written, by its alias."""
    return route.response_model_by_alias and not (
        route.response_model_include
        or route.response_model_exclude
        or route.response_model_exclude_unset
        or route.response_model_exclude_defaults
        or route.response_model_exclude_none
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
        if request.scope.get(fastapi_names.TELEMETRY_KEY) is not None:
            raise NotDirect
        values = self._values(request)
        result = await (self.call(**values) if self.awaited else run_in_threadpool(self.call, **values))
        if isinstance(result, Response):
            return result
        content = result.body if self.field is None else await self._filtered(self.field, result, request)
        return Response(content, media_type="application/json")

    def _values(self, request: Request) -> dict[str, Any]:
        values: dict[str, Any] = dict.fromkeys(self.requests, request)
        for name in self.texts:
            values[name] = request.path_params[name]
        for fields, read in self.sources:
            found, errors = fastapi_names.validate(fields, read(request))
            if errors:
                raise NotDirect
            values.update(found)
        return values

    async def _filtered(self, field: ModelField, result: Any, request: Request) -> bytes:
        """As the model of the response has it."""
        path = f"{request.method} {request.scope.get('root_path', '').rstrip('/')}{self.path}"
        context = {**_context(self.call), "path": path}
        return await fastapi_names.serialized(field, result, context, awaited=self.awaited)


def _context(call: Callable[..., Any]) -> dict[str, Any]:
    """Where messages about a result that isn't valid say that it comes from."""
    code = getattr(inspect.unwrap(call), "__code__", None)
    if code is None:
        return {}
    return {"function": code.co_name, "file": code.co_filename, "line": code.co_firstlineno}
