"""Which representation of an entry a client gets: a content coding, or a 304."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.entry import Coding
from millpond.policy.http.coding import LONGEST_ACCEPTED, chosen, etag_of
from millpond.policy.http.conditional import Conditions, headers_of_304
from millpond.policy.http.sendable import BODILESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from millpond.policy.entry import Coding, Entry, Headers

NEGOTIATION_HEADERS = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since"})
"""The request headers that select a representation."""


class Negotiation(NamedTuple):
    """The headers of a request that select a representation (RFC 9110 §12 and §13)."""

    accepted: bytes = b""
    """The value of Accept-Encoding."""
    conditions: Headers = ()
    """If-None-Match and If-Modified-Since, as they were sent."""

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> Negotiation:
        """Parse headers with lower-case names. Several lines of Accept-Encoding form one list (RFC 9110 §5.3)."""
        found = [pair for pair in headers if pair[0] in NEGOTIATION_HEADERS]
        if not found:
            return NO_NEGOTIATION
        accepted = b",".join([value for name, value in found if name == b"accept-encoding"])
        conditions = tuple([pair for pair in found if pair[0] != b"accept-encoding"])
        return cls(accepted if len(accepted) <= LONGEST_ACCEPTED else b"", conditions)


NO_NEGOTIATION = Negotiation()


class Reply(NamedTuple):
    """Status, the headers of the representation, and the body."""

    status: int
    headers: Headers
    body: bytes


def reply(entry: Entry, negotiation: Negotiation) -> Reply:
    """What to send for `entry`: 304 if the client holds any representation of it, else the coding that it prefers."""
    selected = _representation(entry, _coding(entry, negotiation))
    if negotiation.conditions:
        conditions = Conditions.of(negotiation.conditions)
        for held in (selected, *_representations(entry)):
            if conditions.hold(entry.status, held.headers):
                return Reply(304, tuple(headers_of_304(held.headers)), b"")
    return selected


def _coding(entry: Entry, negotiation: Negotiation) -> Coding | None:
    if not entry.compressed or not negotiation.accepted or entry.status in BODILESS:
        return None
    return chosen(negotiation.accepted, tuple(each.coding for each in entry.compressed))


def _representations(entry: Entry) -> Iterator[Reply]:
    yield _representation(entry, None)
    for each in entry.compressed:
        yield _representation(entry, each.coding)


def _representation(entry: Entry, coding: Coding | None) -> Reply:
    if coding is None:
        # Entries are checked when they are stored, but tests or another version may have written this one.
        return Reply(entry.status, entry.headers, b"" if entry.status in BODILESS else entry.body)
    headers = [(name, etag_of(value, coding) if name == b"etag" else value) for name, value in entry.headers]
    headers.append((b"content-encoding", coding.encode("ascii")))
    return Reply(entry.status, tuple(headers), next(each.body for each in entry.compressed if each.coding == coding))
