"""Which route answers, as FastAPI's router says it to middleware and tracers further out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.internals.fastapi_names import TELEMETRY_KEY, tell_telemetry
from millpond.render.route_in_scope import say_route

if TYPE_CHECKING:
    from starlette.types import Scope

    from millpond.render.target import Target
    from millpond.routes.route_contract import Operation, Params, ToldRoute


def told_route(target: Target, operation: Operation | None) -> ToldRoute:
    """The route of an operation; that of the first one where none has the request's method, as in FastAPI."""
    return (operation or next(iter(target.route.operations.values()))).told


def tell_route(asgi: Scope, told: ToldRoute, params: Params) -> None:
    """Put a route and the parameters of its path into a request's scope, and into its span of FastAPI's telemetry."""
    say_route(asgi, told)
    # A copy, with its own lists: whoever changes them must not change the next visitor's.
    asgi["path_params"] = (
        {name: [*value] if type(value) is list else value for name, value in params.items()} if params else {}
    )
    if asgi.get(TELEMETRY_KEY) is not None:
        tell_telemetry(asgi, told.path)
