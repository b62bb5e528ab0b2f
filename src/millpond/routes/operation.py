"""One function of a route file -> one FastAPI route."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Coroutine
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse
from starlette.routing import Match

from millpond.errors import Place, RouteModuleError, UsageError
from millpond.internals import declared_inputs, fastapi_names
from millpond.routes.endpoints.static import code_of
from millpond.routes.folder import SegmentKind
from millpond.routes.options.guards import Guard, guards_of, passed
from millpond.routes.options.operation_options import marked_of
from millpond.routes.options.pointless_options import pointless
from millpond.routes.parameters.signature import adapt, signature_of
from millpond.routes.results.direct import NotDirect, direct_handler
from millpond.routes.results.returned import EncodedResponse, Results, StreamKind, is_async, passes_on
from millpond.routes.route_contract import DeclaredInput, Endpoint, Handler, Operation, ToldRoute

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from starlette.datastructures import URLPath
    from starlette.types import ASGIApp, Scope

    from millpond.routes.folder import Segment
    from millpond.routes.module import RouteModule


class Ways(NamedTuple):
    """How an operation gets from a request to its response."""

    direct: Handler | None
    """Without FastAPI's machinery, where what is declared allows it; may raise NotDirect."""
    whole: Handler


Find = Callable[["Scope"], "Found | None"]


class Found(NamedTuple):
    """What answers a request."""

    operation: APIRoute | None
    """None: the route has no operation for the request's method."""
    siblings: Collection[APIRoute]
    """All operations of the route."""
    params: Mapping[str, Any]


class OperationRoute(APIRoute):
    """A FastAPI route of an application's list, whose handler runs inside `around`.

    Requests are matched by Millpond before they come here. `matches` tells others, such as tracers, the outcome.
    """

    find: Find | None = None
    """Finds what answers a request; None in a router without an application."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, around: Callable[[Handler], Handler], place: Place, **kw: Any
    ) -> None:
        self.around, self.place = around, place
        self._through: Callable[[Endpoint], Endpoint] | None = None
        self._options = kw
        super().__init__(path, endpoint, **kw)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """FULL if this operation answers the request, PARTIAL if its route does with another method."""
        self._refuse_inclusion(scope)
        if scope["type"] != "http" or self.find is None:
            return Match.NONE, {}
        found = self.find(scope)
        if found is None or self not in found.siblings:
            return Match.NONE, {}
        params = {name: [*value] if isinstance(value, list) else value for name, value in found.params.items()}
        child = {"route": self, "endpoint": self.endpoint, "path_params": params}
        return (Match.FULL if found.operation is self else Match.PARTIAL), child

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """As in Starlette, which raises NoMatchFound; the value of a catch-all may be a list of segments."""
        joined = {
            key: "/".join(value) if isinstance(value, list | tuple) else value for key, value in path_params.items()
        }
        return super().url_path_for(name, **joined)

    def _refuse_inclusion(self, scope: Scope) -> None:
        outer, inner = fastapi_names.INCLUSION_KEYS
        context = scope.get(outer, {}).get(inner)
        if context is not None and getattr(context, "original_route", None) is self:
            raise UsageError(
                f"{self.place}: a Millpond's router can't be included in another application: its answers would not "
                'be cached. Mount the application: parent.mount("/shop", app).'
            )

    @cached_property
    def told(self) -> ToldRoute:
        """What the scope of a request says about it."""
        return ToldRoute(self, self.endpoint, self.path_format)

    @cached_property
    def ways(self) -> Ways:
        """Made for the first request: of many routes few are asked for at once, and a start shouldn't wait for all."""
        generates = generates_answer(self.endpoint)
        call = self.endpoint if self._through is None else self._through(self.endpoint)
        if generates:
            call = Results(self.place, fastapi_names.item_type(self)).of_each(call, self.stream_kind)
        else:
            encodes = fastapi_names.is_default_class(self)
            call = Results(self.place, self.response_model, encodes=encodes).of(call)
        direct = None if generates else direct_handler(self, call)
        whole = fastapi_names.handler_calling(self, call, self._again)
        return Ways(None if direct is None else self.around(direct), self.around(whole))

    def tell(self, guards: Sequence[Guard]) -> bool:
        """Tell which of `guards`, all that it lists, a request has passed; False: FastAPI's name is unknown."""
        dependant = fastapi_names.dependant_of(self)
        if not guards or dependant is None:
            return False
        self.dependant = fastapi_names.after_each(dependant, len(guards), functools.partial(passed, guards))
        return True

    @property
    def stream_kind(self) -> StreamKind:
        """What FastAPI makes of what the function yields."""
        if not isinstance(self.response_class, type):
            return StreamKind.JSON_LINES
        return StreamKind.EVENTS if issubclass(self.response_class, EventSourceResponse) else StreamKind.CHUNKS

    def _again(self, call: Callable[..., Any]) -> APIRoute:
        """FastAPI's route for a function in the place of this one's."""
        return APIRoute(self.path, call, **self._options)

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


@dataclass(frozen=True)
class FileOperation(Operation):
    """One function of a route file."""

    method: str
    module: RouteModule
    api_route: OperationRoute
    declared: tuple[DeclaredInput, ...]
    """Known without running anything; dependencies count."""
    streams: bool
    """Whether the function is a generator, so that its answer is a stream."""
    place: Place
    guards: tuple[Guard, ...] = ()
    """The dependencies that the application, folders and its `@operation` list."""
    tells_guards: bool = False
    accepted: tuple[str, ...] = ()

    @property
    def own_id(self) -> str | None:
        """The operation id that its @operation says."""
        marked = marked_of(self.module.functions[self.method])
        own: str | None = None if marked is None else marked.options.get("operation_id")
        return own

    @property
    def sends_events(self) -> bool:
        """Whether its stream is one of server-sent events, which has no end."""
        return self.streams and self.api_route.stream_kind is StreamKind.EVENTS

    @property
    def threaded(self) -> bool:
        """Whether the function, or a dependency of it, is a sync one, and so runs in a thread of the pool."""
        dependencies = self.dependency_calls()
        return dependencies is None or any(map(_in_thread, (self.api_route.endpoint, *dependencies)))

    @property
    def told(self) -> ToldRoute:
        return self.api_route.told

    @property
    def app(self) -> ASGIApp:
        return self.api_route.app

    @property
    def direct(self) -> Handler | None:
        return self.api_route.ways.direct

    def dependency_calls(self) -> list[Callable[..., Any]] | None:
        return fastapi_names.dependency_calls(self.api_route)

    def called_through(self, through: Callable[[Endpoint], Endpoint]) -> AbstractContextManager[None]:
        return self.api_route.called_through(through)


def make_operation(
    module: RouteModule, method: str, around: Callable[[Handler], Handler], router: APIRouter | None = None
) -> FileOperation:
    """The operation of `module.functions[method]`.

    Args:
        module: the route file.
        method: the HTTP method.
        around: wraps FastAPI's handler of one request.
        router: gets the operation as its last route. Its options, such as dependencies and responses, apply as they do
            to every route that is declared on it: those of the application and of the folders. By default, a router
            without options.

    Raises:
        RouteModuleError: FastAPI can't make sense of the function's signature, or of its options.
    """
    router = APIRouter() if router is None else router
    function, place = module.functions[method], module.place(method)
    marked = marked_of(function)
    said = place if marked is None else marked.place(str(module.file.path), module.file.file)
    own = {} if marked is None else marked.options
    try:
        router.add_api_route(
            route_path(module.file.segments),
            adapt(function, module.file.params, place, method),
            methods=[method],
            route_class_override=cast("type[APIRoute]", functools.partial(OperationRoute, around=around, place=place)),
            **_options(module, method, router, own),
        )
    except RouteModuleError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        what = "signature" if marked is None else "signature or the options"
        raise RouteModuleError(f"{said}: FastAPI can't use the {what} of {method}: {reason}") from error
    api_route = cast("OperationRoute", router.routes[-1])
    problem = pointless(api_route, method, own, generates=generates_answer(function))
    if problem is not None:
        raise RouteModuleError(f"{said}: @operation: {problem}.")
    guards = tuple(_guards(api_route, module, router, said))
    declared = dict.fromkeys(
        DeclaredInput(cast("Any", each.kind), each.name, guard=None if each.listed is None else guards[each.listed])
        for each in declared_inputs.declared(api_route)
    )
    streams = generates_answer(function)
    tells = method in ("GET", "QUERY") and module.config.needs_guards and api_route.tell(guards)
    accepted = declared_inputs.accepted_types(api_route) if method == "QUERY" else ()
    return FileOperation(method, module, api_route, tuple(declared), streams, place, guards, tells, accepted)


def _options(module: RouteModule, method: str, router: APIRouter, own: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `add_api_route`: what @operation says, and else what the file says by itself."""
    function, segments = module.functions[method], module.file.segments
    summary, description = _texts(function)
    name = operation_name(method, segments)
    options: dict[str, Any] = {
        "name": name,
        "summary": summary or f"{method} {api_path(segments)}",
        "description": description,
        **fastapi_names.default_class(EncodedResponse),
        **own,
    }
    if "tags" not in own and not module.folders.gives_tags:
        options["tags"] = list[str | Enum](segment.name for segment in segments if not segment.dynamic)[:1]
    if "response_model" not in own and passes_on(signature_of(function, module.place(method)).return_annotation):
        options["response_model"] = None
    if not callable(own.get("generate_unique_id_function", router.generate_unique_id_function)):
        options.setdefault("operation_id", name)  # FastAPI's default makes long ids
    form_limits = {**router.form_limits, **own.get("form_limits", {})}
    if form_limits:  # FastAPI applies a router's where it passes on a request, which isn't asked here
        options["form_limits"] = form_limits
    if module.file.metadata is not None:  # icons and sitemaps are no part of an API
        options["include_in_schema"] = False
    return options


def _guards(route: APIRoute, module: RouteModule, router: APIRouter, own: Place) -> list[Guard]:
    """The dependencies that the folders and the operation itself list, behind those of the application."""
    of_folders = module.folders.dependency_places()
    project = str(module.file.path).removesuffix(module.file.file)
    listed = router.dependencies[: len(router.dependencies) - len(of_folders)]
    of_application = [_place_of(depends.dependency, project) for depends in listed]
    of_operation = [own] * (len(route.dependencies) - len(router.dependencies))
    return guards_of(route, [*of_application, *of_folders, *of_operation])


def _place_of(function: object, project: str) -> Place:
    code = code_of(function)
    if code is None:
        return Place(getattr(function, "__module__", None) or type(function).__module__)
    return Place(code.co_filename.removeprefix(project), code.co_firstlineno)


def allow(methods: Iterable[str]) -> str:
    """The value of `Allow` for a route that implements `methods` (R1.22, R1.23)."""
    implied = {"OPTIONS", *methods}
    if "GET" in implied:
        implied.add("HEAD")
    return ", ".join(sorted(implied))


def api_path(segments: Sequence[Segment]) -> str:
    """The path as OpenAPI writes it: "/products/{slug}"."""
    return "/" + "/".join(f"{{{segment.parameter}}}" if segment.dynamic else segment.pattern for segment in segments)


def route_path(segments: Sequence[Segment]) -> str:
    """The path as Starlette's routes write it: "/docs/{rest:path}" for a catch-all."""
    return "/" + "/".join(
        segment.pattern
        if not segment.dynamic
        else f"{{{segment.parameter}{'' if segment.kind is SegmentKind.PARAM else ':path'}}}"
        for segment in segments
    )


def operation_name(method: str, segments: Sequence[Segment]) -> str:
    """The name that API clients see: "get_products_by_slug"; "post_root" for "/"."""
    words = [f"by_{segment.parameter}" if segment.dynamic else segment.name for segment in segments]
    return "_".join([method.lower(), *(re.sub(r"\W+", "_", word).strip("_") or "_" for word in words or ["root"])])


def _texts(function: Callable[..., Any]) -> tuple[str | None, str | None]:
    """Summary and description out of the docstring."""
    text = inspect.cleandoc(function.__doc__ or "")
    return (text.splitlines()[0], text) if text else (None, None)


def generates_answer(function: Callable[..., Any]) -> bool:
    """Whether FastAPI makes a stream of what it yields; it looks through decorators, and at what is callable."""
    while isinstance(function, functools.partial):
        function = function.func
    inner: Any = inspect.unwrap(function)
    return any(
        inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in (inner, type(inner).__call__)
    )


def _in_thread(function: Callable[..., Any]) -> bool:
    return not is_async(function) and not inspect.isasyncgenfunction(inspect.unwrap(function))
