"""The contract of purgers: each writes a purge as a request, and reads the response. It does no I/O."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_RETRY_AFTER = 600.0
"""Seconds; a longer Retry-After is cut to this."""

_LATER = {408, 425, 429}


class PurgeRequest(NamedTuple):
    """One request to a cache."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""


class PurgeResponse(NamedTuple):
    """The response of a cache."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes


class PurgeOutcome(Enum):
    """What became of a request."""

    DONE = "done"
    """The cache has acknowledged it."""
    RETRY = "later"
    """The purge is tried again."""
    REFUSED = "refused"
    """It can't work before somebody changes the cache or the configuration."""


class Verdict(NamedTuple):
    """What a response means."""

    outcome: PurgeOutcome
    why: str = ""
    """For messages."""
    after: float | None = None
    """Seconds until the next try, where the cache says so."""


DONE = Verdict(PurgeOutcome.DONE)


class Purger(Protocol):
    """One cache, or one address of it."""

    @property
    def name(self) -> str:
        """What messages call it; without secrets."""
        ...

    @property
    def max_tags(self) -> int:
        """The tags that one request may have."""
        ...

    def request(self, tags: Sequence[str], *, hard: bool, now: float) -> PurgeRequest:
        """The request that purges `tags`.

        Args:
            tags: no more than `max_tags`; the routes' own are among them.
            hard: whether older answers may not even be served as stale; some caches know hard purges only.
            now: seconds since the epoch.
        """
        ...

    def verdict(self, response: PurgeResponse, now: float) -> Verdict:
        """What the response to such a request means."""
        ...


def by_status(response: PurgeResponse, now: float) -> Verdict:
    """What a response means by its status alone; `now` in seconds since the epoch."""
    status = response.status
    if 200 <= status < 300:
        return DONE
    if status in _LATER or status >= 500:
        return Verdict(PurgeOutcome.RETRY, f"it answered {status}", retry_after(response, now))
    remedy = {
        401: "; is its token right?",
        403: "; may its token purge, and may this machine?",
        404: "; is its id or address right?",
    }
    return Verdict(PurgeOutcome.REFUSED, f"it answered {status}{remedy.get(status, '')}")


def retry_after(response: PurgeResponse, now: float) -> float | None:
    """Seconds that Retry-After asks for (RFC 9110 §10.2.3), within bounds; None where it says nothing usable."""
    value = next((value for name, value in response.headers.items() if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
