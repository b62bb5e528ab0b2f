"""Which application a call means: the one whose handler makes it; elsewhere the only one that runs in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.cache.data import DATA_CACHE
from millpond.errors import UsageError
from millpond.render.request.tracked_request import guard_requests
from millpond.render.scopes.scope import current
from millpond.render.threads import propagate_scopes

if TYPE_CHECKING:
    from millpond.cache.data import DataCache
    from millpond.render.scopes.scope import Scope
    from millpond.routes.metadata_inventory import MetadataInventory


@dataclass(frozen=True, slots=True, eq=False)
class ActiveApplication:
    """An application between its start and its shutdown."""

    data: DataCache
    metadata: MetadataInventory


_active: list[ActiveApplication] = []
"""Written by any thread that starts or stops an application; one that reads works on a copy."""


def activate(data: DataCache, metadata: MetadataInventory) -> None:
    """An application has started: code outside of its handlers may mean it."""
    propagate_scopes()
    guard_requests()
    _active.append(ActiveApplication(data, metadata))


def deactivate(data: DataCache) -> None:
    """The application with that data cache has shut down."""
    application = _with(data)
    if application is not None:
        _active.remove(application)


def cache_of(scope: Scope | None) -> DataCache | None:
    """The cache of the scope; outside of any, that of the only application; None when there is none, or several."""
    cache = None if scope is None else scope.attachments.get(DATA_CACHE)
    if cache is not None:
        return cache
    active = tuple(_active)
    return active[0].data if len(active) == 1 else None


def required_cache(function: str) -> DataCache:
    """The data cache that a call of `function` concerns.

    Raises:
        UsageError: no application runs in this process, or several do and no handler says which.
    """
    cache = cache_of(current())
    if cache is not None:
        return cache
    _refuse_several(function)
    raise UsageError(
        f"no application runs in this process, so {function} has no cache to work on; "
        "from outside of the server use `millpond revalidate`."
    )


def required_metadata(function: str) -> MetadataInventory:
    """The metadata files that a call of `function` concerns: those of the application that `required_cache` means.

    Raises:
        UsageError: as `required_cache`.
    """
    cache = cache_of(current())
    application = None if cache is None else _with(cache)
    if application is not None:
        return application.metadata
    if cache is None:
        _refuse_several(function)
    raise UsageError(f"no application runs in this process, so {function} has no files to link to.")


def _with(data: DataCache) -> ActiveApplication | None:
    return next((application for application in tuple(_active) if application.data is data), None)


def _refuse_several(function: str) -> None:
    if number := len(_active):
        raise UsageError(f"{number} applications run in this process: call {function} in a handler of one.")
