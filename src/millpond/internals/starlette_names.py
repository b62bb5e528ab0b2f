"""What Millpond takes from inside Starlette, and the way without each."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Router

from millpond.internals import fastapi_names
from millpond.internals.private_name import NoName, PrivateName
from millpond.internals.untouched import untouched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.middleware import Middleware
    from starlette.middleware.base import DispatchFunction
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message

    Added = Callable[[Middleware], None]

_SLOW = "live operations go through all of FastAPI instead of past it"


HANDLE_ERRORS = PrivateName("starlette._exception_handler", "wrap_app_handling_exceptions", _SLOW, positional=2)
STACK = PrivateName("starlette.applications", "Starlette.middleware_stack", _SLOW, sample=Starlette)
BUILD_STACK = PrivateName(
    "starlette.applications",
    "Starlette.build_middleware_stack",
    f"`user_middleware` shows Millpond's own layers, too, and {_SLOW}",
    sample=Starlette,
)
USER_MIDDLEWARE = PrivateName(
    "starlette.applications",
    "Starlette.user_middleware",
    f"it can't be told where middleware was added, and {_SLOW}",
    sample=Starlette,
)
LIFESPAN = PrivateName(
    "starlette.routing",
    "Router.lifespan_context",
    "the lifespan is begun and ended by messages of ASGI",
    sample=Router,
)

DISPATCH = PrivateName(
    "starlette.middleware.base",
    "BaseHTTPMiddleware.dispatch_func",
    "what a middleware function reads counts as a whole: a look at the path makes the route live",
    sample=lambda: BaseHTTPMiddleware(FastAPI()),
)
NO_NEW = NoName(
    "starlette.requests",
    "HTTPConnection.__new__",
    "a request object of a class that doesn't call Starlette's constructor, and which middleware keeps, tells cached "
    "functions what it has read before",
    sample=lambda: HTTPConnection,
)

_shows_stack = STACK.is_known  # asked for each live request
_installed = False

NAMES = (HANDLE_ERRORS, STACK, BUILD_STACK, USER_MIDDLEWARE, LIFESPAN, DISPATCH, NO_NEW)


def builds_stack() -> bool:
    """Whether an application's middleware may be layered at once, when its stack is built."""
    return BUILD_STACK.is_known and USER_MIDDLEWARE.is_known


def is_past_possible() -> bool:
    """Whether nobody sees what goes through Starlette and FastAPI, by all that is known of both.

    The ways in that a short cut leaves out are their own then, and do nothing more.
    """
    if not (HANDLE_ERRORS.is_known and builds_stack() and fastapi_names.EXIT_STACKS.is_known):
        return False
    starlettes = (Starlette, ServerErrorMiddleware, ExceptionMiddleware, Router)
    fastapis = (FastAPI, fastapi_names.EXIT_STACKS.find())
    return untouched((each.__call__ for each in starlettes), "starlette") and untouched(
        (each.__call__ for each in fastapis), "fastapi"
    )


def dispatch_of(app: BaseHTTPMiddleware) -> DispatchFunction:
    """The function that a middleware calls with a request: its own method, or another one where that can be seen."""
    return app.dispatch_func if DISPATCH.is_known else app.dispatch


def replace_dispatch(app: BaseHTTPMiddleware, around: Callable[[DispatchFunction], DispatchFunction]) -> None:
    """Have a middleware call `around` of its function in place of it; does nothing where that isn't possible."""
    if DISPATCH.is_known:
        app.dispatch_func = around(app.dispatch_func)


def handling_errors(app: ASGIApp, request: Request) -> ASGIApp:
    """`app` with the application's handlers of errors around it, which get `request`; only where that is possible."""
    wrapped: ASGIApp = HANDLE_ERRORS.find()(app, request)
    return wrapped


def built_stack(app: Starlette) -> ASGIApp | None:
    """An application with its middleware; None before its first request, or where it doesn't tell."""
    return app.middleware_stack if _shows_stack else None


class LayeredFastAPI(FastAPI):
    """A FastAPI with something of Millpond's around each middleware, and around the operation."""

    def layers(self, added: list[Middleware]) -> list[Middleware]:
        """`added`, outermost first, with layers around each; the last one is that of the operation."""
        return added

    def past(self, stack: ASGIApp) -> ASGIApp:
        """`stack`, in which there is no middleware but FastAPI's, with a way past it."""
        return stack

    if builds_stack():

        def build_middleware_stack(self) -> ASGIApp:
            added = self.user_middleware
            self.user_middleware = self.layers(added)  # for the moment: it is the user's own list
            try:
                stack = super().build_middleware_stack()
            finally:
                self.user_middleware = added
            return stack if self.user_middleware else self.past(stack)

    else:

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._add(self.layers([])[-1:])

        def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
            from starlette.middleware import Middleware

            self._add(reversed(self.layers([Middleware(middleware_class, *args, **kwargs)])[:-1]))

        def _add(self, inside_first: Any) -> None:
            for middleware_class, args, kwargs in inside_first:
                super().add_middleware(middleware_class, *args, **kwargs)


def added_last(app: Starlette) -> Middleware | None:
    """The middleware that was added last; None where the application doesn't tell."""
    return app.user_middleware[0] if USER_MIDDLEWARE.is_known and builds_stack() else None


def make_by(make: Callable[..., HTTPConnection]) -> None:
    """Let each request object of this process be of the class of what `make` makes; once in a process.

    By way of `__new__`, or, where Starlette has one of its own, of the constructor.

    Args:
        make: called with a class and an ASGI scope.
    """
    global _installed
    if _installed:
        return
    _installed = True
    if NO_NEW.is_known:
        HTTPConnection.__new__ = make  # type: ignore[method-assign, assignment]
        return
    construct = HTTPConnection.__init__

    def constructing(self: HTTPConnection, scope: Any, *args: Any, **kwargs: Any) -> None:
        construct(self, scope, *args, **kwargs)
        self.__class__ = type(make(type(self), scope))

    HTTPConnection.__init__ = constructing  # type: ignore[method-assign, assignment]


def lifespan_of(app: FastAPI) -> AbstractAsyncContextManager[Mapping[str, Any] | None]:
    """One run of an application's lifespan; entering it gives what it yields."""
    return app.router.lifespan_context(app) if LIFESPAN.is_known else _lifespan_by_messages(app)


@asynccontextmanager
async def _lifespan_by_messages(app: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
    """As a server does it, but past the middleware; what the application raises is raised."""
    state: dict[str, Any] = {}
    asked: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "app": app, "state": state}
    running = asyncio.ensure_future(app.router(scope, asked.get, told.put))

    async def step(name: str) -> None:
        await asked.put({"type": f"lifespan.{name}"})
        answer = asyncio.ensure_future(told.get())
        await asyncio.wait({answer, running}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or answer.result()["type"] != f"lifespan.{name}.complete":
            answer.cancel()
            await running

    await step("startup")
    yield state
    await step("shutdown")
    await running
