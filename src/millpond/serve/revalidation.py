"""The endpoint for webhooks: a POST with a secret that invalidates (`[revalidate_endpoint]`)."""

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
    from millpond.routes.naming.route_names import RouteNames
    from millpond.stores.contract import Store

log = logging.getLogger("millpond.cache")

MAX_BODY_BYTES = 64 * 1024
"""Bytes of a request that are read."""


class _Expiry(msgspec.Struct, forbid_unknown_fields=True):
    expire: float


class OrderBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request."""

    tags: list[str] = []
    paths: list[str] = []
    type: Literal["route", "page", "layout"] | None = None
    """For the paths, as in `revalidate_path`."""
    profile: str | _Expiry | None = None
    """For the tags, as in `revalidate_tag`."""
    expire: float | None = None
    host: str | None = None
    """The host whose answers are meant; None: all."""


class _RequestRefused(Exception):
    def __init__(self, status: int, message: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or []


@dataclass(slots=True)
class TokenBucket:
    """A token bucket that holds the tokens of one minute."""

    per_minute: int
    clock: Clock
    _tokens: float = field(init=False)
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._since = float(self.per_minute), self.clock()

    def take(self) -> float:
        """Take a token; returns 0, or the seconds until there is one."""
        now = self.clock()
        passed, self._since = max(0.0, now - self._since), now
        self._tokens = min(self.per_minute, self._tokens + passed * self.per_minute / 60)
        if self._tokens < 1:
            return (1 - self._tokens) * 60 / self.per_minute
        self._tokens -= 1
        return 0


@dataclass(frozen=True, slots=True)
class RevalidateEndpoint:
    """Accepts `{"tags": […], "paths": […]}` with the right secret."""

    path: str
    secret: bytes
    failures: TokenBucket
    """For calls with a wrong secret only: they don't slow down those with the right one."""
    store: Store
    profiles: Mapping[str, Profile]
    purges: Purges | None = None
    names: RouteNames | None = None
    """Of the application's routes."""

    @classmethod
    def of(cls, config: RevalidateEndpointConfig, data: DataCache) -> RevalidateEndpoint:
        """The endpoint that the configuration describes, to invalidate what `data` reads.

        Raises:
            ConfigError: the environment variable of the secret isn't set, or what it holds can be guessed.
        """
        given = config.secret or "" if config.secret_env is None else _secret_in(config.secret_env)
        secret, failures = given.strip().encode("utf-8"), TokenBucket(config.per_minute, data.clock)
        return cls(config.path, secret, failures, data.store, data.profiles, data.purges, data.names)

    async def __call__(self, asgi: Scope, receive: Receive, send: Send) -> int:
        """Answer a request to the endpoint's path; returns the status.

        200 with the report of the invalidation; 401 for a wrong secret, 429 for a wrong one after too many others,
        405 for anything but POST, 413 and 400 for a body that is too long or makes no sense.
        """
        try:
            self._admit(asgi)
            answer: Mapping[str, object] = self._invalidate(_decoded(await _body(receive)))
            status, headers = 200, list[tuple[bytes, bytes]]()
        except _RequestRefused as refusal:
            status, answer, headers = refusal.status, {"error": str(refusal)}, refusal.headers
        headers = [*headers, (b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send_plain(send, status, headers, msgspec.json.encode(answer))
        return status

    def _admit(self, asgi: Scope) -> None:
        if asgi["method"] != "POST":
            raise _RequestRefused(405, "only POST is allowed here", [(b"allow", b"POST")])
        given = next((value for name, value in asgi["headers"] if name == b"authorization"), b"")
        scheme, _, secret = given.partition(b" ")
        if hmac.compare_digest(secret.strip(), self.secret) and scheme.lower() == b"bearer":
            return
        wait = self.failures.take()
        if wait:  # not logged: guessing must not fill the log
            raise _RequestRefused(
                429, "too many calls with a wrong secret", [(b"retry-after", b"%d" % (int(wait) + 1))]
            )
        log.warning("a call to %s had no right secret", self.path)
        raise _RequestRefused(401, "the secret is wrong", [(b"www-authenticate", b"Bearer")])

    def _invalidate(self, body: OrderBody) -> dict[str, object]:
        profile = Expiry(expire=body.profile.expire) if isinstance(body.profile, _Expiry) else body.profile
        try:
            order = InvalidationOrder.of(body.tags, body.paths, body.type, self.names, body.host)
            expire_after = expire_after_of(self.profiles, profile, body.expire)
        except UsageError as error:
            raise _RequestRefused(400, str(error)) from None
        if not order.tags and not order.paths:
            raise _RequestRefused(400, "give tags or paths")
        for warning in order.warnings:
            log.warning("%s: %s", self.path, warning)
        done = order.carry_out(self.store, self.purges, expire_after=expire_after)
        return {**done, "warnings": order.warnings} if order.warnings else {**done}


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
    body, more = bytearray(), True  # a list of single bytes would take a hundred times the memory
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _RequestRefused(400, "the request ended before its body")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise _RequestRefused(413, f"the body is over {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _decoded(body: bytes) -> OrderBody:
    try:
        return msgspec.json.decode(body, type=OrderBody)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _RequestRefused(400, f"the body is no order: {error}") from None
