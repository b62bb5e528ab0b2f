"""The GET of an endpoint that is declared in code."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from millpond.routes.endpoints.static import code_of
from millpond.routes.options.guards import guards_of, passed
from millpond.routes.results.returned import is_async
from millpond.routes.route_contract import DeclaredInput, Operation, ToldRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi.routing import APIRoute
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from millpond.errors import Place
    from millpond.internals.fastapi_inclusion import EffectiveRoute
    from millpond.routes.route_contract import Endpoint, Handler

    PlaceOf = Callable[[object], Place]


class EndpointOperation(Operation):
    """One inclusion of an endpoint. FastAPI makes its handler; `around` goes around that.

    Args:
        route: the endpoint's route, with what its inclusion adds.
        around: wraps the handling of each request.
        place_of: where a function is defined.
        needs_guards: whether it is to tell which guards a request has passed.
    """

    method = "GET"
    hides_body = False

    def __init__(
        self, route: EffectiveRoute, around: Callable[[Handler], Handler], place_of: PlaceOf, *, needs_guards: bool
    ) -> None:
        self._route, self._around, self._place_of = route, around, place_of
        self._through: Callable[[Endpoint], Endpoint] | None = None
        self._app: ASGIApp | None = None
        self.place = place_of(route.endpoint)
        listed = route.effective.dependencies
        self.guards = tuple(guards_of(route.effective, [place_of(each.dependency) for each in listed]))
        self.tells_guards = needs_guards and bool(self.guards) and route.is_known
        self.declared = tuple(dict.fromkeys(self._declared()))
        self.streams = _generates(route.endpoint)
        self._told = ToldRoute(cast("APIRoute", route.original), route.endpoint, route.path_format, route.context)

    @property
    def told(self) -> ToldRoute:
        return self._told

    @property
    def app(self) -> ASGIApp:
        if self._app is None:  # made for the first request, as a start shouldn't wait for it
            around = self._around_route_class if self._route.has_own_handler else self._around
            behind = partial(passed, self.guards) if self.tells_guards else None
            self._app = self._route.app(around, self._through, behind)
        return self._app

    @property
    def sends_events(self) -> bool:
        return self.streams and self._route.sends_events

    @property
    def direct(self) -> None:
        """What stands around the endpoint in FastAPI stays there."""

    @property
    def threaded(self) -> bool:
        dependencies = self.dependency_calls()
        return dependencies is None or any(map(_in_thread, (self._route.endpoint, *dependencies)))

    def dependency_calls(self) -> list[Endpoint] | None:
        return self._route.dependency_calls()

    @contextmanager
    def called_through(self, through: Callable[[Endpoint], Endpoint]) -> Iterator[None]:
        self._through, self._app = through, None
        try:
            yield
        finally:
            self._through = self._app = None

    def _around_route_class(self, handler: Handler) -> Handler:
        """Around the handler of a route class of the user's, which is part of the endpoint.

        Without this frame on the stack it would be taken for a tracer, whose reads don't count.
        """

        async def run(request: Request) -> Response:
            return await handler(request)

        return self._around(run)

    def _declared(self) -> Iterator[DeclaredInput]:
        own = inspect.unwrap(self._route.endpoint)
        for kind, name, asking, listed in self._route.declared():
            guard = None if listed is None else self.guards[listed]
            if asking is None or asking is own or code_of(asking) is None:
                yield DeclaredInput(cast("Any", kind), name, guard=guard)
            else:
                by = getattr(asking, "__name__", None) or type(asking).__name__
                yield DeclaredInput(cast("Any", kind), name, self._place_of(asking), by, guard)


def _generates(function: Any) -> bool:
    inner = inspect.unwrap(getattr(function, "func", function))
    return any(
        inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in (inner, type(inner).__call__)
    )


def _in_thread(function: Callable[..., Any]) -> bool:
    return not is_async(function) and not inspect.isasyncgenfunction(inspect.unwrap(function))
