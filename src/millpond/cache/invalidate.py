"""On-demand invalidation: revalidate_tag, update_tag, revalidate_path (docs/rules.md, section 6)."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

from millpond.cache.active_application import required_cache
from millpond.cache.given_tags import usable_tags
from millpond.errors import UsageError, one_of
from millpond.policy.profiles import InvalidLife, UnknownProfile, ages_given, profile_named
from millpond.policy.tags import MAX_TAGS, below_tag, checked_tags, kept_tag, path_tag, route_tag
from millpond.render.scopes.scope import current
from millpond.routes.path import MalformedPath, canonical, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from millpond.cache.data import DataCache
    from millpond.policy.profiles import Profile
    from millpond.purge.purges import Purges
    from millpond.stores.contract import Store

log = logging.getLogger("millpond.cache")

MAX_PATH = 1024
"""Characters; a longer path is left out with a warning (R6.12)."""

PathType = Literal["route", "page", "layout"]


class Expiry(TypedDict):
    """The inline form of a profile (R6.6): seconds for which older answers may still be served as stale."""

    expire: float


class Invalidation(NamedTuple):
    """What a call did."""

    tags: int
    """How many tags it invalidated; 0 when what it was given can't be a tag (there was a warning)."""
    generation: int
    """The store's counter afterwards: what was rendered before it is concerned, what is rendered later is not."""
    purge: int = 0
    """Its number among those that caches in front are told of; 0 when there are none (`purged`)."""


def revalidate_tag(tag: str, profile: str | Expiry | None = None, *, expire: float | None = None) -> Invalidation:
    """Invalidate every answer and all data with `tag`.

    It has taken effect when it returns, for every process that shares the cache, wherever it is called: handlers,
    `after` callbacks, streamed bodies, threads. Nothing is rendered again before somebody asks.

    Args:
        tag: the tag.
        profile: how long older answers may still be served as stale while they are rendered again: the name of a
            lifetime, whose `expire` counts ("max"), or `{"expire": seconds}`. None: not at all (R6.5).
        expire: the same in seconds; `expire=0` is short for `{"expire": 0}`.

    Raises:
        UsageError: an unknown profile (R6.11), a bad age, inside of a cached function (R6.16), or without an
            application in this process.
    """
    cache = required_cache("revalidate_tag()")
    _end_static("revalidate_tag()")
    return _invalidate(
        cache,
        *usable_tags([tag], lambda: "revalidate_tag()", log),
        expire_after=expire_after_of(cache.profiles, profile, expire),
    )


def update_tag(tag: str) -> Invalidation:
    """Invalidate every answer and all data with `tag`: the next reader waits for fresh (D31).

    Raises:
        UsageError: inside of a cached function, or without an application in this process.
    """
    cache = required_cache("update_tag()")
    _end_static("update_tag()")
    return _invalidate(cache, *usable_tags([tag], lambda: "update_tag()", log), expire_after=0)


def revalidate_path(path: str, type: PathType | None = None) -> Invalidation:  # noqa: A002 - the original's name
    """Invalidate the answers of a path or of a pattern, and the data that they read (R6.4, R6.12; D24).

    Args:
        path: a path such as "/products/7", or a pattern such as "/products/[id]"; a slash at the end is ignored.
        type: None, "route" and "page" mean the path, or every path of the pattern's route; "layout" means these
            and everything below: `revalidate_path("/", "layout")` is everything.

    Raises:
        UsageError: the path has no leading slash or a bad escape, an unknown type, inside of a cached function, or
            without an application in this process.
    """
    cache = required_cache("revalidate_path()")
    _end_static("revalidate_path()")
    if len(path) > MAX_PATH:
        log.warning("revalidate_path(): the path has %d characters, over %d; nothing is done", len(path), MAX_PATH)
        return Invalidation(0, cache.store.generation())
    return _invalidate(cache, tag_of_path(path, type), expire_after=0)


def tag_of_path(path: str, type: PathType | None) -> str:  # noqa: A002 - as above
    """The tag that answers of a path, or of a pattern, have (R6.2), with the path in it; entries have its `kept_tag`.

    Raises:
        UsageError: as `revalidate_path`, or the path is too long.
    """
    if len(path) > MAX_PATH:
        raise UsageError(f"revalidate_path(): a path of {len(path)} characters is over {MAX_PATH}.")
    if type not in (None, "route", "page", "layout"):
        raise UsageError(f"revalidate_path(): type is {type!r}; it is {one_of(('route', 'page', 'layout'))}, or None.")
    if not path.startswith("/"):
        raise UsageError(f'revalidate_path(): "{path}" has no leading slash; write "/{path}".')
    if "?" in path or "#" in path:
        raise UsageError(f'revalidate_path(): "{path}" is more than a path; the path alone stands for every query.')
    folders = [folder for folder in path.split("/") if folder]
    if "[" in path or any(map(_is_group, folders)):
        if type == "layout":
            return below_tag("/" + "/".join(folders))
        return route_tag("/" + "/".join(folder for folder in folders if not _is_group(folder)))
    try:
        literal = canonical(split(path.encode("utf-8")))
    except MalformedPath as error:
        raise UsageError(f'revalidate_path(): "{path}": {error}.') from None
    return below_tag(literal) if type == "layout" else path_tag(literal)


def _is_group(folder: str) -> bool:
    """Whether it is a folder like "(main)", which is no part of URLs; "Mercury_(planet)" is an ordinary segment."""
    return folder.startswith("(") and folder.endswith(")")


class InvalidationOrder(NamedTuple):
    """What one call from outside of handlers invalidates: the endpoint's for webhooks, or the command line's."""

    tags: list[str]
    path_tags: list[str]
    """The tags of the paths; they expire now."""

    @classmethod
    def of(cls, tags: Sequence[str], paths: Sequence[str], type: PathType | None) -> InvalidationOrder:  # noqa: A002 - as above
        """All that is named, or nothing: whoever calls from outside sees no log.

        Raises:
            UsageError: a tag or a path can't be used, or there are more than one call may name: each is a row that the
                store writes at once.
        """
        good, problems = checked_tags(tags)
        if len(paths) > MAX_TAGS:
            problems.append(f"{len(paths)} paths are over {MAX_TAGS}; name fewer in one call")
        if problems:
            raise UsageError("; ".join(problems))
        return cls(good, [tag_of_path(path, type) for path in paths])

    def carry_out(self, store: Store, purges: Purges | None, *, expire_after: float | None) -> dict[str, int]:
        """Invalidate; `expire_after` is for the tags.

        Returns:
            The numbers of tags and of paths, and the generation afterwards.
        """
        done = invalidate_tags(store, purges, self.tags, expire_after=expire_after)
        if self.path_tags:
            done = invalidate_tags(store, purges, self.path_tags, expire_after=0)
        return {"tags": len(self.tags), "paths": len(self.path_tags), "generation": done.generation}


def expire_after_of(
    profiles: Mapping[str, Profile], profile: str | Expiry | None, expire: float | None
) -> float | None:
    """Seconds for which older answers may still be served as stale; 0: not at all; None: without limit.

    Raises:
        UsageError: an unknown profile, a bad age, or both a profile and an age.
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


def _end_static(function: str) -> None:
    """An answer for everybody can't invalidate: it would do so at build and at every regeneration (R3.9, R6.15)."""
    scope = current()
    if scope is not None:
        scope.record_effect(function)


def _invalidate(cache: DataCache, *tags: str, expire_after: float | None) -> Invalidation:
    done = invalidate_tags(cache.store, cache.purges, tags, expire_after=expire_after)
    scope = current()
    if scope is not None:
        scope.own_invalidations.update(dict.fromkeys(map(kept_tag, tags), done.generation))
    return done


def invalidate_tags(
    store: Store, purges: Purges | None, tags: Sequence[str], *, expire_after: float | None
) -> Invalidation:
    """The one way in which tags are invalidated: in the store, then in the caches in front.

    In this order, as a cache that is purged asks at once for what it shall have instead.

    Args:
        store: where.
        purges: whom to tell; None: nobody.
        tags: checked, or of `tag_of_path`.
        expire_after: seconds for which older entries may still be served as stale; 0: not at all; None: without limit.
    """
    if not tags:
        return Invalidation(0, store.generation())
    generation = store.invalidate(map(kept_tag, tags), expire_after=expire_after)
    announced = purges.announce(tags, expire_after=expire_after) if purges is not None else 0
    return Invalidation(len(tags), generation, announced)


async def purged(*invalidations: Invalidation, timeout: float | None = 30.0) -> None:  # noqa: ASYNC109 - it is for users
    """Wait until all caches in front have acknowledged what was invalidated (`[[cdn.purge]]`).

    Nobody waits for them otherwise: an invalidation returns when it holds in Millpond's own cache. The second purge,
    `again_after` seconds after the first, is waited for, too. Where no caches are configured there is nothing to wait
    for.

    Args:
        invalidations: what calls of `revalidate_tag` and the like returned; none: all of this process so far.
        timeout: seconds; None: no limit.

    Raises:
        PurgeError: a cache has refused one, or hasn't acknowledged it in time.
        UsageError: without an application in this process.
    """
    purges = required_cache("purged()").purges
    if purges is None:
        return
    number = max(each.purge for each in invalidations) if invalidations else purges.latest
    if number:
        await purges.acknowledged(number, timeout)
