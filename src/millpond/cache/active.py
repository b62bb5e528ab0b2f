"""Which data cache a call belongs to: the handler's, or the one application's that runs in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.errors import UsageError
from millpond.render.request.tracked_request import guard_requests
from millpond.render.scopes.attachments import Attachments, ScopeKey
from millpond.render.scopes.scope import current
from millpond.render.threads import propagate_scopes

if TYPE_CHECKING:
    from millpond.cache.data import DataCache
    from millpond.render.scopes.scope import Scope

_CACHE: ScopeKey[DataCache] = ScopeKey("data cache")
"""What the scopes of an application's runs have its cache under."""

_active: list[DataCache] = []


def activate(cache: DataCache) -> None:
    """An application has started: code outside of its handlers may mean its cache."""
    propagate_scopes()
    guard_requests()
    _active.append(cache)


def deactivate(cache: DataCache) -> None:
    """An application has shut down."""
    if cache in _active:
        _active.remove(cache)


def attachments_of(cache: DataCache) -> Attachments:
    """What scopes have attached so that `cache_of` finds the cache."""
    attachments = Attachments()
    attachments.attach(_CACHE, cache)
    return attachments


def cache_of(scope: Scope | None) -> DataCache | None:
    """The cache of the scope; outside of any, that of the only application; None when there is none, or several."""
    cache = None if scope is None else scope.attachments.get(_CACHE)
    if cache is not None:
        return cache
    return _active[0] if len(_active) == 1 else None


def required_cache(function: str) -> DataCache:
    """The cache that `function` concerns.

    Raises:
        UsageError: no application runs in this process, or several do and no handler says which.
    """
    cache = cache_of(current())
    if cache is not None:
        return cache
    if _active:
        raise UsageError(f"{len(_active)} applications run in this process: call {function} in a handler of one.")
    raise UsageError(
        f"no application runs in this process, so {function} has no cache to work on; "
        "from outside of the server use `millpond revalidate`."
    )
