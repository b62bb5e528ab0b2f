"""The endpoint for orders: a POST with a secret that names tags and paths (`[revalidate_endpoint]`)."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from millpond.cache.invalidation_order import InvalidationOrder, OrderBody
from millpond.cache.told import INVALIDATED
from millpond.errors import StoreError, UsageError
from millpond.serve.webhooks.endpoint_secrets import secrets_of
from millpond.serve.webhooks.received import (
    RequestRefused,
    body_of,
    refuse_all_but_post,
    refuse_guesses,
    send_answer,
    send_refusal,
    unavailable,
)
from millpond.serve.webhooks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from millpond.cache.data import DataCache
    from millpond.config import RevalidateEndpointConfig
    from millpond.policy.profiles import Profile
    from millpond.purge.purges import Purges
    from millpond.routes.naming.route_names import RouteNames
    from millpond.stores.contract import Store

log = logging.getLogger("millpond.cache")

MAX_BODY_BYTES = 64 * 1024
"""Bytes of a request that are read."""


@dataclass(frozen=True, slots=True)
class RevalidateEndpoint:
    """Accepts `{"tags": […], "paths": […]}` with the right secret."""

    path: str
    secrets: Sequence[bytes]
    """Each is good; none: no call is."""
    failures: TokenBucket
    """For calls with a wrong secret only: they don't slow down those with the right one."""
    store: Store
    profiles: Mapping[str, Profile]
    purges: Purges | None = None
    names: RouteNames | None = None
    """Of the application's routes."""

    @classmethod
    def of(cls, config: RevalidateEndpointConfig, data: DataCache, *, may_lack: bool = False) -> RevalidateEndpoint:
        """The endpoint that the configuration describes, to invalidate what `data` reads.

        Args:
            config: says where it is.
            data: of the application.
            may_lack: whether the secret may be missing; then every call is refused.

        Raises:
            ConfigError: the environment variable of the secret isn't set, or what it holds can be guessed.
        """
        secrets = [secret.encode("utf-8") for secret in secrets_of(config, may_lack=may_lack)]
        failures = TokenBucket(config.per_minute, data.clock)
        return cls(config.path, secrets, failures, data.store, data.profiles, data.purges, data.names)

    async def __call__(self, asgi: Scope, receive: Receive, send: Send) -> int:
        """Answer a request to the endpoint's path; returns the status.

        200 with the report of the invalidation; 401 for a wrong secret, 429 for a wrong one after too many others,
        405 for anything but POST, 413 and 400 for a body that is too long or makes no sense.
        """
        try:
            self._admit(asgi)
            return await send_answer(send, self._invalidate(_decoded(await body_of(receive, MAX_BODY_BYTES)), asgi))
        except RequestRefused as refusal:
            return await send_refusal(send, refusal)

    def _admit(self, asgi: Scope) -> None:
        refuse_all_but_post(asgi)
        given = next((value for name, value in asgi["headers"] if name == b"authorization"), b"")
        scheme, _, secret = given.partition(b" ")
        is_right = False
        for good in self.secrets:
            is_right |= hmac.compare_digest(secret.strip(), good)
        if is_right and scheme.lower() == b"bearer":
            return
        refuse_guesses(self.failures)  # not logged: guessing must not fill the log
        log.warning("a call to %s had no right secret", self.path)
        raise RequestRefused(401, "the secret is wrong", [(b"www-authenticate", b"Bearer")])

    def _invalidate(self, body: OrderBody, asgi: Scope) -> dict[str, object]:
        try:
            order = InvalidationOrder.of(body.tags, body.paths, body.type, self.names, body.host)
            expire_after = body.expire_after(self.profiles)
        except UsageError as error:
            raise RequestRefused(400, str(error)) from None
        if not order.tags and not order.paths:
            raise RequestRefused(400, "give tags or paths")
        for warning in order.warnings:
            log.warning("%s: %s", self.path, warning)
        try:
            done = order.carry_out(self.store, self.purges, expire_after=expire_after)
        except StoreError as error:
            raise unavailable(self.path, error) from error
        asgi.setdefault(INVALIDATED, {}).update(dict.fromkeys((*order.tags, *order.tags_of_paths)))
        return {**done, "warnings": order.warnings} if order.warnings else {**done}


def _decoded(body: bytes) -> OrderBody:
    try:
        return msgspec.json.decode(body, type=OrderBody)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestRefused(400, f"the body is no order: {error}") from None
