"""The private names of FastAPI that Millpond uses, and the fallback without each."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import ipaddress
import itertools
import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import fastapi
from fastapi import FastAPI, routing
from fastapi.routing import APIRoute
from pydantic import AnyUrl, NameEmail, SecretBytes, SecretStr
from starlette.routing import BaseRoute, Match

from millpond.internals import exit_stacks
from millpond.internals.private_name import PrivateName
from millpond.internals.untouched import untouched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, MutableMapping

    from fastapi._compat import ModelField as ModelField
    from fastapi.dependencies.models import Dependant
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

_SLOW = "through all of FastAPI instead of past it"


def _route() -> APIRoute:
    return APIRoute("/", lambda: None)


VALIDATE = PrivateName(
    "fastapi.dependencies.utils",
    "request_params_to_args",
    f"live operations that declare parameters go {_SLOW}",
    positional=2,
)
SERIALIZE = PrivateName(
    "fastapi.routing",
    "serialize_response",
    f"live operations with a response model go {_SLOW}",
    keywords=("field", "response_content", "is_coroutine", "endpoint_ctx", "dump_json"),
)
RESPONSE_FIELD = PrivateName(
    "fastapi.routing", "APIRoute.response_field", f"live operations with a response model go {_SLOW}", sample=_route
)
DEFAULT = PrivateName(
    "fastapi.datastructures",
    "Default",
    f"FastAPI writes the JSON, and live operations go {_SLOW}",
    positional=1,
)
DEPENDANT = PrivateName(
    "fastapi.routing",
    "APIRoute.dependant",
    "a handler's inputs are found by running it, its route is made twice, Accept-Query isn't sent, and live operations "
    "go " + _SLOW,
    sample=_route,
)
ITEM_TYPE = PrivateName(
    "fastapi.routing",
    "APIRoute.stream_item_type",
    "items of a stream with a model are checked and encoded before the model is applied",
    sample=_route,
)
ENCODERS = PrivateName(
    "fastapi.encoders", "ENCODERS_BY_TYPE", "types with an encoder that the application adds count as plain objects"
)
TELEMETRY = PrivateName("fastapi", "FastAPI._native_telemetry", f"live operations go {_SLOW}", sample=FastAPI)
EXIT_STACKS = PrivateName(
    "fastapi.middleware.asyncexitstack", "AsyncExitStackMiddleware", f"live operations go {_SLOW}"
)
ROUTE_SELECTED = PrivateName(
    "fastapi.routing",
    "_route_selected",
    "spans of FastAPI's own telemetry are named by the method alone, without the route",
    keywords=("scope", "path"),
)
REQUEST_RESPONSE = PrivateName(
    "fastapi.routing", "request_response", f"endpoints with `@static` run live, and live operations go {_SLOW}", 1
)
WATCHED = (
    REQUEST_RESPONSE,
    *(
        PrivateName("fastapi.routing", name, f"whether an agent replaced it is unknown, so live operations go {_SLOW}")
        for name in ("get_request_handler", "run_endpoint_function", "solve_dependencies")
    ),
)
"""Functions that tracing agents replace, to observe what goes through FastAPI."""

NAMES = (
    VALIDATE,
    SERIALIZE,
    RESPONSE_FIELD,
    DEFAULT,
    DEPENDANT,
    ITEM_TYPE,
    ENCODERS,
    TELEMETRY,
    ROUTE_SELECTED,
    EXIT_STACKS,
    *WATCHED,
    *exit_stacks.NAMES,
)

TELEMETRY_KEY = "fastapi.telemetry"
"""The key of an ASGI scope under which FastAPI keeps its telemetry of a request; None if telemetry is off."""

INCLUSION_KEYS = ("fastapi", "effective_route_context")
"""The keys, one within the other, of an ASGI scope under which FastAPI keeps an included route's state."""

SOURCES = ("path_params", "query_params", "header_params", "cookie_params")
"""Where parameters are read from, as attributes of a Dependant."""
_REQUEST = ("request_param_name", "http_connection_param_name")
FILE, FORM, _PATH = type(fastapi.File()), type(fastapi.Form()), type(fastapi.Path())
_ENCODED = (
    *(bytes, datetime.date, datetime.datetime, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID),
    *(ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv4Network, re.Pattern),
    *(ipaddress.IPv6Address, ipaddress.IPv6Interface, ipaddress.IPv6Network),
    *(NameEmail, SecretBytes, SecretStr, AnyUrl),
)
"""Types whose JSON encoding FastAPI documents."""


class DirectParameters(NamedTuple):
    """The parameters of an operation that needs only parameters and the request."""

    requests: list[str]
    """Parameters that get the request."""
    texts: list[str]
    """Path parameters that are passed as text, without validation."""
    validated: dict[str, list[ModelField]]
    """The others, by where they are read from: one of SOURCES."""
    path: str | None
    """The path as messages show it."""


def direct_parameters(route: APIRoute) -> DirectParameters | None:
    """The parameters of a route's operation; None if it needs more than these, or if FastAPI's names are unknown."""
    dependant = dependant_of(route)
    if dependant is None or dependant.call is None or not _is_simple(dependant):
        return None
    validated = {kind: [each for each in getattr(dependant, kind) if not _is_any_text(each)] for kind in SOURCES}
    if any(validated.values()) and not VALIDATE.is_known:
        return None
    named = (getattr(dependant, each) for each in _REQUEST)
    return DirectParameters(
        requests=[name for name in named if name is not None],
        texts=[each.name for each in dependant.path_params if _is_any_text(each)],
        validated={kind: fields for kind, fields in validated.items() if fields},
        path=dependant.path,
    )


validate: Callable[[list[ModelField], Any], tuple[Mapping[str, Any], list[Any]]] = VALIDATE.get()
"""Validates fields of `DirectParameters.validated` against their source; returns their values and the errors."""


def _can_serialize(route: APIRoute) -> bool:
    """Whether `serialized` can be used for the route's response model, if it has one."""
    return not route.response_model or (SERIALIZE.is_known and RESPONSE_FIELD.is_known)


def response_field(route: APIRoute) -> ModelField | None:
    """The field of a route's response model; only if `is_past_possible`."""
    field: ModelField | None = route.response_field if route.response_model else None
    return field


async def serialized(field: ModelField, result: Any, context: Mapping[str, Any], *, awaited: bool) -> bytes:
    """A handler's result, validated and serialized by the response model.

    Args:
        field: the field of the response model.
        result: what the handler returned.
        context: `function`, `file`, `line` and `path`, for the message if the result is invalid.
        awaited: whether the handler is async.
    """
    body: bytes = await routing.serialize_response(
        field=field,
        response_content=result,
        is_coroutine=awaited,
        endpoint_ctx=context,  # type: ignore[arg-type]  # a TypedDict
        dump_json=True,
    )
    return body


def is_past_possible(route: APIRoute) -> bool:
    """Whether the operation of a route can bypass FastAPI: its names are known, and no agent replaced its functions."""
    return DEFAULT.is_known and _can_serialize(route) and _is_routing_untouched()


def _is_routing_untouched() -> bool:
    """Whether FastAPI's own functions are in place, rather than replacements by a tracer."""
    return all(name.is_known for name in (*WATCHED, SERIALIZE)) and untouched(
        (getattr(routing, name.name, None) for name in (*WATCHED, SERIALIZE)), "fastapi"
    )


def default_class(response: type[Response]) -> dict[str, Any]:
    """The argument for a route that makes `response` its default response class, not an explicitly chosen one.

    With an explicit class FastAPI has neither JSON streams nor serialization by pydantic itself. Empty if FastAPI's
    marker for defaults is unknown.
    """
    return {"response_class": DEFAULT.find()(response)} if DEFAULT.is_known else {}


def with_exit_stack(app: ASGIApp, handlers: Mapping[Any, ExceptionHandler]) -> ASGIApp:
    """`app`, in what FastAPI closes the files of a request with; without its name, in a whole FastAPI.

    Args:
        app: runs operations.
        handlers: the exception handlers of its operations.
    """
    if EXIT_STACKS.is_known:
        wrapped: ASGIApp = EXIT_STACKS.find()(app)
        return wrapped
    whole = FastAPI(openapi_url=None, exception_handlers=dict(handlers))
    everything = _Everything(app)
    whole.router.routes.append(everything)

    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        await whole(scope, receive, send)
        error = everything.errors.pop(id(scope), None)
        if error is not None:
            raise error

    return raising


class _Everything(BaseRoute):
    """Passes every request on to one application, as what it was before a FastAPI of its own got it.

    That FastAPI would answer an error with 500 before it raises it; so it doesn't see any.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.errors: dict[int, Exception] = {}
        """By the identity of the request's scope."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return Match.FULL, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = scope["router"].dependency_overrides_provider  # it was set before
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - raised again outside
            self.errors[id(scope)] = error


def is_default_class(route: APIRoute) -> bool:
    """Whether neither the route nor its application chooses a response class."""
    return DEFAULT.is_known and not isinstance(route.response_class, type)


def item_type(route: APIRoute) -> Any:
    """The type that a stream declares for its items; None if it declares none, or if FastAPI's name is unknown."""
    return route.stream_item_type if ITEM_TYPE.is_known else None


def handler_calling(
    route: APIRoute, call: Callable[..., Any], again: Callable[[Callable[..., Any]], APIRoute]
) -> Callable[[Request], Awaitable[Response]]:
    """FastAPI's handler for a route, which calls `call` instead of the route's function.

    Args:
        route: the route.
        call: takes the same arguments as the route's function.
        again: makes the same route for another function.
    """
    dependant = dependant_of(route)
    if dependant is None:
        return APIRoute.get_route_handler(again(call))
    route.dependant = dataclasses.replace(dependant, call=call)
    return APIRoute.get_route_handler(route)


def dependency_calls(route: APIRoute) -> list[Callable[..., Any]] | None:
    """The functions of a route's dependencies; None if FastAPI's name is unknown."""
    dependant = dependant_of(route)
    return None if dependant is None else [call for inner in dependant.dependencies for call in _calls(inner)]


def calls_of(route: APIRoute, index: int) -> list[Callable[..., Any]] | None:
    """The functions of one of `route.dependencies` and of what it depends on; None if FastAPI's name is unknown."""
    dependant = dependant_of(route)
    return None if dependant is None else list(_calls(dependant.dependencies[index]))


def after_each(dependant: Dependant, listed: int, behind: Callable[[int], Callable[..., Any]]) -> Dependant:
    """A copy of a dependant with a further dependency behind each of the listed ones, which FastAPI puts in front.

    Args:
        dependant: a route's.
        listed: how many dependencies the route lists.
        behind: makes the function of the one behind the dependency with an index.
    """
    kind, own = type(dependant), dependant.dependencies
    pairs = [[each, kind(call=behind(index))] for index, each in enumerate(own[:listed])]
    return dataclasses.replace(dependant, dependencies=[*itertools.chain.from_iterable(pairs), *own[listed:]])


def takes_request(route: APIRoute, index: int) -> bool:
    """Whether one of `route.dependencies` gets the request as a whole; True if FastAPI's name is unknown."""
    dependant = dependant_of(route)
    return dependant is None or _takes_request(dependant.dependencies[index])


def path_values(route: APIRoute, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values that a route's function gets for the parameters of a path; {} if they can't be told."""
    dependant = dependant_of(route)
    if dependant is None or not VALIDATE.is_known:
        return {}
    values, errors = validate(dependant.path_params, params)
    return {} if errors else values


encoders: Collection[type[Any]] = ENCODERS.get() or _ENCODED
"""The types that FastAPI has an encoder for; applications may add some."""


_route_selected: Callable[..., None] | None = ROUTE_SELECTED.get()


def tell_telemetry(scope: MutableMapping[str, Any], path: str) -> None:
    """Tell FastAPI's own telemetry, where it is on, which route answers; otherwise do nothing."""
    if _route_selected is not None and scope.get(TELEMETRY_KEY) is not None:
        _route_selected(scope=scope, path=path)


def is_observed(app: FastAPI) -> bool:
    """Whether OpenTelemetry is set up, or may be."""
    return not TELEMETRY.is_known or bool(app._native_telemetry.enabled())  # noqa: SLF001 - see the module


def dependant_of(route: APIRoute) -> Dependant | None:
    """What FastAPI knows of a route's parameters and dependencies; None if its name is unknown."""
    return route.dependant if DEPENDANT.is_known else None


def _is_simple(dependant: Dependant) -> bool:
    """Whether it needs only its parameters and the request. Kinds that a later FastAPI may add count as more."""
    for field in dataclasses.fields(dependant):
        needed = field.name == "dependencies" or field.name.endswith(("_params", "_param_name"))
        if needed and field.name not in (*SOURCES, *_REQUEST) and getattr(dependant, field.name):
            return False
    return True


def _is_any_text(field: ModelField) -> bool:
    """Whether it is a path parameter of type str without constraints, so that there is nothing to validate."""
    info = field.field_info
    own_name = field.alias == field.name and info.validation_alias is None
    return own_name and type(info) is _PATH and info.annotation is str and not info.metadata


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    if dependant.call is not None:
        yield dependant.call
    for dependency in dependant.dependencies:
        yield from _calls(dependency)


def _takes_request(dependant: Dependant) -> bool:
    named = any(getattr(dependant, name) is not None for name in _REQUEST)
    return named or any(_takes_request(dependency) for dependency in dependant.dependencies)
