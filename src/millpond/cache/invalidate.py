"""On-demand invalidation: revalidate_tag, update_tag, revalidate_path (docs/rules.md, section 6)."""

from __future__ import annotations

import logging
import math
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from millpond.cache.active_application import endpoint_run, required_cache
from millpond.cache.given_tags import usable_tags
from millpond.cache.refresh import runs_begun
from millpond.errors import UsageError
from millpond.messages import at
from millpond.policy.profiles import InvalidLife, UnknownProfile, ages_given, profile_named
from millpond.policy.tags import MAX_TAGS, checked_tags, kept_tag
from millpond.render.scopes.live_scope import LiveScope
from millpond.render.scopes.own_invalidations import OwnInvalidations
from millpond.render.scopes.scope import Phase, current
from millpond.render.user_code import user_place
from millpond.routes.naming.named_path import MAX_PATH, named_by, named_path
from millpond.telemetry.invalidated import ASKED_BY, By, invalidated_by, request_id_in, tell_invalidated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from millpond.cache.data import DataCache
    from millpond.errors import Place
    from millpond.policy.profiles import Profile
    from millpond.purge.purges import Purges
    from millpond.render.scopes.scope import Scope
    from millpond.routes.naming.named_path import NamedPath, PathType
    from millpond.routes.naming.route_names import RouteNames
    from millpond.stores.contract import Store

log = logging.getLogger("millpond.cache")


class Expiry(TypedDict):
    """The inline form of a profile (R6.6): seconds for which older answers may still be served as stale."""

    expire: float


class Invalidation(NamedTuple):
    """The result of an invalidation."""

    tags: int
    """The number of invalidated tags; 0 if the tag or path was invalid (there was a warning)."""
    generation: int
    """The store's generation afterwards. Earlier renders are invalidated; later ones are not."""
    purge: int = 0
    """The number of the purge in caches in front, for `purged`; 0: none are configured."""


def revalidate_tag(tag: str, profile: str | Expiry | None = None, *, expire: float | None = None) -> Invalidation:
    """Invalidate every answer and all data with `tag`.

    When it returns, it has taken effect in every process that shares the cache. You can call it anywhere: in handlers,
    `after` callbacks, streamed bodies, threads. Nothing is rendered again before the next request.

    Args:
        tag: the tag.
        profile: how long older answers may still be served as stale while they are rendered again: the name of a
            lifetime such as "max", whose `expire` is used, or `{"expire": seconds}`. None: not at all (R6.5).
        expire: the same in seconds; `expire=0` is short for `{"expire": 0}`.

    Raises:
        UsageError: the profile is unknown (R6.11) or the age invalid; or you call it inside a cached function (R6.16)
            or without an application in this process.
    """
    cache = _cache_for("revalidate_tag()")
    with _told_with_place():
        expire_after = expire_after_of(cache.profiles, profile, expire)
    return _invalidate(cache, *_usable(tag, "revalidate_tag()"), expire_after=expire_after)


def update_tag(tag: str) -> Invalidation:
    """Invalidate every answer and all data with `tag`: the next reader waits for fresh data (D31).

    Raises:
        UsageError: you call it inside a cached function, or without an application in this process.
    """
    cache = _cache_for("update_tag()")
    return _invalidate(cache, *_usable(tag, "update_tag()"), expire_after=0)


def revalidate_path(path: str, /, type: PathType | None = None, **params: object) -> Invalidation:  # noqa: A002 - the original's name
    """Invalidate the answers of a path or of a pattern, and the data that they use (R6.4, R6.12; D24).

    Give the values of parameters by name where they come from elsewhere, decoded as they are:
    `revalidate_path("/products/[slug]", slug=slug)`. What names no route is a warning in the log.

    Args:
        path: a path such as "/products/7", percent-encoded or not, or a pattern such as "/products/[id]" or
            "/products/{id}"; a trailing slash is ignored, and so are a query and a fragment, with a warning.
        type: None, "route" and "page" mean the path, or every path of the pattern's route; "layout" means these and
            everything below them: `revalidate_path("/", "layout")` invalidates everything.
        params: the values of the pattern's parameters, all of them or none, as in `path_of`. If one is called `type`,
            use `path_of`.

    Raises:
        UsageError: the path is no text or has no leading slash, the type is unknown, or the values aren't those of the
            pattern's parameters; or you call it inside a cached function, in `generate_static_params` or without an
            application in this process.
    """
    cache = _cache_for("revalidate_path()")
    with _told_with_place():
        named = named_by(path, type, params, cache.names) if params else named_path(path, type, cache.names)
    if named.warning is not None:
        log.warning("%srevalidate_path(): %s", at(_place()), named.warning)
    done = _invalidate(cache, *named.tags, expire_after=0)
    return done._replace(tags=min(1, len(named.tags)))


class InvalidationOrder(NamedTuple):
    """An invalidation from outside of handlers: by the webhook endpoint, or on the command line."""

    tags: list[str]
    paths: list[NamedPath]
    """What the paths name; they expire at once."""

    @classmethod
    def of(
        cls,
        tags: Sequence[str],
        paths: Sequence[str],
        type: PathType | None,  # noqa: A002 - as above
        names: RouteNames | None = None,
    ) -> InvalidationOrder:
        """Validate all tags and paths. Unlike in a handler, an invalid one is an error: such callers don't see the log.

        Args:
            tags: any strings.
            paths: as `revalidate_path` takes them, without values.
            type: for the paths.
            names: of the application's routes; None: they aren't known here, so no path is said to have none.

        Raises:
            UsageError: a tag or a path is invalid; or there are too many for one call, as the store writes a row for
                each of them in one transaction.
        """
        good, problems = checked_tags(tags)
        if len(paths) > MAX_TAGS:
            problems.append(f"{len(paths)} paths are over {MAX_TAGS}; name fewer in one call")
        if problems:
            raise UsageError("; ".join(problems))
        read = [named_path(path, type, names) for path in paths]
        for path, each in zip(paths, read, strict=True):
            if len(path) > MAX_PATH:
                raise UsageError(f"revalidate_path(): a path of {len(path)} characters is over {MAX_PATH}.")
            if not each.tags:
                raise UsageError(f"revalidate_path(): {each.warning}.")
        return cls(good, read)

    @property
    def warnings(self) -> list[str]:
        """What looks like a mistake in the paths."""
        return [each.warning for each in self.paths if each.warning is not None]

    def carry_out(self, store: Store, purges: Purges | None, *, expire_after: float | None) -> dict[str, int]:
        """Invalidate the tags and paths; `expire_after` applies to the tags only.

        Returns:
            The number of tags, the number of paths, and the generation afterwards.
        """
        done = invalidate_tags(store, purges, self.tags, expire_after=expire_after)
        if self.paths:
            tags = list(dict.fromkeys(tag for path in self.paths for tag in path.tags))
            done = invalidate_tags(store, purges, tags, expire_after=0)
        return {"tags": len(self.tags), "paths": len(self.paths), "generation": done.generation}


def expire_after_of(
    profiles: Mapping[str, Profile], profile: str | Expiry | None, expire: float | None
) -> float | None:
    """Seconds for which older answers may still be served as stale; 0: not at all; None: no limit.

    Raises:
        UsageError: the profile is unknown or the age invalid; or there are both a profile and an age.
    """
    if profile is not None and expire is not None:
        raise UsageError("revalidate_tag(): give a profile or expire, not both.")
    try:
        if isinstance(profile, str):
            return profile_named(profile, profiles).expire
        if profile is None:
            return 0 if expire is None else _seconds(expire)
        return _seconds(profile["expire"])
    except (UnknownProfile, InvalidLife) as error:
        raise UsageError(f"revalidate_tag(): {error}") from None
    except (KeyError, TypeError):
        raise UsageError(
            f'revalidate_tag(): the profile is {profile!r}; give a name, or {{"expire": seconds}}.'
        ) from None


def _seconds(expire: float) -> float | None:
    seconds = ages_given(expire=expire)["expire"]
    return None if math.isinf(seconds) else seconds


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
    counted_again = _counted_again(scope)
    if counted_again is not None and kept:
        counted_again.note(cache.store, kept, expire_after, begun)
    return done


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


def invalidate_tags(
    store: Store, purges: Purges | None, tags: Sequence[str], *, expire_after: float | None
) -> Invalidation:
    """Invalidate tags in the store, then in the caches in front. All invalidations go through this function.

    The order matters: a cache in front may request a new answer as soon as it is purged.

    Args:
        store: the store.
        purges: the purges of caches in front; None: none are configured.
        tags: valid tags, or tags of a `NamedPath`.
        expire_after: seconds for which older entries may still be served as stale; 0: not at all; None: no limit.
    """
    if not tags:
        return Invalidation(0, store.generation())
    generation = store.invalidate(map(kept_tag, tags), expire_after=expire_after)
    tell_invalidated(store, tags, generation, expire_after)
    announced = purges.announce(tags, expire_after=expire_after) if purges is not None else 0
    return Invalidation(len(tags), generation, announced)


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
