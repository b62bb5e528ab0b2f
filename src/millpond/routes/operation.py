"""One function of a route file -> one FastAPI route."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fastapi import Request, Response, params
from fastapi.datastructures import Default
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from pydantic import BaseModel

from millpond.errors import Place, RouteModuleError
from millpond.routes.direct import NotDirect, direct_handler
from millpond.routes.results.returned import EncodedResponse, Results, is_async, passes_on
from millpond.routes.signature import adapt, signature_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fastapi.dependencies.models import Dependant
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.routes.folder import Segment
    from millpond.routes.module import RouteModule

Endpoint = Callable[..., Any]
"""What a route file defines."""
Handler = Callable[[Request], Awaitable[Response]]

_PHRASES = {
    "query": 'query parameter "{}"',
    "header": 'header "{}"',
    "cookie": 'cookie "{}"',
    "body": "request body",
    "form": 'form field "{}"',
    "security": 'security scheme "{}"',
}


class Ways(NamedTuple):
    """How an operation gets from a request to its response."""

    direct: Handler | None
    """Without FastAPI's machinery, where what is declared allows it; may raise NotDirect."""
    whole: Handler


class OperationRoute(APIRoute):
    """A FastAPI route whose handler runs inside `around`."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], around: Callable[[Handler], Handler], place: Place, **kw: Any
    ) -> None:
        self.around, self.place = around, place
        self._through: Callable[[Endpoint], Endpoint] | None = None
        super().__init__(path, endpoint, response_class=Default(EncodedResponse), **kw)
        self.runs = OperationApp(self)

    @cached_property
    def ways(self) -> Ways:
        """Made for the first request: of many routes few are asked for at once, and a start shouldn't wait for all."""
        generates = _generates(self.endpoint)
        call = self.endpoint if self._through is None else self._through(self.endpoint)
        if generates:
            call = Results(self.place, self.stream_item_type).of_each(call)
        else:
            call = Results(self.place, self.response_model).of(call)
        self.dependant = replace(self.dependant, call=call)
        direct = None if generates else direct_handler(self)
        whole = super().get_route_handler()
        return Ways(None if direct is None else self.around(direct), self.around(whole))

    @contextmanager
    def called_through(self, through: Callable[[Endpoint], Endpoint]) -> Iterator[None]:
        """Within the block what `through` makes of the function is called in its place; dependencies are not."""
        self._through = through
        vars(self).pop("ways", None)
        try:
            yield
        finally:
            self._through = None
            vars(self).pop("ways", None)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler inside `around`; may be asked for more than once."""

        async def handler(request: Request) -> Response:
            direct, whole = self.ways
            if direct is not None:
                with suppress(NotDirect):
                    return await direct(request)
            return await whole(request)

        return handler


@dataclass(frozen=True, slots=True)
class OperationApp:
    """The ASGI application of an operation."""

    route: OperationRoute
    around: Callable[[ASGIApp], ASGIApp] = lambda app: app
    """Goes around whatever sends the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.around(self.route.app)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class DeclaredInput:
    """Something of the request that a handler's signature, or one of its dependencies, asks for."""

    kind: Literal["query", "header", "cookie", "body", "form", "security"]
    name: str

    @property
    def api(self) -> str:
        """What messages call it."""
        return _PHRASES[self.kind].format(self.name)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a route."""

    method: str
    module: RouteModule
    api_route: OperationRoute
    declared: tuple[DeclaredInput, ...]
    """Known without running anything; dependencies count."""
    streams: bool
    """Whether the function is a generator, so that its answer is a stream."""
    place: Place

    @property
    def threaded(self) -> bool:
        """Whether the function, or a dependency of it, is a sync one, and so runs in a thread of the pool."""
        return any(map(_in_thread, _calls(self.api_route.dependant)))


def make_operation(module: RouteModule, method: str, around: Callable[[Handler], Handler]) -> Operation:
    """The operation of `module.functions[method]`; `around` wraps FastAPI's handler of one request.

    Raises:
        RouteModuleError: FastAPI can't make sense of the function's signature.
    """
    function, place = module.functions[method], module.place(method)
    segments = module.file.segments
    path = api_path(segments)
    summary, description = _texts(function)
    endpoint = adapt(function, module.file.params, place)
    models: dict[str, Any] = {}
    if passes_on(signature_of(function, place).return_annotation):
        models["response_model"] = None
    try:
        api_route = OperationRoute(
            path,
            endpoint,
            around,
            place,
            methods=[method],
            name=operation_name(method, segments),
            operation_id=operation_name(method, segments),
            tags=[segment.name for segment in segments if not segment.dynamic][:1],
            summary=summary or f"{method} {path}",
            description=description,
            include_in_schema=module.file.metadata is None,  # icons and sitemaps are no part of an API
            **models,
        )
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise RouteModuleError(f"{place}: FastAPI can't use the signature of {method}: {reason}") from error
    streams = api_route.is_sse_stream or api_route.is_json_stream or _generates(function)
    return Operation(method, module, api_route, tuple(dict.fromkeys(_declared(api_route.dependant))), streams, place)


def allow(methods: Iterable[str]) -> str:
    """The value of `Allow` for a route that implements `methods` (R1.22, R1.23)."""
    implied = {"OPTIONS", *methods}
    if "GET" in implied:
        implied.add("HEAD")
    return ", ".join(sorted(implied))


def api_path(segments: Sequence[Segment]) -> str:
    """The path as OpenAPI writes it: "/products/{slug}"."""
    return "/" + "/".join(f"{{{segment.parameter}}}" if segment.dynamic else segment.pattern for segment in segments)


def operation_name(method: str, segments: Sequence[Segment]) -> str:
    """The name that API clients see: "get_products_by_slug"; "post_root" for "/"."""
    words = [f"by_{segment.parameter}" if segment.dynamic else segment.name for segment in segments]
    return "_".join([method.lower(), *(re.sub(r"\W+", "_", word).strip("_") or "_" for word in words or ["root"])])


def _texts(function: Callable[..., Any]) -> tuple[str | None, str | None]:
    """Summary and description out of the docstring."""
    text = inspect.cleandoc(function.__doc__ or "")
    return (text.splitlines()[0], text) if text else (None, None)


def _generates(function: Callable[..., Any]) -> bool:
    inner = inspect.unwrap(function)
    return inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    if dependant.call is not None:
        yield dependant.call
    for dependency in dependant.dependencies:
        yield from _calls(dependency)


def _in_thread(function: Callable[..., Any]) -> bool:
    return not is_async(function) and not inspect.isasyncgenfunction(inspect.unwrap(function))


def _declared(dependant: Dependant) -> Iterator[DeclaredInput]:
    call = inspect.unwrap(dependant.call) if dependant.call is not None else None
    if isinstance(call, SecurityBase):
        yield DeclaredInput("security", call.scheme_name)
    for field in dependant.query_params:
        yield from (DeclaredInput("query", name) for name in _names(field.alias, field.field_info))
    for field in dependant.header_params:
        yield from (DeclaredInput("header", _header(name)) for name in _names(field.alias, field.field_info))
    for field in dependant.cookie_params:
        yield from (DeclaredInput("cookie", name) for name in _names(field.alias, field.field_info))
    for field in dependant.body_params:
        is_form = isinstance(field.field_info, params.Form)
        yield DeclaredInput("form" if is_form else "body", field.alias)
    for dependency in dependant.dependencies:
        yield from _declared(dependency)


def _header(name: str) -> str:
    return name.replace("_", "-").lower()


def _names(alias: str, info: Any) -> list[str]:
    """The names that a parameter reads: a model (`Annotated[Filters, Query()]`) reads one for each field."""
    model = info.annotation
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [field.alias or name for name, field in model.model_fields.items()]
    return [alias]
