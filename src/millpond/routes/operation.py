"""One function of a route file -> one FastAPI route."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import starmap
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fastapi import Request, Response
from fastapi.routing import APIRoute

from millpond.errors import Place, RouteModuleError
from millpond.internals import fastapi_names
from millpond.routes.direct import NotDirect, direct_handler
from millpond.routes.results.returned import EncodedResponse, Results, is_async, passes_on
from millpond.routes.signature import adapt, signature_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
        self._options = {**kw, **fastapi_names.default_class(EncodedResponse)}
        super().__init__(path, endpoint, **self._options)
        self.runs = OperationApp(self)

    @cached_property
    def ways(self) -> Ways:
        """Made for the first request: of many routes few are asked for at once, and a start shouldn't wait for all."""
        generates = _generates(self.endpoint)
        call = self.endpoint if self._through is None else self._through(self.endpoint)
        if generates:
            call = Results(self.place, fastapi_names.item_type(self)).of_each(call)
        else:
            encodes = fastapi_names.DEFAULT.is_known
            call = Results(self.place, self.response_model, encodes=encodes).of(call)
        direct = None if generates else direct_handler(self, call)
        whole = fastapi_names.handler_calling(self, call, self._again)
        return Ways(None if direct is None else self.around(direct), self.around(whole))

    def _again(self, call: Callable[..., Any]) -> APIRoute:
        """FastAPI's route for a function in the place of this one's."""
        provider = self.dependency_overrides_provider
        return APIRoute(self.path, call, dependency_overrides_provider=provider, **self._options)

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
        dependencies = fastapi_names.dependency_calls(self.api_route)
        return dependencies is None or any(map(_in_thread, (self.api_route.endpoint, *dependencies)))


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
    declared = dict.fromkeys(starmap(DeclaredInput, fastapi_names.declared(api_route)))
    return Operation(method, module, api_route, tuple(declared), _generates(function), place)


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
    """Whether FastAPI makes a stream of what it yields; it looks through decorators, and at what is callable."""
    while isinstance(function, functools.partial):
        function = function.func
    inner: Any = inspect.unwrap(function)
    return any(
        inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in (inner, type(inner).__call__)
    )


def _in_thread(function: Callable[..., Any]) -> bool:
    return not is_async(function) and not inspect.isasyncgenfunction(inspect.unwrap(function))
