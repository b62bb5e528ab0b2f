"""`[cdn]`: caches in front of the server, the headers they read, and how invalidations reach them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, TypeAlias
from urllib.parse import urlsplit

import msgspec

from millpond.config.ranges import not_positive
from millpond.config.values.quantities import Bytes, Seconds, SecondsOrNever
from millpond.messages import one_of
from millpond.policy.http.surrogate import CACHE_GROUPS, KEY_HEADERS, Surrogates

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = (*KEY_HEADERS, CACHE_GROUPS)
"""The headers that can carry an answer's keys."""

XKEY, BAN = "xkey", "ban"
"""How Varnish purges: by the index of vmod xkey, or by bans."""

_MIN_HEADER_BYTES, _MAX_HEADER_BYTES = 128, 16 * 1024
"""Bytes. Fastly and Cloudflare accept no longer list of keys."""

_NAME_IN_URL = re.compile(r"[A-Za-z0-9]+")


class PurgerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The options that all items of `[[cdn.purge]]` share."""

    needs: ClassVar[str | None] = None
    """The header from which the cache reads the keys of an answer."""

    timeout: Seconds = 10.0
    """Seconds for one call."""
    again_after: Seconds = 2.0
    """Seconds until each purge is sent again: the cache may store an answer that was in transit during the first. 0:
    never."""
    give_up_after: SecondsOrNever = 3600.0
    """Seconds after which a purge is no longer retried."""

    def problems(self, place: str) -> Iterator[str]:
        """What is wrong with the values; `place` is the item's name in messages."""
        yield from not_positive({f"{place}.timeout": self.timeout, f"{place}.give_up_after": self.give_up_after})
        if self.again_after < 0:
            yield f'"{place}.again_after" is {self.again_after}; it must be 0 or more.'


class VarnishConfig(PurgerConfig, frozen=True, kw_only=True, tag="varnish"):
    """Varnish, with the VCL of docs/deploy.md."""

    needs: ClassVar[str | None] = "xkey"

    addresses: list[str]
    """The URL of every Varnish, such as "http://10.0.0.5:6081": each one gets its own purge."""
    method: str = XKEY
    """"xkey": by the index of vmod xkey. "ban": by bans, which need no vmod, and are always hard."""
    token_env: str | None = None
    """The environment variable with the token for `Authorization: Bearer …`, if the VCL requires it."""

    def problems(self, place: str) -> Iterator[str]:
        yield from super().problems(place)
        if not self.addresses:
            yield f'"{place}.addresses" is empty; name each Varnish, such as "http://10.0.0.5:6081".'
        if self.method not in (XKEY, BAN):
            yield f'"{place}.method" is "{self.method}"; it must be {one_of((XKEY, BAN))}.'
        for address in self.addresses:
            yield from not_a_url(f"{place}.addresses", address)


class FastlyConfig(PurgerConfig, frozen=True, kw_only=True, tag="fastly"):
    """Fastly."""

    needs: ClassVar[str | None] = "surrogate-key"

    service: str
    """The service's id."""
    token_env: str
    """The environment variable with an API token that may purge (`purge_select`)."""
    api: str = "https://api.fastly.com"

    def problems(self, place: str) -> Iterator[str]:
        yield from super().problems(place)
        yield from not_an_id(f"{place}.service", self.service)
        yield from not_a_url(f"{place}.api", self.api)


class CloudflareConfig(PurgerConfig, frozen=True, kw_only=True, tag="cloudflare"):
    """Cloudflare."""

    needs: ClassVar[str | None] = "cache-tag"

    zone: str
    """The zone's id."""
    token_env: str
    """The environment variable with an API token that may purge (`Zone.Cache Purge`)."""
    api: str = "https://api.cloudflare.com/client/v4"

    def problems(self, place: str) -> Iterator[str]:
        yield from super().problems(place)
        yield from not_an_id(f"{place}.zone", self.zone)
        yield from not_a_url(f"{place}.api", self.api)


class WebhookConfig(PurgerConfig, frozen=True, kw_only=True, tag="webhook"):
    """Any other cache: a POST that lists what was invalidated, signed as Standard Webhooks specifies."""

    url: str
    secret_env: str
    """The environment variable with the secret: "whsec_" and base64."""

    def problems(self, place: str) -> Iterator[str]:
        yield from super().problems(place)
        yield from not_a_url(f"{place}.url", self.url)


AnyPurgerConfig: TypeAlias = VarnishConfig | FastlyConfig | CloudflareConfig | WebhookConfig


class CdnConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[cdn]`: there are caches in front. Headers say what they may store; live answers say that they may not."""

    headers: tuple[str, ...] = ()
    """The headers that list an answer's keys: "cache-tag" (Cloudflare), "surrogate-key" (Fastly), "xkey" (Varnish),
    "cache-groups" (RFC 9875)."""
    cdn_cache_control: bool = False
    """Whether answers also have CDN-Cache-Control (RFC 9213)."""
    max_age: Seconds | None = None
    """Seconds, in CDN-Cache-Control: the longest that a CDN keeps an answer, even if a purge is lost."""
    max_header_bytes: Bytes = 4096
    """The longest list of keys. An answer whose keys don't fit has a single key instead, which every purge includes."""
    other_max_age: Seconds = 60.0
    """Seconds for which caches in front keep what no route answers: 404s of unknown paths, redirects, files of
    `public/`, `/openapi.json` and the pages of the API's documentation. 0: not at all."""
    purge: list[AnyPurgerConfig] = []
    """The caches that invalidations are sent to."""

    def surrogates(self) -> Surrogates:
        """The surrogate headers of answers."""
        return Surrogates(self.headers, self.cdn_cache_control, self.max_age, self.max_header_bytes, self.other_max_age)

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        yield from not_positive({"cdn.max_age": self.max_age})
        if self.other_max_age < 0:
            yield f'"cdn.other_max_age" is {self.other_max_age}; it must be 0 or more.'
        if self.max_age is not None and not self.cdn_cache_control:
            yield '"cdn.max_age" is sent in CDN-Cache-Control; it needs cdn_cache_control = true.'
        if not _MIN_HEADER_BYTES <= self.max_header_bytes <= _MAX_HEADER_BYTES:
            yield (
                f'"cdn.max_header_bytes" is {self.max_header_bytes}; '
                f"it must be between {_MIN_HEADER_BYTES} and {_MAX_HEADER_BYTES}."
            )
        for name in self.headers:
            if name not in HEADERS:
                yield f'"cdn.headers" names "{name}"; the headers are {one_of(HEADERS)}.'
        if len(set(self.headers)) < len(self.headers):
            yield '"cdn.headers" names a header twice.'
        for number, purger in enumerate(self.purge):
            place = f"cdn.purge[{number}]"
            yield from purger.problems(place)
            if purger.needs is not None and purger.needs not in self.headers:
                yield (f'"{place}" purges by keys that no answer has; add "{purger.needs}" to headers in [cdn].')


def not_a_url(name: str, url: str) -> Iterator[str]:
    """A problem, unless `url` is an HTTP URL."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        yield f'"{name}" is "{url}"; it must look like "https://cache.example".'


def not_an_id(name: str, value: str) -> Iterator[str]:
    """A problem, unless `value` can be an id. It becomes part of a URL."""
    if not _NAME_IN_URL.fullmatch(value):
        yield f'"{name}" is "{value}"; it must be the id as your CDN shows it: letters and digits.'
