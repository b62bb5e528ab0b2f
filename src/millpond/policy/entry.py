"""Entries: immutable stored results, with everything needed to judge and send them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from millpond.policy.lifetime import Lifetime

Headers = tuple[tuple[bytes, bytes], ...]

Coding = Literal["zstd", "br", "gzip"]
"""The content codings in which bodies are sent (RFC 9110 §8.4)."""

EntryKind = Literal["response", "fetch", "function", "cron", "dictionary"]
"""What an entry holds: an answer, fetched data, a function's result, the state of a cron job, or a body that clients
have as a compression dictionary."""


class Backoff(msgspec.Struct, frozen=True, array_like=True):
    """The back-off after a failed refresh: until it ends, the last good answer counts as fresh (R4.26)."""

    since: float
    """Seconds since the epoch."""
    seconds: float
    generation: int
    """An invalidation after this generation ends the back-off at once: the cause of the failure may be gone."""


class Hop(NamedTuple):
    """A redirect that was followed on the way to fetched data."""

    method: str
    url: str
    status: int
    headers: Headers
    seconds: float
    """How long it took."""


class Came(msgspec.Struct, frozen=True, array_like=True):
    """How fetched data came."""

    seconds: float
    """How long the last answer took."""
    method: str = ""
    """Of the last request; "" if none was redirected."""
    url: str = ""
    """Of the last request, likewise."""
    hops: tuple[Hop, ...] = ()
    encoding: str = ""
    """Of its text, where the client knows that and the answer doesn't say it; "" is UTF-8."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, weakref=True):
    """One stored result, with everything needed to judge and send it."""

    key: str
    kind: EntryKind = "response"
    status: int
    headers: Headers
    """Names (lower case) and values as they are sent, without headers that differ between requests."""
    body: bytes
    """Without a content coding: forms in codings are derived from it."""
    rendered_at: float
    """The start of the render, in seconds since the epoch."""
    revalidate: float | None
    expire: float | None
    tags: tuple[str, ...] = ()
    generation: int = 0
    """The store's generation, captured before the render began."""
    build: str = ""
    short_lived: bool = False
    """Whether the lifetime is too short for prerenders (R5.38)."""
    backoff: Backoff | None = None
    client_stale: float | None = None
    """Seconds for which clients may keep it without asking; None: nobody has said so."""
    came: Came | None = None
    """Of fetched data; None for other kinds."""
    jitter: float = 0.0
    """The share of `revalidate` by which it goes stale earlier, drawn when it was made."""
    label: str = ""
    """What people call it: the method and URL of fetched data, a function with its arguments; "" for other kinds."""

    @property
    def lifetime(self) -> Lifetime:
        return Lifetime(self.revalidate, self.expire)

    @property
    def stale_after(self) -> float | None:
        """The age in seconds beyond which it is stale: `revalidate` less its jitter; None: never."""
        return None if self.revalidate is None else self.revalidate * (1 - self.jitter)

    @property
    def size(self) -> int:
        """Bytes that a bounded store counts for the entry."""
        size = len(self.key) + len(self.body) + sum(map(len, self.tags)) + len(self.label) + 200
        for name, value in self.headers:  # plain loops: each commit asks a few times
            size += len(name) + len(value)
        return size if self.came is None or not self.came.hops else size + _size_of(self.came)

    def with_backoff(self, backoff: Backoff) -> Entry:
        return msgspec.structs.replace(self, backoff=backoff)


def _size_of(came: Came) -> int:
    headers = (pair for hop in came.hops for pair in hop.headers)
    return sum(len(hop.url) for hop in came.hops) + len(came.url) + sum(len(a) + len(b) for a, b in headers)
