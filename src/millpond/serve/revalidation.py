"""The endpoint for webhooks: a guarded POST that invalidates (`[revalidate_endpoint]`)."""

from __future__ import annotations

import hmac
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from millpond.cache.invalidate import Expiry, InvalidationOrder, expire_after_of
from millpond.config.ranges import too_short
from millpond.errors import ConfigError, UsageError
from millpond.serve.sending import send_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from millpond.cache.data import DataCache
    from millpond.config import RevalidateEndpointConfig
    from millpond.policy.freshness import Clock
    from millpond.policy.profiles import Profile
    from millpond.purge.purges import Purges
    from millpond.stores.contract import Store

log = logging.getLogger("millpond.cache")

MAX_BODY = 64 * 1024
"""Bytes of a request that are read."""


class _Expiry(msgspec.Struct, forbid_unknown_fields=True):
    expire: float


class OrderBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a call."""

    tags: list[str] = []
    paths: list[str] = []
    type: Literal["route", "page", "layout"] | None = None
    """For the paths, as in `revalidate_path`."""
    profile: str | _Expiry | None = None
    """For the tags, as in `revalidate_tag`."""
    expire: float | None = None


class _Refused(Exception):
    def __init__(self, status: int, message: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or []


@dataclass(slots=True)
class Bucket:
    """A token bucket: so many takes a minute, and at most that many at once."""

    per_minute: int
    clock: Clock
    _tokens: float = field(init=False)
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._since = float(self.per_minute), self.clock()

    def take(self) -> float:
        """0 when there was one to take; otherwise the seconds after which there is."""
        now = self.clock()
        passed, self._since = max(0.0, now - self._since), now
        self._tokens = min(self.per_minute, self._tokens + passed * self.per_minute / 60)
        if self._tokens < 1:
            return (1 - self._tokens) * 60 / self.per_minute
        self._tokens -= 1
        return 0


@dataclass(frozen=True, slots=True)
class RevalidateEndpoint:
    """Takes `{"tags": […], "paths": […]}` from whoever knows the secret."""

    path: str
    secret: bytes
    failures: Bucket
    """Of calls with a wrong secret: who has the right one isn't held up by those who haven't."""
    store: Store
    profiles: Mapping[str, Profile]
    purges: Purges | None = None

    @classmethod
    def of(cls, config: RevalidateEndpointConfig, data: DataCache) -> RevalidateEndpoint:
        """The endpoint that the configuration describes, to invalidate what `data` reads.

        Raises:
            ConfigError: the environment variable of the secret isn't set, or what it holds can be guessed.
        """
        given = config.secret or "" if config.secret_env is None else _secret_in(config.secret_env)
        secret, failures = given.strip().encode("utf-8"), Bucket(config.per_minute, data.clock)
        return cls(config.path, secret, failures, data.store, data.profiles, data.purges)

    async def __call__(self, asgi: Scope, receive: Receive, send: Send) -> int:
        """Answer a request to the endpoint's path; returns the status.

        200 with the report of the invalidation; 401 for a wrong secret, 429 for a wrong one after too many others,
        405 for anything but POST, 413 and 400 for a body that is too long or makes no sense.
        """
        try:
            self._admit(asgi)
            answer: dict[str, int] | dict[str, str] = self._carry_out(_decoded(await _body(receive)))
            status, headers = 200, list[tuple[bytes, bytes]]()
        except _Refused as refusal:
            status, answer, headers = refusal.status, {"error": str(refusal)}, refusal.headers
        headers = [*headers, (b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send_plain(send, status, headers, msgspec.json.encode(answer))
        return status

    def _admit(self, asgi: Scope) -> None:
        if asgi["method"] != "POST":
            raise _Refused(405, "only POST is taken here", [(b"allow", b"POST")])
        given = next((value for name, value in asgi["headers"] if name == b"authorization"), b"")
        scheme, _, secret = given.partition(b" ")
        if hmac.compare_digest(secret.strip(), self.secret) and scheme.lower() == b"bearer":
            return
        wait = self.failures.take()
        if wait:  # not logged: somebody who guesses doesn't write the log, either
            raise _Refused(429, "too many calls with a wrong secret", [(b"retry-after", b"%d" % (int(wait) + 1))])
        log.warning("a call to %s had no right secret", self.path)
        raise _Refused(401, "the secret is wrong", [(b"www-authenticate", b"Bearer")])

    def _carry_out(self, body: OrderBody) -> dict[str, int]:
        profile = Expiry(expire=body.profile.expire) if isinstance(body.profile, _Expiry) else body.profile
        try:
            order = InvalidationOrder.of(body.tags, body.paths, body.type)
            expire_after = expire_after_of(self.profiles, profile, body.expire)
        except UsageError as error:
            raise _Refused(400, str(error)) from None
        if not order.tags and not order.path_tags:
            raise _Refused(400, "give tags or paths")
        return order.carry_out(self.store, self.purges, expire_after=expire_after)


def _secret_in(variable: str) -> str:
    secret = os.environ.get(variable, "")
    if not secret:
        raise ConfigError(
            f"[revalidate_endpoint] takes its secret from the environment variable {variable}, which is not set; "
            "set it for the server."
        )
    problem = next(too_short(variable, secret), None)
    if problem is not None:
        raise ConfigError(f"[revalidate_endpoint] takes its secret from the environment, where {problem}")
    return secret


async def _body(receive: Receive) -> bytes:
    body, more = bytearray(), True  # one: a list of what comes a byte at a time is a hundred times as long
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "the request ended before its body")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise _Refused(413, f"the body is over {MAX_BODY} bytes")
    return bytes(body)


def _decoded(body: bytes) -> OrderBody:
    try:
        return msgspec.json.decode(body, type=OrderBody)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Refused(400, f"the body is no order: {error}") from None
