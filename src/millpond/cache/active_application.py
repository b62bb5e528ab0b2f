"""Find the application for a call: that of the handler or the endpoint; elsewhere, the only one in this process."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.cache.data import DATA_CACHE
from millpond.errors import UsageError
from millpond.render.request.tracked_request import guard_requests
from millpond.render.scopes.current_scope import current
from millpond.render.threads import propagate_scopes

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as AsgiScope

    from millpond.cache.data import DataCache
    from millpond.render.scopes.own_invalidations import OwnInvalidations
    from millpond.render.scopes.scope import Scope
    from millpond.routes.metadata_inventory import MetadataInventory


@dataclass(frozen=True, slots=True, eq=False)
class ActiveApplication:
    """A running application: started, and not yet shut down."""

    data: DataCache
    metadata: MetadataInventory


_active: list[ActiveApplication] = []
"""Changed by any thread that starts or stops an application; readers use a copy."""


class EndpointRun:
    """A request that FastAPI answers by its own means: what is declared in code has no scope of a render."""

    __slots__ = ("asgi", "counted_again", "data")

    def __init__(self, data: DataCache, asgi: AsgiScope) -> None:
        self.data = data
        """Of the application whose endpoint runs."""
        self.asgi: AsgiScope | None = asgi
        """The scope of the request; None when it has ended, and what it has left behind goes on."""
        self.counted_again: OwnInvalidations | None = None
        """What it has invalidated."""


_answering: ContextVar[EndpointRun | None] = ContextVar("millpond_answering", default=None)


class OfApplication:
    """What an application answers by FastAPI's own means; calls in it mean that application.

    Args:
        app: answers.
        data: of the application.
    """

    def __init__(self, app: ASGIApp, data: DataCache) -> None:
        self._app, self._data = app, data

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        run = EndpointRun(self._data, scope)
        token = _answering.set(run)
        try:
            await self._app(scope, receive, send)
        finally:
            _answering.reset(token)
            run.asgi = None  # tasks that it has left behind would keep it
            if run.counted_again is not None:
                run.counted_again.finish(has_background=True)


def activate(data: DataCache, metadata: MetadataInventory) -> None:
    """Register an application that has started, for calls outside of handlers."""
    propagate_scopes()
    guard_requests()
    _active.append(ActiveApplication(data, metadata))


def deactivate(data: DataCache) -> None:
    """Unregister the application with this data cache, as it has shut down."""
    application = _with(data)
    if application is not None:
        _active.remove(application)


def cache_of(scope: Scope | None) -> DataCache | None:
    """The cache of the scope; without one, of the endpoint; else of the only application; None: none, or several."""
    cache = None if scope is None else scope.attachments.get(DATA_CACHE)
    if cache is not None:
        return cache
    answering = endpoint_run()
    if answering is not None:
        return answering.data
    active = tuple(_active)
    return active[0].data if len(active) == 1 else None


def runs_endpoint() -> bool:
    """Whether an endpoint that is declared in code runs here, and answers one request alone."""
    return current() is None and endpoint_run() is not None


def endpoint_run() -> EndpointRun | None:
    """The run of an endpoint here; what an endpoint has left behind may outlive its application."""
    answering = _answering.get()
    return answering if answering is not None and _with(answering.data) is not None else None


def required_cache(function: str) -> DataCache:
    """The data cache for a call of `function`.

    Raises:
        UsageError: no application runs in this process; or several do, and the call isn't in a handler.
    """
    cache = cache_of(current())
    if cache is not None:
        return cache
    _refuse_ambiguous(function)
    raise UsageError(
        f"no application runs in this process, so {function} has no cache to work on; "
        "outside of the server, use millpond.client or `millpond revalidate`."
    )


def required_metadata(function: str) -> MetadataInventory:
    """The metadata files for a call of `function`, of the same application as `required_cache`.

    Raises:
        UsageError: see `required_cache`.
    """
    cache = cache_of(current())
    application = None if cache is None else _with(cache)
    if application is not None:
        return application.metadata
    if cache is None:
        _refuse_ambiguous(function)
    raise UsageError(f"no application runs in this process, so {function} has no files to link to.")


def _with(data: DataCache) -> ActiveApplication | None:
    return next((application for application in tuple(_active) if application.data is data), None)


def _refuse_ambiguous(function: str) -> None:
    if number := len(_active):
        raise UsageError(f"{number} applications run in this process: call {function} in a handler of one of them.")
