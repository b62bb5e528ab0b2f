"""`[revalidate_endpoint]`: POST endpoints for webhooks that invalidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from millpond.config.ranges import not_a_prefix, not_positive, too_short
from millpond.config.values.quantities import Bytes, Seconds
from millpond.config.values.reading import ONE_OR_MORE
from millpond.policy.profiles import InvalidLife, Profile, UnknownProfile, ages_given, profile_named
from millpond.policy.webhooks.mapping import EventRule
from millpond.policy.webhooks.presets import SCHEMES, Preset
from millpond.policy.webhooks.signed_call import UnusableSecret
from millpond.policy.webhooks.template import InvalidTemplate, Template, checked_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Texts = Annotated[tuple[str, ...], ONE_OR_MORE]


class EventConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[revalidate_endpoint.map]]`: what one kind of event invalidates."""

    when: dict[str, Texts] = {}
    """By name, the values that the event has, one or several; "*" for any. All names must have one of theirs."""
    tags: tuple[str, ...] = ()
    """Tags, with names of the payload in braces: "post:{slug.current}"."""
    paths: tuple[str, ...] = ()
    """Paths and patterns, the same: "/posts/{slug.current}"."""
    type: Literal["route", "page", "layout"] | None = None
    """For the paths, as in `revalidate_path`."""
    profile: str | None = None
    """As in `revalidate_tag`; for the paths, too."""
    expire: Seconds | None = None
    """Seconds, instead of `profile`."""

    def rule(self) -> EventRule:
        """The same, for what is asked about events."""
        tags, paths = [Template.of(text) for text in self.tags], [Template.of(text) for text in self.paths]
        return EventRule(self.when, tags, paths, self.type, self.profile, self.expire)

    def problems(self, place: str) -> Iterator[str]:
        """What is wrong with the values; `place` is the table's name in messages."""
        for key, texts in (("tags", self.tags), ("paths", self.paths)):
            for text in texts:
                yield from _unreadable(f"{place}.{key}", text)
        for path in self.paths:
            if not path.startswith("/"):
                yield f'"{place}.paths" has "{path}"; a path begins with a slash.'
        for name, values in self.when.items():
            if not values:
                yield f'"{place}.when" lists no value of "{name}", so no event has one; write "*" for any.'
            try:
                checked_name(name)
            except InvalidTemplate as error:
                yield f'"{place}.when": {error}.'
        if self.type is not None and not self.paths:
            yield f'"{place}.type" is for paths, and there are none.'
        if self.profile is not None and self.expire is not None:
            yield f'"{place}" has a profile and expire; give one of them.'
        try:
            ages_given(expire=self.expire)
        except InvalidLife as error:
            yield f'"{place}": {error}.'


class RevalidateEndpointConfig(EventConfig, frozen=True, forbid_unknown_fields=True):
    """`[revalidate_endpoint]`: a POST endpoint for webhooks that invalidate. Off unless this table is present.

    `[[revalidate_endpoint]]` is one of several.
    """

    path: str = "/api/revalidate"
    secret: str | None = None
    """What callers send as `Authorization: Bearer …`, or sign with; better kept in the environment, with `secret_env`.
    """
    secret_env: Texts = ()
    """The environment variable that holds the secret. Several, while a secret is replaced: each of them is good."""
    preset: Preset | None = None
    """Whose calls they are. None: they name tags and paths themselves, and the secret is a token."""
    tolerance: Seconds = 300.0
    """Seconds between the time in a signature and now, either way."""
    max_bytes: Bytes = 1024 * 1024
    """The longest payload of a preset's calls."""
    map: tuple[EventConfig, ...] = ()
    """What each kind of event invalidates, besides `tags` and `paths`; all that fit an event count."""
    per_minute: int = 60
    """Calls with a wrong secret per minute and process; further ones are answered 429. The right secret always passes.
    """

    def rules(self) -> list[EventRule]:
        """What events of the preset invalidate."""
        return [each.rule() for each in (self, *self.map) if each.tags or each.paths]

    def problems(self, place: str = "revalidate_endpoint") -> Iterator[str]:
        yield from not_a_prefix(f"{place}.path", self.path, "/api/revalidate")
        if (self.secret is None) is (not self.secret_env):
            yield f"[{place}] needs either secret_env, the name of a variable, or secret."
        yield from too_short(f"{place}.secret", self.secret)
        if self.secret is not None:
            yield from unusable_secret(f"{place}.secret", self.secret, self.preset)
        yield from not_positive(
            {
                f"{place}.per_minute": self.per_minute,
                f"{place}.tolerance": self.tolerance,
                f"{place}.max_bytes": self.max_bytes,
            }
        )
        yield from super().problems(place)
        for number, each in enumerate(self.map):
            yield from each.problems(f"{place}.map[{number}]")
            if not each.tags and not each.paths:
                yield f'"{place}.map[{number}]" has neither tags nor paths, so it invalidates nothing.'
        mapped = next((name for name in ("tags", "paths", "map", "when") if getattr(self, name)), None)
        if self.preset is None and mapped is not None:
            yield (
                f'"{place}.{mapped}" is about payloads, so [{place}] needs preset, which says whose they are; '
                '"bearer" is any sender.'
            )
        if self.preset is not None and not (self.tags or self.paths or self.map):
            yield f'"{place}.preset" is "{self.preset}", and nothing says what its calls invalidate; add tags or paths.'


def endpoint_problems(endpoints: Sequence[RevalidateEndpointConfig], profiles: Mapping[str, Profile]) -> Iterator[str]:
    """What is wrong with all endpoints of a configuration; `profiles` are its lifetimes."""
    paths = dict[str, str]()
    for number, endpoint in enumerate(endpoints):
        place = "revalidate_endpoint" if len(endpoints) == 1 else f"revalidate_endpoint[{number}]"
        yield from endpoint.problems(place)
        if endpoint.path in paths:
            yield f'"{place}.path" is "{endpoint.path}", as in {paths[endpoint.path]}; give each endpoint its own.'
        paths.setdefault(endpoint.path, place)
        tables = {place: endpoint, **{f"{place}.map[{at}]": each for at, each in enumerate(endpoint.map)}}
        for name, table in tables.items():
            try:
                if table.profile is not None:
                    profile_named(table.profile, profiles)
            except UnknownProfile as error:
                yield f'"{name}.profile": {error}'


def unusable_secret(name: str, secret: str, preset: Preset | None) -> Iterator[str]:
    """A problem, unless a secret is one of the preset's."""
    if preset is None:
        return
    try:
        SCHEMES[preset].key(secret.strip())
    except UnusableSecret as error:
        yield f'"{name}" is no secret of preset = "{preset}": {error}.'


def _unreadable(place: str, text: str) -> Iterator[str]:
    try:
        Template.of(text)
    except InvalidTemplate as error:
        yield f'"{place}" has "{text}": {error}.'
