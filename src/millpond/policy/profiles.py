"""Named lifetimes for data: the profiles of cache_life and revalidate_tag (R5.33, R5.34)."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from millpond.messages import closest
from millpond.policy.lifetime import YEAR, Lifetime, lower

if TYPE_CHECKING:
    from collections.abc import Mapping

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 604_800


class Profile(NamedTuple):
    """Three ages in seconds; None: never."""

    stale: float | None
    """How long a browser may keep the data: `max-age`, where that is said (R11.14). It also tells short-lived data
    (R5.38)."""
    revalidate: float | None
    expire: float | None
    jitter: float | None = None
    """The share of `revalidate` by which what is stored may go stale earlier; None: the configuration's."""

    @property
    def lifetime(self) -> Lifetime:
        return Lifetime(self.revalidate, self.expire)


DEFAULT = "default"

BUILT_IN: Mapping[str, Profile] = MappingProxyType(
    {
        DEFAULT: Profile(300, 900, None),
        "seconds": Profile(30, 1, 60),
        "minutes": Profile(300, 60, _HOUR),
        "hours": Profile(300, _HOUR, _DAY),
        "days": Profile(300, _DAY, _WEEK),
        "weeks": Profile(300, _WEEK, 30 * _DAY),
        "max": Profile(300, 30 * _DAY, YEAR),
    }
)


SHORTEST_EXPIRE, SHORTEST_STALE = 300, 30
"""Seconds; data with a shorter lifetime is too short-lived for prerenders (R5.38)."""


def short_lived(lifetime: Lifetime, stale: float | None) -> bool:
    """Whether Cache Components exclude data with this lifetime from prerenders (R5.38)."""
    return (
        lifetime.revalidate == 0
        or (lifetime.expire is not None and lifetime.expire < SHORTEST_EXPIRE)
        or (stale is not None and stale < SHORTEST_STALE)
    )


class UnknownProfile(ValueError):
    """There is no profile of that name. The message suggests a similar name, or lists all profiles."""


class InvalidLife(ValueError):
    """An invalid lifetime (R5.34)."""


def profile_named(name: str, profiles: Mapping[str, Profile]) -> Profile:
    """The profile called `name`.

    Raises:
        UnknownProfile: there is no such profile.
    """
    if name in profiles:
        return profiles[name]
    guess = closest(name.strip().lower(), profiles)
    hint = f'did you mean "{guess}"?' if guess else f"there are {', '.join(profiles)}."
    raise UnknownProfile(f'there is no lifetime "{name}"; {hint}')


Ages = dict[str, float]
"""Explicitly given ages in seconds, by field; `math.inf`: never."""


def ages_given(stale: float | None = None, revalidate: float | None = None, expire: float | None = None) -> Ages:
    """Validate ages, and return those that are not None (R5.34).

    Raises:
        InvalidLife: an age isn't a number of seconds >= 0 or math.inf; or `revalidate` is greater than `expire`.
    """
    given = {"stale": stale, "revalidate": revalidate, "expire": expire}
    ages = {name: _age(name, value) for name, value in given.items() if value is not None}
    if ages.get("revalidate", 0) > ages.get("expire", math.inf):
        raise InvalidLife(
            f"revalidate = {ages['revalidate']:g} is more than expire = {ages['expire']:g}: "
            "data can't go stale after it has expired; lower revalidate or raise expire."
        )
    return ages


def ages_of(profile: Profile) -> Ages:
    """All three ages of a named profile."""
    ages = {"stale": profile.stale, "revalidate": profile.revalidate, "expire": profile.expire}
    return {name: math.inf if age is None else age for name, age in ages.items()}


def profile_from(ages: Ages, jitter: float | None = None) -> Profile:
    """The profile with these three ages; the inverse of `ages_of`."""
    return Profile(**{name: None if math.isinf(age) else age for name, age in ages.items()}, jitter=jitter)


def widest(a: float | None, b: float | None) -> float | None:
    """The greater jitter of two choices; None: none was chosen."""
    return a if b is None else b if a is None else max(a, b)


def lowest(a: Ages, b: Ages) -> Ages:
    """The lower age of two choices, field by field (R5.34)."""
    return {name: min(a.get(name, math.inf), b.get(name, math.inf)) for name in a.keys() | b.keys()}


def settled(chosen: Ages, nested: Lifetime, default: Lifetime) -> Lifetime:
    """The chosen ages; for a field without one, the lower of the default and of the nested lifetime (R5.36)."""
    least = default.lowered(nested)
    lifetime = Lifetime(*(_chosen(chosen, name, age) for name, age in least._asdict().items()))
    if lifetime.expire is not None and lower(lifetime.revalidate, lifetime.expire) != lifetime.revalidate:
        return lifetime._replace(revalidate=lifetime.expire)
    return lifetime


def _chosen(chosen: Ages, name: str, otherwise: float | None) -> float | None:
    age = chosen.get(name)
    if age is None:
        return otherwise
    return None if math.isinf(age) else age


def _age(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value < 0:
        raise InvalidLife(f"{name} = {value!r} is not a valid age: give seconds, 0 or more, or math.inf for never.")
    return value
