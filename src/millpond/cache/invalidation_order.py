"""What an invalidation is, and how it is carried out: by handlers, the endpoint, the command line, `millpond.client`.

Nothing of FastAPI's is imported here, as scripts and workers invalidate without the application.
"""

from __future__ import annotations

import math
from reprlib import Repr
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

import msgspec

from millpond.errors import UsageError
from millpond.policy.profiles import InvalidLife, UnknownProfile, ages_given, profile_named
from millpond.policy.tags import MAX_TAGS, checked_tags, host_tag, kept_tag
from millpond.policy.variants.request_host import normal_host
from millpond.routes.naming.named_path import MAX_PATH, named_path
from millpond.telemetry.invalidated import tell_invalidated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Protocol

    from millpond.policy.profiles import Profile
    from millpond.purge.purges import Purges
    from millpond.routes.naming.named_path import NamedPath, PathType
    from millpond.routes.naming.route_names import RouteNames

    class Invalidates(Protocol):
        """A store, as far as an invalidation needs it."""

        def generation(self) -> int: ...

        def invalidate(self, tags: Iterable[str], *, expire_after: float | None = 0) -> int: ...


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


class ExpiryBody(msgspec.Struct, forbid_unknown_fields=True):
    """An `Expiry` in JSON."""

    expire: float


class OrderBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An order as it is sent: the body of a request to `[revalidate_endpoint]`."""

    tags: list[str] = []
    paths: list[str] = []
    type: Literal["route", "page", "layout"] | None = None
    """For the paths, as in `revalidate_path`."""
    profile: str | ExpiryBody | None = None
    """As in `revalidate_tag`; for the paths, too."""
    expire: float | None = None
    host: str | None = None
    """The host whose answers are meant; None: all."""

    def expire_after(self, profiles: Mapping[str, Profile]) -> float | None:
        """As `expire_after_of`, which it raises the errors of."""
        given = self.profile
        profile = Expiry(expire=given.expire) if isinstance(given, ExpiryBody) else given
        return expire_after_of(profiles, profile, self.expire)


def named_host(function: str, host: object) -> str | None:
    """A host that a call names, as answers have it; None: none is named.

    Raises:
        UsageError: it is none.
    """
    if host is None:
        return None
    named = normal_host(host) if isinstance(host, str) else None
    if named is None:
        raise UsageError(f'{function}: {_short.repr(host)} is no host; give a name such as "a.example".')
    return named


_short = Repr()
_short.maxstring = _short.maxother = 80


def for_host(tags: Sequence[str], host: str | None) -> tuple[str, ...]:
    """The tags; those of answers for one host alone, if one is named."""
    return tuple(tags) if host is None else tuple(host_tag(host, tag) for tag in tags)


class InvalidationOrder(NamedTuple):
    """An invalidation from outside of handlers: by the webhook endpoint, or on the command line."""

    tags: list[str]
    paths: list[NamedPath]
    """What the paths name."""
    host: str | None = None
    """The host whose answers are meant; None: all."""

    @classmethod
    def of(
        cls,
        tags: Sequence[str],
        paths: Sequence[str],
        type: PathType | None,  # noqa: A002 - as above
        names: RouteNames | None = None,
        host: str | None = None,
    ) -> InvalidationOrder:
        """Validate all tags and paths. Unlike in a handler, an invalid one is an error: such callers don't see the log.

        Args:
            tags: any strings.
            paths: as `revalidate_path` takes them, without values.
            type: for the paths.
            names: of the application's routes; None: they aren't known here, so no path is said to have none.
            host: whose answers are meant; None: those of all.

        Raises:
            UsageError: a tag, a path or the host is invalid; or there are too many for one call, as the store writes a
                row for each of them in one transaction.
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
        return cls(good, read, named_host("host", host))

    @property
    def warnings(self) -> list[str]:
        """What looks like a mistake in the paths."""
        return [each.warning for each in self.paths if each.warning is not None]

    @property
    def tags_of_paths(self) -> list[str]:
        """The tags of what the paths name."""
        return list(dict.fromkeys(tag for path in self.paths for tag in path.tags))

    @property
    def reached_tags(self) -> tuple[str, ...]:
        """The tags that entries have which it reaches, as `invalidate_tags` takes them."""
        return for_host([*self.tags, *self.tags_of_paths], self.host)

    def carry_out(self, store: Invalidates, purges: Purges | None, *, expire_after: float | None) -> dict[str, int]:
        """Invalidate the tags and paths in one step.

        Args:
            store: the store.
            purges: the purges of caches in front; None: none are configured.
            expire_after: as for `invalidate_tags`.

        Returns:
            The number of tags, the number of paths, and the generation afterwards.
        """
        done = invalidate_tags(store, purges, self.reached_tags, expire_after=expire_after)
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


def invalidate_tags(
    store: Invalidates, purges: Purges | None, tags: Sequence[str], *, expire_after: float | None
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
