"""The endpoint for the webhooks of one sender: `[revalidate_endpoint]` with a preset."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from millpond.cache.invalidation_order import InvalidationOrder, OrderBody
from millpond.errors import StoreError, UsageError
from millpond.policy.tags import MAX_TAGS
from millpond.policy.webhooks.mapping import meaning_of
from millpond.policy.webhooks.presets import SCHEMES
from millpond.policy.webhooks.signed_call import BadSignature
from millpond.policy.webhooks.template import TooManyValues, WebhookEvent
from millpond.serve.webhooks.deliveries import Deliveries
from millpond.serve.webhooks.endpoint_secrets import secrets_of
from millpond.serve.webhooks.received import (
    RequestRefused,
    body_of,
    refuse_all_but_post,
    refuse_guesses,
    send_answer,
    send_refusal,
    signed_call,
    unavailable,
)
from millpond.serve.webhooks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from millpond.cache.data import DataCache
    from millpond.config import RevalidateEndpointConfig
    from millpond.policy.freshness import Clock
    from millpond.policy.webhooks.mapping import EventRule, MappedNames
    from millpond.policy.webhooks.presets import Preset
    from millpond.policy.webhooks.signed_call import Key, Proof, Scheme, SignedCall

log = logging.getLogger("millpond.cache")


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Accepts the calls of one sender, and invalidates what the configuration maps their payloads to."""

    path: str
    preset: Preset
    scheme: Scheme
    keys: Sequence[Key]
    """Each is good; none: no call is."""
    rules: Sequence[EventRule]
    data: DataCache
    failures: TokenBucket
    """For calls with a wrong signature only."""
    deliveries: Deliveries
    tolerance: float
    max_bytes: int
    clock: Clock

    @classmethod
    def of(
        cls, config: RevalidateEndpointConfig, preset: Preset, data: DataCache, *, may_lack: bool
    ) -> WebhookEndpoint:
        """As `RevalidateEndpoint.of`, for the calls of a preset."""
        scheme = SCHEMES[preset]
        return cls(
            path=config.path,
            preset=preset,
            scheme=scheme,
            keys=[scheme.key(secret) for secret in secrets_of(config, may_lack=may_lack)],
            rules=config.rules(),
            data=data,
            failures=TokenBucket(config.per_minute, data.clock),
            deliveries=Deliveries(data.store, config.path, 2 * config.tolerance),  # either way
            tolerance=config.tolerance,
            max_bytes=config.max_bytes,
            clock=data.clock,
        )

    async def __call__(self, asgi: Scope, receive: Receive, send: Send) -> int:
        """Answer a request to the endpoint's path; returns the status.

        200 with what was invalidated, which is nothing for a delivery that was received before, or that the
        configuration doesn't map; 401 for a wrong signature or one of another time, 429 for a wrong one after too many
        others, 405 for anything but POST, 413 and 400 for a payload that is too long or can't be read, 503 while the
        store can't be used.
        """
        try:
            refuse_all_but_post(asgi)
            if not self.scheme.reads_body:
                self._verified(signed_call(asgi, b""))
            call = signed_call(asgi, await body_of(receive, self.max_bytes))
            return await send_answer(send, await self._received(call, self._verified(call)))
        except RequestRefused as refusal:
            return await send_refusal(send, refusal)

    def _verified(self, call: SignedCall) -> Proof:
        try:
            return self.scheme.verify(call, self.keys, self.clock(), self.tolerance)
        except BadSignature as error:
            if error.is_guess:
                refuse_guesses(self.failures)  # not logged: guessing must not fill the log
            log.warning("a call to %s (%s) was refused: %s", self.path, self.preset, error)
            challenge = [] if self.scheme.reads_body else [(b"www-authenticate", b"Bearer")]
            raise RequestRefused(401, str(error), challenge) from None

    async def _received(self, call: SignedCall, proof: Proof) -> dict[str, Any]:
        orders, notes = self._orders(call)
        try:
            lease = None if proof.delivery is None else await self.deliveries.begun(proof.delivery)
        except StoreError as error:
            raise unavailable(self.path, error) from error
        if proof.delivery is not None and lease is None:
            return _report([], self.data.store.generation(), ["this delivery was received before"], replayed=True)
        try:
            generation = self.data.store.generation()
            for order, body in orders:
                expire_after = body.expire_after(self.data.profiles)
                done = order.carry_out(self.data.store, self.data.purges, expire_after=expire_after)
                generation = done["generation"]
        except StoreError as error:
            if lease is not None:
                await self.deliveries.forget(lease)
            raise unavailable(self.path, error) from error
        warnings = [warning for order, _ in orders for warning in order.warnings]
        for level, texts in ((logging.INFO, notes), (logging.WARNING, warnings)):  # senders send what nobody maps, too
            for text in texts:
                log.log(level, "%s (%s): %s", self.path, self.preset, text)
        return _report([body for _, body in orders], generation, [*notes, *warnings], replayed=False)

    def _orders(self, call: SignedCall) -> tuple[list[tuple[InvalidationOrder, OrderBody]], list[str]]:
        """What a call invalidates, and notes about what it doesn't."""
        event = WebhookEvent(_payload(call), {name: values[0][:1024] for name, values in call.headers.items()})
        try:
            meaning = meaning_of(event, self.rules)
            bodies = [_body(each) for each in meaning.named]
            for kind, number in (("tags", sum(len(body.tags) for body in bodies)), ("paths", _paths_in(bodies))):
                if number > MAX_TAGS:
                    raise TooManyValues(f"the payload means {number} {kind}, over {MAX_TAGS}")
            orders = [InvalidationOrder.of(body.tags, body.paths, body.type, self.data.names) for body in bodies]
        except (TooManyValues, UsageError) as error:
            log.warning("%s (%s): %s", self.path, self.preset, error)
            raise RequestRefused(400, str(error)) from None
        return list(zip(orders, bodies, strict=True)), meaning.notes


def _payload(call: SignedCall) -> object:
    try:
        return msgspec.json.decode(call.body)
    except RecursionError:
        raise RequestRefused(400, "the payload is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        form = any("form-urlencoded" in value for value in call.headers.get("content-type", ()))
        remedy = '; set the webhook\'s content type to "application/json"' if form else ""
        raise RequestRefused(400, f"the payload is no JSON: {error}{remedy}") from None


def _body(named: MappedNames) -> OrderBody:
    rule = named.rule
    return OrderBody(tags=named.tags, paths=named.paths, type=rule.type, profile=rule.profile, expire=rule.expire)


def _paths_in(bodies: Sequence[OrderBody]) -> int:
    return sum(len(body.paths) for body in bodies)


def _report(bodies: Sequence[OrderBody], generation: int, notes: list[str], *, replayed: bool) -> dict[str, Any]:
    tags, paths = [tag for body in bodies for tag in body.tags], [path for body in bodies for path in body.paths]
    return {
        "tags": len(tags),
        "paths": len(paths),
        "generation": generation,
        "invalidated": {"tags": tags, "paths": paths},
        **({"replayed": True} if replayed else {}),
        **({"warnings": notes} if notes else {}),
    }
