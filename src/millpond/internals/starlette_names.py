"""The private names of Starlette that Millpond uses, and the fallback without each."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Router

from millpond.internals import fastapi_names
from millpond.internals.private_name import NoName, PrivateName
from millpond.internals.untouched import untouched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

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
    f"with middleware of the user's, hits take the way of misses, and {_SLOW}",
    sample=Starlette,
)
USER_MIDDLEWARE = PrivateName(
    "starlette.applications",
    "Starlette.user_middleware",
    f"hits go through all of FastAPI, never from the socket, and {_SLOW}",
    sample=Starlette,
)
ROUTER_STACK = PrivateName(
    "starlette.routing",
    "Router.middleware_stack",
    "`app.routes` begins with a route of Millpond's own, which every request passes, and middleware sees no lifespan",
    sample=Router,
)
LIFESPAN = PrivateName(
    "starlette.routing",
    "Router.lifespan_context",
    "the lifespan is started and ended by ASGI messages, and that of a folder's `router` is ignored",
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
    "if middleware keeps a request whose class doesn't call Starlette's constructor, cached functions can see what "
    "that request has read before",
    sample=lambda: HTTPConnection,
)

_installed = False

NAMES = (HANDLE_ERRORS, STACK, BUILD_STACK, USER_MIDDLEWARE, ROUTER_STACK, LIFESPAN, DISPATCH, NO_NEW)


def builds_stack() -> bool:
    """Whether all of an application's middleware can be layered together, when its stack is built."""
    return BUILD_STACK.is_known and USER_MIDDLEWARE.is_known


def is_past_possible() -> bool:
    """Whether requests can bypass Starlette and FastAPI: their names are known, and nothing observes their calls.

    The entry points that the short cut bypasses are then the original ones, which do nothing else.
    """
    if not (STACK.is_known and HANDLE_ERRORS.is_known and builds_stack() and fastapi_names.EXIT_STACKS.is_known):
        return False
    starlettes = (Starlette, ServerErrorMiddleware, ExceptionMiddleware, Router)
    fastapis = (FastAPI, fastapi_names.EXIT_STACKS.find())
    return untouched((each.__call__ for each in starlettes), "starlette") and untouched(
        (each.__call__ for each in fastapis), "fastapi"
    )


def is_cors_original() -> bool:
    """Whether no function of CORSMiddleware was replaced, by an agent that observes its calls, for example."""
    functions = [getattr(each, "__func__", each) for each in vars(CORSMiddleware).values()]
    return untouched([each for each in functions if callable(each)], "starlette")


def dispatch_of(app: BaseHTTPMiddleware) -> DispatchFunction:
    """The function that a middleware calls with a request: its own method, or another one where that can be seen."""
    return app.dispatch_func if DISPATCH.is_known else app.dispatch


def replace_dispatch(app: BaseHTTPMiddleware, around: Callable[[DispatchFunction], DispatchFunction]) -> None:
    """Have a middleware call `around` of its function in place of it; does nothing where that isn't possible."""
    if DISPATCH.is_known:
        app.dispatch_func = around(app.dispatch_func)


def handling_errors(app: ASGIApp, request: Request) -> ASGIApp:
    """`app`, wrapped in the application's error handlers, which get `request`; only if `HANDLE_ERRORS` is known."""
    wrapped: ASGIApp = HANDLE_ERRORS.find()(app, request)
    return wrapped


def stack_of(app: Starlette) -> ASGIApp:
    """An application's middleware stack, built if it isn't yet; only if `is_past_possible`."""
    stack = app.middleware_stack
    if stack is None:
        stack = app.middleware_stack = app.build_middleware_stack()
    return stack


class LayeredFastAPI(FastAPI):
    """A FastAPI with a layer of Millpond inside of the user's middleware, if there is any."""

    built_stack: ASGIApp | None = None
    """What `build_middleware_stack` has made last."""
    added_middleware: list[Middleware]
    """What was given to the constructor and to `add_middleware`, outermost first."""

    def __init__(self, **options: Any) -> None:
        self.added_middleware = list(options.get("middleware") or ())
        super().__init__(**options)

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """As FastAPI's."""
        super().add_middleware(middleware_class, *args, **kwargs)
        self.added_middleware.insert(0, Middleware(middleware_class, *args, **kwargs))

    @abstractmethod
    def innermost(self) -> Middleware:
        """What stands inside of the user's middleware, for requests that need nothing further in."""

    if builds_stack():

        def build_middleware_stack(self) -> ASGIApp:
            added = self.user_middleware
            if added:
                self.user_middleware = [*added, self.innermost()]  # restored below: the list belongs to the user
            try:
                self.built_stack = super().build_middleware_stack()
            finally:
                self.user_middleware = added
            return self.built_stack


def user_middleware(app: Starlette) -> list[Middleware] | None:
    """The user's middleware, outermost first; None if the name is unknown, so that there may be any."""
    return app.user_middleware if USER_MIDDLEWARE.is_known else None


def known_middleware(app: LayeredFastAPI) -> list[Middleware]:
    """The user's middleware, outermost first: what is in the list, or, if its name is unknown, what was added to it."""
    return app.user_middleware if USER_MIDDLEWARE.is_known else app.added_middleware


def has_own_stack(app: LayeredFastAPI) -> bool:
    """Whether the application's stack is what its own class builds: no subclass, agent or user has put anything in."""
    builds = type(app).build_middleware_stack is LayeredFastAPI.build_middleware_stack
    return (
        builds and "build_middleware_stack" not in vars(app) and type(app.router) is APIRouter and is_built_stack(app)
    )


def is_built_stack(app: LayeredFastAPI) -> bool:
    """Whether nothing was put in the place of the stack that was built last; only if `is_past_possible`."""
    return app.middleware_stack is app.built_stack


def stand_before(router: Router, app: ASGIApp) -> bool:
    """Have every request that reaches a router go to `app` first; False if that isn't possible."""
    if not ROUTER_STACK.is_known:
        return False
    router.middleware_stack = app  # type: ignore[assignment]  # that of a coroutine function; any application will do
    return True


def make_by(make: Callable[..., HTTPConnection]) -> None:
    """Give every request object of this process the class of what `make` returns; installed once per process.

    It replaces `__new__`, or the constructor if Starlette defines its own `__new__`.

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
    """A context manager for an application's lifespan; entering it returns what the lifespan yields."""
    return app.router.lifespan_context(app) if LIFESPAN.is_known else _lifespan_by_messages(app)


def has_own_lifespan(router: Router) -> bool:
    """Whether a router was given a lifespan; False if Starlette's name is unknown."""
    if not LIFESPAN.is_known:
        return False
    return type(router.lifespan_context) is not type(type(router)().lifespan_context)


@asynccontextmanager
async def _lifespan_by_messages(app: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
    """Run the lifespan by ASGI messages as a server does, without the middleware; raise its errors."""
    state: dict[str, Any] = {}
    received: asyncio.Queue[Message] = asyncio.Queue()
    sent: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "app": app, "state": state}
    running = asyncio.ensure_future(app.router.lifespan(scope, received.get, sent.put))

    async def step(name: str) -> None:
        await received.put({"type": f"lifespan.{name}"})
        answer = asyncio.ensure_future(sent.get())
        await asyncio.wait({answer, running}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or answer.result()["type"] != f"lifespan.{name}.complete":
            answer.cancel()
            await running

    try:
        await step("startup")
        try:
            yield state
        finally:  # also when the block is cancelled, or raises: what the lifespan has opened is closed
            await step("shutdown")
            await running
    finally:
        running.cancel()  # no effect if it has ended
