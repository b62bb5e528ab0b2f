"""The content codings that httpx2 takes off a body, and the headers that are true of what is left."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterable

_OF_THE_TRANSFER = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


@functools.cache
def decodable() -> frozenset[str]:
    """The codings that httpx2 decodes, as they are installed: it asks upstreams for just these."""
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, request=request))
    with httpx2.Client(transport=transport, trust_env=False) as client:
        return frozenset(_members(client.headers["accept-encoding"]))


def codings_of(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """What was applied to a body, in this order (RFC 9110 §8.4); "identity" is nothing."""
    values = (value.decode("latin-1") for name, value in headers if name.lower() == b"content-encoding")
    return [coding for value in values for coding in _members(value) if coding != "identity"]


def as_decoded(headers: Iterable[tuple[bytes, bytes]], *, head: bool = False) -> list[tuple[bytes, bytes]]:
    """The headers of a decoded body: no length, no framing, and only codings that are still on it. Lower-case names.

    `head`: it is the answer to a HEAD, whose length is worth knowing where it is the decoded body's, too.
    """
    lowered = [(name.lower(), value) for name, value in headers]
    applied = codings_of(lowered)
    left = [coding for coding in applied if coding not in decodable()]
    dropped = _OF_THE_TRANSFER - {b"content-length"} if head and left == applied else _OF_THE_TRANSFER
    kept = [pair for pair in lowered if pair[0] not in dropped]
    return [*kept, (b"content-encoding", ", ".join(left).encode("latin-1"))] if left else kept


def _members(value: str) -> list[str]:
    return [member for part in value.lower().split(",") if (member := part.strip())]
