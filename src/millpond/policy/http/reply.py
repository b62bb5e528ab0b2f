"""What of an entry goes to one client: whole, in which coding, or only word that the client has it already."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.entry import Coding
from millpond.policy.http.coding import LONGEST_ACCEPTED, chosen, etag_of
from millpond.policy.http.conditional import Conditions, headers_of_304
from millpond.policy.http.sendable import BODILESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from millpond.policy.entry import Coding, Entry, Headers

TELLING = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since"})
"""The request headers that a stored answer depends on."""


class Asked(NamedTuple):
    """What a request says of the form in which it wants an answer."""

    accepted: bytes = b""
    """The value of Accept-Encoding."""
    conditions: Headers = ()
    """If-None-Match and If-Modified-Since, as they were sent."""

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> Asked:
        """From headers with lower-case names; several lines of Accept-Encoding are one list (RFC 9110 §5.3)."""
        told = [pair for pair in headers if pair[0] in TELLING]
        if not told:
            return ANYHOW
        accepted = b",".join([value for name, value in told if name == b"accept-encoding"])
        conditions = tuple([pair for pair in told if pair[0] != b"accept-encoding"])
        return cls(accepted if len(accepted) <= LONGEST_ACCEPTED else b"", conditions)


ANYHOW = Asked()


class Reply(NamedTuple):
    """Status, the headers that are of the body, and the body."""

    status: int
    headers: Headers
    body: bytes


def reply(entry: Entry, asked: Asked) -> Reply:
    """What is sent of `entry`: 304 to a client that holds it in whatever coding, else the coding that it likes best."""
    selected = _representation(entry, _coding(entry, asked))
    if asked.conditions:
        conditions = Conditions.of(asked.conditions)
        for held in (selected, *_representations(entry)):
            if conditions.hold(entry.status, held.headers):
                return Reply(304, tuple(headers_of_304(held.headers)), b"")
    return selected


def _coding(entry: Entry, asked: Asked) -> Coding | None:
    if not entry.compressed or not asked.accepted or entry.status in BODILESS:
        return None
    return chosen(asked.accepted, tuple(each.coding for each in entry.compressed))


def _representations(entry: Entry) -> Iterator[Reply]:
    yield _representation(entry, None)
    for each in entry.compressed:
        yield _representation(entry, each.coding)


def _representation(entry: Entry, coding: Coding | None) -> Reply:
    if coding is None:
        # Checked when it is stored; but a store takes what it is given, by tests and by other versions.
        return Reply(entry.status, entry.headers, b"" if entry.status in BODILESS else entry.body)
    headers = [(name, etag_of(value, coding) if name == b"etag" else value) for name, value in entry.headers]
    headers.append((b"content-encoding", coding.encode("ascii")))
    return Reply(entry.status, tuple(headers), next(each.body for each in entry.compressed if each.coding == coding))
