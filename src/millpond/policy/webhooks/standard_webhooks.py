"""Standard Webhooks (standardwebhooks.com), as a sender and as a receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any

from millpond.policy.webhooks.signed_call import (
    BadSignature,
    Key,
    Proof,
    UnusableSecret,
    is_one_of,
    refuse_other_times,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.policy.webhooks.signed_call import SignedCall

PREFIX, _PUBLIC, _PRIVATE = "whsec_", "whpk_", "whsk_"
"""Begin a secret, the public key of a sender, and the key that such a sender has."""

_MIN_SECRET_BYTES, _ED25519_BYTES = 24, 32
_MOST_SIGNATURES = 16
"""A sender signs with each of its keys while it rotates them; more are no sender's."""


class StandardSignature:
    """`webhook-id`, `webhook-timestamp` and `webhook-signature`: `v1`, an HMAC-SHA256; or `v1a`, Ed25519."""

    has_time = reads_body = True

    def key(self, secret: str) -> Key:
        """The key of `whsec_…`, of `whpk_…`, or of `whsk_…`, which signs only."""
        if secret.startswith(_PUBLIC):
            return Key(_ed25519_bytes(secret, _PUBLIC), "public")
        if secret.startswith(_PRIVATE):
            return Key(_ed25519_bytes(secret, _PRIVATE), "private")
        shared = secret_of(secret)
        if shared is None:
            raise UnusableSecret(
                f'it must be "{PREFIX}" and {_MIN_SECRET_BYTES} bytes or more as base64, or the public key of the '
                f'sender: "{_PUBLIC}" and base64'
            )
        return Key(shared)

    def verify(self, call: SignedCall, keys: Sequence[Key], now: float, tolerance: float) -> Proof:
        identity, time = call.required("webhook-id"), call.required("webhook-timestamp")
        given = call.required("webhook-signature").split()
        if re.fullmatch(r"[0-9]{1,15}", time) is None:
            raise BadSignature("webhook-timestamp is no number")
        signed = signed_content(identity, time, call.body)
        if not any(_is_good(signed, key, each) for each in given[:_MOST_SIGNATURES] for key in keys):
            raise BadSignature("the signature is wrong")
        refuse_other_times(int(time), now, tolerance)
        return Proof(identity)

    def sign(self, call: SignedCall, key: Key, now: float, identity: str) -> dict[str, str]:
        time = str(int(now))
        if key.kind == "shared":
            signed = signature(key.raw, identity, time, call.body)
        else:
            private = _ed25519().Ed25519PrivateKey.from_private_bytes(key.raw)
            content = signed_content(identity, time, call.body)
            signed = "v1a," + base64.b64encode(private.sign(content)).decode("ascii")
        return {"webhook-id": identity, "webhook-timestamp": time, "webhook-signature": signed}


def _is_good(signed: bytes, key: Key, given: str) -> bool:
    version, _, text = given.partition(",")
    if key.kind == "shared":
        return version == "v1" and is_one_of(text, [_hmac(key.raw, signed).encode()])
    return key.kind == "public" and version == "v1a" and _is_ed25519(signed, key.raw, text)


def _is_ed25519(signed: bytes, key: bytes, text: str) -> bool:
    from cryptography.exceptions import InvalidSignature  # there, as there is such a key

    try:
        _ed25519().Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(text, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def signature(secret: bytes, identity: str, time: str, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of `id.timestamp.body`, in base64."""
    return "v1," + _hmac(secret, signed_content(identity, time, body))


def signed_content(identity: str, time: str, body: bytes) -> bytes:
    """What is signed."""
    return b".".join((identity.encode("latin-1"), time.encode("ascii"), body))


def secret_of(text: str) -> bytes | None:
    """The bytes of a secret as it is written; None when it isn't one."""
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        return None
    return secret if text.startswith(PREFIX) and len(secret) >= _MIN_SECRET_BYTES else None


def _hmac(secret: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode("ascii")


def _ed25519_bytes(text: str, prefix: str) -> bytes:
    try:
        raw = base64.b64decode(text.removeprefix(prefix), validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _ED25519_BYTES:
        raise UnusableSecret(f'"{prefix}" must be followed by {_ED25519_BYTES} bytes as base64')
    _ed25519()
    return raw


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError:
        raise UnusableSecret("Ed25519 needs a package that isn't installed: pip install 'millpond[webhooks]'") from None
    return ed25519
