"""Sessions of the dashboard: a signed cookie that says who somebody is, and tokens against forged forms.

A session is not stored: the cookie says a name and when it ends, signed with a key that is derived from the secret. So
all workers and hosts know it, and a new secret ends all sessions.
"""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SESSION_SECONDS = 12 * 3600.0
SECURE_COOKIE = "__Host-millpond-dashboard"
"""Browsers take a cookie of that name over HTTPS only, for this host and the whole site (RFC 6265bis §4.1.3.2)."""
_LONGEST_NAME, _LONGEST_COOKIE = 40, 1024


class OperatorSession(NamedTuple):
    """Who somebody is, and until when."""

    name: str
    ends: float
    """Seconds since the epoch."""
    token: str
    """What the forms of this session send along."""


class Sessions:
    """Makes sessions, and knows them again.

    Args:
        secret: of the dashboard.
        clock: seconds since the epoch.
    """

    def __init__(self, secret: bytes, clock: Callable[[], float]) -> None:
        self._secret, self._clock = secret, clock
        self._key = hmac.digest(secret, b"millpond dashboard session", sha256)

    def is_secret(self, given: str) -> bool:
        """Whether that is the secret, compared in constant time."""
        return hmac.compare_digest(given.strip().encode("utf-8", "surrogatepass"), self._secret)

    def begun(self, name: str) -> tuple[str, OperatorSession]:
        """The cookie's value for a new session of somebody, and the session."""
        ends = self._clock() + SESSION_SECONDS
        said = base64.urlsafe_b64encode(json.dumps([shortened(name), int(ends)]).encode()).decode()
        return f"{said}.{self._signed('session', said)}", self._session(said, shortened(name), int(ends))

    def known(self, cookie: str) -> OperatorSession | None:
        """The session of a cookie; None: it is none, or it has ended."""
        said, _, signature = cookie.partition(".")
        if len(cookie) > _LONGEST_COOKIE or not hmac.compare_digest(
            signature.encode("utf-8", "surrogatepass"), self._signed("session", said).encode()
        ):
            return None
        name, ends = json.loads(base64.urlsafe_b64decode(said))
        return self._session(said, name, ends) if self._clock() < ends else None

    def login_token(self) -> str:
        """What the form of the login sends along; it holds for an hour or two."""
        return self._signed("login", str(int(self._clock() // 3600)))

    def is_login_token(self, given: str) -> bool:
        """Whether that was sent along with the form of the login."""
        hour = int(self._clock() // 3600)
        good = (self._signed("login", str(each)).encode() for each in (hour, hour - 1))
        return any(hmac.compare_digest(given.encode("utf-8", "surrogatepass"), each) for each in good)

    @staticmethod
    def is_token(session: OperatorSession, given: str) -> bool:
        """Whether a form of that session sent it."""
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), session.token.encode())

    def _session(self, said: str, name: str, ends: float) -> OperatorSession:
        return OperatorSession(name, ends, self._signed("form", said))

    def _signed(self, purpose: str, text: str) -> str:
        digest = hmac.digest(self._key, f"{purpose}:{text}".encode("utf-8", "surrogatepass"), sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def shortened(name: str) -> str:
    """A name as it stands in logs: without control characters, and not long."""
    return "".join(each for each in name.strip() if each.isprintable())[:_LONGEST_NAME] or "somebody"
