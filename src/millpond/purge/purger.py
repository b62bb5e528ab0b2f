"""What a purger is: it puts a purge into a request, and reads the answer. It sends nothing itself."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_RETRY_AFTER = 600.0
"""Seconds; what a cache may ask us to wait at most."""

_LATER = {408, 425, 429}


class Call(NamedTuple):
    """One request to a cache."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""


class Answer(NamedTuple):
    """What the cache answered."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes


class Fate(Enum):
    """What became of a call."""

    DONE = "done"
    """The cache has acknowledged it."""
    LATER = "later"
    """It may work when it is tried again."""
    REFUSED = "refused"
    """It will not work until somebody mends something."""


class Verdict(NamedTuple):
    """What an answer means."""

    fate: Fate
    why: str = ""
    """For people."""
    after: float | None = None
    """Seconds until the next try, where the cache says so."""


DONE = Verdict(Fate.DONE)


class Purger(Protocol):
    """One cache, or one address of one."""

    @property
    def name(self) -> str:
        """What messages call it; without secrets."""
        ...

    @property
    def most(self) -> int:
        """The tags that one call takes."""
        ...

    def call(self, tags: Sequence[str], *, hard: bool, now: float) -> Call:
        """The request that purges `tags`.

        Args:
            tags: no more than `most`; the routes' own are among them.
            hard: whether what is older may not even be served as stale; a cache that knows no other takes each so.
            now: seconds since the epoch.
        """
        ...

    def verdict(self, answer: Answer, now: float) -> Verdict:
        """What the answer to such a call means."""
        ...


def by_status(answer: Answer, now: float) -> Verdict:
    """What an answer means by its status alone; `now` in seconds since the epoch."""
    status = answer.status
    if 200 <= status < 300:
        return DONE
    if status in _LATER or status >= 500:
        return Verdict(Fate.LATER, f"it answered {status}", retry_after(answer, now))
    remedy = {
        401: "; is its token right?",
        403: "; may its token purge, and may this machine?",
        404: "; is its id or address right?",
    }
    return Verdict(Fate.REFUSED, f"it answered {status}{remedy.get(status, '')}")


def retry_after(answer: Answer, now: float) -> float | None:
    """Seconds that Retry-After asks for (RFC 9110 §10.2.3), within bounds; None where it says nothing usable."""
    value = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
