"""Calls of webhooks, as the senders would sign them."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from millpond.errors import UsageError
from millpond.messages import one_of
from millpond.policy.webhooks.presets import PRESETS, SCHEMES
from millpond.policy.webhooks.signed_call import SignedCall, UnusableSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.policy.webhooks.presets import Preset


class SignedWebhook(NamedTuple):
    """What to send: `client.post(path, headers=signed.headers, content=signed.content)`."""

    headers: dict[str, str]
    content: bytes


def sign_webhook(
    preset: Preset,
    payload: object,
    secret: str,
    *,
    path: str = "/api/revalidate",
    headers: Mapping[str, str] | None = None,
    now: float | None = None,
    identity: str | None = None,
) -> SignedWebhook:
    """A call of a sender that `[revalidate_endpoint]` knows, for a test of your mapping.

    Args:
        preset: whose call it is, as `preset` in the configuration.
        payload: what it sends: bytes as they are, anything else as JSON.
        secret: as the environment variable of the endpoint has it. With "standard-webhooks" and a public key there, the
            private key that belongs to it, "whsk_" and base64.
        path: the endpoint's, with `base_path`. Contentful signs it.
        headers: others that the sender sends, such as `{"x-github-event": "push"}`.
        now: when it is sent, seconds since the epoch; the present when not given. With a clock of the test's,
            `client.clock()`.
        identity: of the delivery; a new one when not given.

    Raises:
        UsageError: there is no such preset, or the secret isn't one of its.
    """
    if preset not in SCHEMES:
        raise UsageError(f"sign_webhook(): the preset is {preset!r}; it is {one_of(PRESETS)}.")
    scheme, content = SCHEMES[preset], payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    given = {"content-type": "application/json", **{name.lower(): value for name, value in (headers or {}).items()}}
    call = SignedCall("POST", (path,), {name: [value] for name, value in given.items()}, content)
    try:
        key = scheme.key(secret.strip())
    except UnusableSecret as error:
        raise UsageError(f"sign_webhook(): the secret is none of preset {preset!r}: {error}.") from None
    signed = scheme.sign(call, key, time.time() if now is None else now, identity or f"msg_{uuid.uuid4().hex}")
    return SignedWebhook({**given, **signed}, content)
