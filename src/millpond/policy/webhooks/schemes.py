"""The signature schemes of senders, after their public documentation (docs/reference.md names it)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from millpond.policy.webhooks.signed_call import BadSignature, Key, Proof, is_one_of, refuse_other_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.policy.webhooks.signed_call import SignedCall

_LONGEST_NUMBER = 20
"""Digits."""


class _TextKeys:
    """Secrets are text, which is the key as it is."""

    has_time, reads_body = False, True

    def key(self, secret: str) -> Key:
        return Key(secret.encode("utf-8"))


class BearerToken(_TextKeys):
    """The secret itself, as `Authorization: Bearer …`: what is left where a sender signs nothing."""

    reads_body = False

    def verify(self, call: SignedCall, keys: Sequence[Key], now: float, tolerance: float) -> Proof:
        del now, tolerance
        scheme, _, token = call.required("authorization").partition(" ")
        if scheme.lower() != "bearer" or not is_one_of(token.strip(), (key.raw for key in keys)):
            raise BadSignature("the token is wrong")
        return Proof(None)

    def sign(self, call: SignedCall, key: Key, now: float, identity: str) -> dict[str, str]:
        del call, now, identity
        return {"authorization": f"Bearer {key.raw.decode()}"}


class BodySignature(_TextKeys):
    """The HMAC of the body alone, in hexadecimal: nothing tells a call from the same call sent later.

    Args:
        header: its name.
        algorithm: of the HMAC.
        prefix: what comes before the digits.
    """

    def __init__(self, header: str, algorithm: str, prefix: str = "") -> None:
        self._header, self._algorithm, self._prefix = header, algorithm, prefix

    def verify(self, call: SignedCall, keys: Sequence[Key], now: float, tolerance: float) -> Proof:
        del now, tolerance
        if not is_one_of(call.required(self._header), [self._signature(call, key).encode() for key in keys]):
            raise BadSignature("the signature is wrong")
        return Proof(None)

    def sign(self, call: SignedCall, key: Key, now: float, identity: str) -> dict[str, str]:
        del now, identity
        return {self._header: self._signature(call, key)}

    def _signature(self, call: SignedCall, key: Key) -> str:
        return self._prefix + hmac.new(key.raw, call.body, self._algorithm).hexdigest()


class SanitySignature(_TextKeys):
    """`sanity-webhook-signature: t=MILLISECONDS,v1=…`: the HMAC-SHA256 of `t.body`, in URL-safe base64."""

    has_time = True
    _HEADER = "sanity-webhook-signature"
    _FORM = re.compile(rf"t=([0-9]{{1,{_LONGEST_NUMBER}}})[, ]+v1=([^, ]+)")

    def verify(self, call: SignedCall, keys: Sequence[Key], now: float, tolerance: float) -> Proof:
        parts = self._FORM.fullmatch(call.required(self._HEADER))
        if parts is None:
            raise BadSignature(f"{self._HEADER} doesn't look like t=…,v1=…")
        if not is_one_of(parts[2].rstrip("="), [self._signature(call, key, parts[1]).encode() for key in keys]):
            raise BadSignature("the signature is wrong")
        refuse_other_times(int(parts[1]) / 1000, now, tolerance)
        return Proof(parts[0])

    def sign(self, call: SignedCall, key: Key, now: float, identity: str) -> dict[str, str]:
        time = str(int(now * 1000))
        return {self._HEADER: f"t={time},v1={self._signature(call, key, time)}", "idempotency-key": identity}

    @staticmethod
    def _signature(call: SignedCall, key: Key, time: str) -> str:
        signed = hmac.digest(key.raw, f"{time}.".encode() + call.body, hashlib.sha256)
        return base64.urlsafe_b64encode(signed).decode("ascii").rstrip("=")


class ContentfulSignature(_TextKeys):
    """`x-contentful-signature`: the HMAC-SHA256, in hexadecimal, of method, path, signed headers and body."""

    has_time = True
    _SIGNATURE, _NAMES, _TIME = "x-contentful-signature", "x-contentful-signed-headers", "x-contentful-timestamp"

    def verify(self, call: SignedCall, keys: Sequence[Key], now: float, tolerance: float) -> Proof:
        given, names, time = (call.required(name) for name in (self._SIGNATURE, self._NAMES, self._TIME))
        if re.fullmatch(rf"[0-9]{{1,{_LONGEST_NUMBER}}}", time) is None:
            raise BadSignature(f"{self._TIME} is no number")
        signed = {name.strip().lower() for name in names.split(",")} | {self._NAMES, self._TIME}
        headers = {name: ", ".join(map(str.strip, call.headers[name])) for name in signed if name in call.headers}
        headers[self._NAMES] = ",".join(sorted(signed))
        good = [self._signature(call, key, path, headers).encode() for key in keys for path in call.paths]
        if not is_one_of(given, good):
            raise BadSignature("the signature is wrong")
        refuse_other_times(int(time) / 1000, now, tolerance)
        return Proof(given)

    def sign(self, call: SignedCall, key: Key, now: float, identity: str) -> dict[str, str]:
        del identity
        own = {name: values[0].strip() for name, values in call.headers.items() if name.startswith("x-contentful-")}
        own[self._TIME] = str(int(now * 1000))
        own[self._NAMES] = ",".join(sorted({*own, self._NAMES}))
        return {
            self._SIGNATURE: self._signature(call, key, call.paths[0], own),
            self._NAMES: own[self._NAMES],
            self._TIME: own[self._TIME],
        }

    @staticmethod
    def _signature(call: SignedCall, key: Key, path: str, headers: dict[str, str]) -> str:
        listed = ";".join(f"{name}:{headers[name]}" for name in sorted(headers))
        head = "\n".join((call.method, _encoded(path), listed, ""))
        return hmac.new(key.raw, head.encode("utf-8") + call.body, "sha256").hexdigest()


def _encoded(path: str) -> str:
    """A path as Contentful's toolkit signs it: its query is encoded, and then the whole once more."""
    alone, _, query = path.partition("?")
    whole = f"{alone}?{quote(query.partition('?')[0], safe=_UNESCAPED)}" if query else alone
    return quote(whole, safe=f"{_UNESCAPED};,/?:@&=+$#")


_UNESCAPED = "-_.!~*'()"
"""What JavaScript's `encodeURIComponent` leaves as it is, besides letters and digits."""
