"""One call of a webhook, as a signature scheme sees it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class BadSignature(Exception):
    """The call isn't the sender's. The message says why, and nothing of the secret."""

    is_guess = True
    """Whether it counts as an attempt to guess the secret."""


class StaleSignature(BadSignature):
    """The signature is right, and of another time."""

    is_guess = False


class UnusableSecret(Exception):
    """What is configured as a secret isn't one of the scheme. The message says how one looks."""


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A call: what schemes sign."""

    method: str
    paths: tuple[str, ...]
    """The path with its query, percent-encoded, as the sender may have seen it: a proxy may have removed a prefix."""
    headers: Mapping[str, Sequence[str]]
    """By their names in lower case; a byte is a character."""
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The only value of a header; empty where there is none.

        Raises:
            BadSignature: there are several.
        """
        values = self.headers.get(name, ())
        if len(values) > 1:
            raise BadSignature(f"there are {len(values)} headers {name}")
        return values[0].strip() if values else ""

    def required(self, name: str) -> str:
        """As `header`.

        Raises:
            BadSignature: there is none.
        """
        value = self.header(name)
        if not value:
            raise BadSignature(f"there is no header {name}")
        return value


class Key(NamedTuple):
    """What a secret is for a scheme."""

    raw: bytes
    kind: Literal["shared", "public", "private"] = "shared"
    """Both sides have the same; or what verifies, or signs, alone."""


class Proof(NamedTuple):
    """What a verified call tells."""

    delivery: str | None
    """What is the same only if the call is sent again; None: the scheme has nothing of the kind."""


class Scheme(Protocol):
    """How the calls of one kind of sender are verified, and made."""

    has_time: bool
    """Whether a signature is good for a limited time only."""
    reads_body: bool
    """Whether it covers the body, which is read before it is verified."""

    def key(self, secret: str) -> Key:
        """The key of a secret as it is written.

        Raises:
            UnusableSecret: it isn't one.
        """
        ...

    def verify(self, call: SignedCall, keys: Sequence[Key], now: float, tolerance: float) -> Proof:
        """Verify a call.

        Args:
            call: the call.
            keys: of the secrets that are good; of a rotation there are several.
            now: seconds since the epoch.
            tolerance: seconds between the time of the signature and now, either way.

        Raises:
            BadSignature: it isn't the sender's.
        """
        ...

    def sign(self, call: SignedCall, key: Key, now: float, identity: str) -> dict[str, str]:
        """The headers with which the sender would send a call.

        Args:
            call: with the headers that it has so far.
            key: of the secret.
            now: seconds since the epoch.
            identity: of the delivery.
        """
        ...


def is_one_of(given: str, good: Iterable[bytes]) -> bool:
    """Whether the value of a header is one of several; how long it takes tells nothing of how much of it is right."""
    found = False
    for each in good:
        found |= hmac.compare_digest(given.encode("latin-1"), each)
    return found


def refuse_other_times(signed_at: float, now: float, tolerance: float) -> None:
    """Refuse a signature of another time.

    Args:
        signed_at: seconds since the epoch.
        now: the same.
        tolerance: seconds, either way.

    Raises:
        StaleSignature: it is.
    """
    if abs(now - signed_at) > tolerance:
        when = "old" if signed_at < now else "ahead"
        raise StaleSignature(f"the signature is {abs(now - signed_at):.0f} s {when}, over {tolerance:g} s")
