"""On-demand invalidation: revalidate_tag, update_tag, revalidate_path (docs/rules.md, section 6)."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from millpond.cache.active_application import endpoint_run, required_cache
from millpond.cache.given_tags import usable_tags
from millpond.cache.invalidation_order import expire_after_of, for_host, invalidate_tags, named_host
from millpond.cache.refresh import runs_begun
from millpond.cache.told import INVALIDATED
from millpond.errors import UsageError
from millpond.messages import at
from millpond.policy.tags import MAX_TAGS, kept_tag
from millpond.render.scopes.current_scope import current
from millpond.render.scopes.live_scope import LiveScope
from millpond.render.scopes.own_invalidations import OwnInvalidations
from millpond.render.scopes.scope import Phase
from millpond.render.user_code import user_place
from millpond.routes.naming.built_path import has_parameter
from millpond.routes.naming.named_path import FUNCTION, named_by, named_path
from millpond.telemetry.invalidated import ASKED_BY, By, invalidated_by, request_id_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from millpond.cache.data import DataCache
    from millpond.cache.invalidation_order import Expiry, Invalidation
    from millpond.errors import Place
    from millpond.render.scopes.scope import Scope
    from millpond.routes.naming.named_path import PathType

log = logging.getLogger("millpond.cache")


def revalidate_tag(
    tag: str, profile: str | Expiry | None = None, *, expire: float | None = None, host: str | None = None
) -> Invalidation:
    """Invalidate every answer and all data with `tag`.

    When it returns, it has taken effect in every process that shares the cache. You can call it anywhere: in handlers,
    `after` callbacks, streamed bodies, threads. Nothing is rendered again before the next request.

    Args:
        tag: the tag.
        profile: how long older answers may still be served as stale while they are rendered again: the name of a
            lifetime such as "max", whose `expire` is used, or `{"expire": seconds}`. None: not at all (R6.5).
        expire: the same in seconds; `expire=0` is short for `{"expire": 0}`.
        host: only answers for this host, of routes with `cache_host`, and the data that they use; None: all.

    Raises:
        UsageError: the profile is unknown (R6.11), the age invalid or the host none; or you call it inside a cached
            function (R6.16) or without an application in this process.
    """
    cache = _cache_for("revalidate_tag()")
    with _told_with_place():
        expire_after = expire_after_of(cache.profiles, profile, expire)
        host = named_host("revalidate_tag()", host)
    return _invalidate(cache, *for_host(_usable(tag, "revalidate_tag()"), host), expire_after=expire_after)


def update_tag(tag: str, *, host: str | None = None) -> Invalidation:
    """Invalidate every answer and all data with `tag`: the next reader waits for fresh data (D31).

    Args:
        tag: the tag.
        host: as for `revalidate_tag`.

    Raises:
        UsageError: the host is none; or you call it inside a cached function, or without an application in this
            process.
    """
    cache = _cache_for("update_tag()")
    with _told_with_place():
        host = named_host("update_tag()", host)
    return _invalidate(cache, *for_host(_usable(tag, "update_tag()"), host), expire_after=0)


def revalidate_path(
    path: str,
    /,
    type: PathType | None = None,  # noqa: A002 - the original's name
    **params: object,
) -> Invalidation:
    """Invalidate the answers of a path or of a pattern, and the data that they use (R6.4, R6.12; D24).

    Give the values of parameters by name where they come from elsewhere, decoded as they are:
    `revalidate_path("/products/[slug]", slug=slug)`. With `host="a.example"`, only answers for this host are
    invalidated, of routes with `cache_host`. What names no route is a warning in the log.

    Args:
        path: a path such as "/products/7", percent-encoded or not, or a pattern such as "/products/[id]" or
            "/products/{id}"; a trailing slash is ignored, and so are a query and a fragment, with a warning.
        type: None, "route" and "page" mean the path, or every path of the pattern's route; "layout" means these and
            everything below them: `revalidate_path("/", "layout")` invalidates everything.
        params: the values of the pattern's parameters, all of them or none, as in `path_of`; and `host`, unless a
            parameter is called that. If one is called `type`, use `path_of`.

    Raises:
        UsageError: the path is no text or has no leading slash, the type is unknown, or the values aren't those of the
            pattern's parameters; or you call it inside a cached function, in `generate_static_params` or without an
            application in this process.
    """
    cache = _cache_for("revalidate_path()")
    with _told_with_place():
        given = params.pop("host", None) if "host" in params and not has_parameter(path, "host") else None
        host = named_host(FUNCTION, given)
        named = named_by(path, type, params, cache.names) if params else named_path(path, type, cache.names)
    if named.warning is not None:
        log.warning("%srevalidate_path(): %s", at(_place()), named.warning)
    done = _invalidate(cache, *for_host(named.tags, host), expire_after=0)
    return done._replace(tags=min(1, len(named.tags)))


def _cache_for(function: str) -> DataCache:
    """The cache that an invalidation concerns.

    It ends a static render: a shared render would invalidate at build and at every regeneration (R3.9, R6.15).

    Raises:
        UsageError: as `required_cache`; or in a cached function, or where paths are listed; or the cache is in the
            memory of a script, which nobody asks.
    """
    cache = required_cache(function)
    scope = current()
    if scope is not None:
        scope.record_effect(function)
    elif cache.is_scripts and not cache.is_asked:
        raise UsageError(
            f"{function}: the cache is in the memory of each process that serves, and this process serves nobody, so "
            "it would reach no answer. Use `millpond revalidate --url` and [revalidate_endpoint], or a [cache] store "
            "that processes share."
        )
    return cache


def _usable(tag: str, function: str) -> tuple[str, ...]:
    return usable_tags([tag], lambda: f"{at(_place())}{function}", log)


def _place() -> Place | None:
    """Where a handler or an endpoint calls; None elsewhere."""
    scope = current()
    if scope is not None:
        return scope.place()
    called = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
    return None if endpoint_run() is None else user_place(called, Path.cwd())


@contextmanager
def _told_with_place() -> Iterator[None]:
    """Errors begin with the place of the call.

    Raises:
        UsageError: what was called has raised it.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{at(_place())}{error}") from None


def _invalidate(cache: DataCache, *tags: str, expire_after: float | None) -> Invalidation:
    begun, scope = runs_begun(), current()
    with invalidated_by(_by(scope)):
        done = invalidate_tags(cache.store, cache.purges, tags, expire_after=expire_after)
    kept = list(map(kept_tag, tags))
    if scope is not None:
        scope.own_invalidations.update(dict.fromkeys(kept, done.generation))
    _tell_answer(scope, kept)
    counted_again = _counted_again(scope)
    if counted_again is not None and kept:
        counted_again.note(cache.store, kept, expire_after, begun)
    return done


def _tell_answer(scope: Scope | None, kept: Iterable[str]) -> None:
    """Have the answer of the request that is answered here say what was invalidated, if it hasn't begun."""
    endpoint = endpoint_run() if scope is None else None
    asgi = scope.asgi if isinstance(scope, LiveScope) else None if endpoint is None else endpoint.asgi
    invalidated: dict[str, None] | None = None if asgi is None else asgi.get(INVALIDATED)
    if invalidated is not None and len(invalidated) <= MAX_TAGS:  # more don't fit into a header
        invalidated.update(dict.fromkeys(kept))


def _by(scope: Scope | None) -> By:
    """Which request it is that invalidates, and at which line of it."""
    place, endpoint = _place(), endpoint_run()
    asgi = endpoint.asgi if scope is None and endpoint is not None else None
    if isinstance(scope, LiveScope):
        asgi = scope.visitors or scope.asgi
    asgi = asgi or {}
    is_cron = asgi.get(ASKED_BY) == "cron"
    return By(
        "cron" if is_cron else "handler",
        place="" if place is None else str(place),
        name=asgi.get("path", "") if is_cron else "",
        request=request_id_in(asgi.get("headers", ())),
    )


def _counted_again(scope: Scope | None) -> OwnInvalidations | None:
    """What counts again at the end of the request that is answered here; None: none is."""
    if scope is None:
        endpoint = endpoint_run()
        if endpoint is None or endpoint.asgi is None:
            return None
        endpoint.counted_again = endpoint.counted_again or OwnInvalidations(endpoint.asgi, runs_begun)
        return endpoint.counted_again
    if not isinstance(scope, LiveScope) or scope.phase is Phase.AFTER:
        return None
    scope.counted_again = scope.counted_again or OwnInvalidations(scope.handled or scope.asgi, runs_begun)
    return scope.counted_again


async def purged(*invalidations: Invalidation, timeout: float | None = 30.0) -> None:  # noqa: ASYNC109 - it is public API
    """Wait until all caches in front have acknowledged the purges of invalidations (`[[cdn.purge]]`).

    An invalidation itself doesn't wait for them: it returns when it has taken effect in Millpond's own cache. `purged`
    also waits for the second purge, `again_after` seconds after the first. If no caches are configured, it returns at
    once.

    Args:
        invalidations: the results of `revalidate_tag` and similar calls; none: all of this process so far.
        timeout: seconds; None: no limit.

    Raises:
        PurgeError: a cache has refused a purge, or hasn't acknowledged it in time.
        UsageError: you call it without an application in this process.
    """
    purges = required_cache("purged()").purges
    if purges is None:
        return
    number = max(each.purge for each in invalidations) if invalidations else purges.latest
    if number:
        await purges.acknowledged(number, timeout)
