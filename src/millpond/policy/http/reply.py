"""Which representation of an entry a client gets: a content coding, or a 304."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.http.coding import LONGEST_ACCEPTED, chosen, etag_of, weak
from millpond.policy.http.conditional import Conditions, headers_of_304
from millpond.policy.http.dictionary import AVAILABLE, DCZ, MAX_AVAILABLE, digest_in, varies_by_dictionary
from millpond.policy.http.sendable import BODILESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from millpond.policy.entry import Coding, Entry, Headers

NEGOTIATION_HEADERS = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since", AVAILABLE})
"""The request headers that select a representation."""


class Negotiation(NamedTuple):
    """The headers of a request that select a representation (RFC 9110 §12 and §13)."""

    accepted: bytes = b""
    """The value of Accept-Encoding."""
    conditions: Headers = ()
    """If-None-Match and If-Modified-Since, as they were sent."""
    dictionary: bytes = b""
    """The value of Available-Dictionary (RFC 9842 §2.2)."""

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> Negotiation:
        """Parse headers with lower-case names. Several lines of Accept-Encoding form one list (RFC 9110 §5.3)."""
        found = [pair for pair in headers if pair[0] in NEGOTIATION_HEADERS]
        if not found:
            return NO_NEGOTIATION
        accepted = b",".join([value for name, value in found if name == b"accept-encoding"])
        conditions = tuple([pair for pair in found if pair[0] not in (b"accept-encoding", AVAILABLE)])
        dictionary = b",".join([value for name, value in found if name == AVAILABLE])
        return cls(
            accepted if len(accepted) <= LONGEST_ACCEPTED else b"",
            conditions,
            dictionary if len(dictionary) <= MAX_AVAILABLE else b"",
        )


NO_NEGOTIATION = Negotiation()
_BY_DICTIONARY = (b"content-encoding", DCZ.encode("ascii"))


class Reply(NamedTuple):
    """Status, the headers of the representation, and the body."""

    status: int
    headers: Headers
    body: bytes


def choose(entry: Entry, negotiation: Negotiation, available: Sequence[Coding]) -> Reply | Coding:
    """What to send for `entry`: a whole reply, or the coding that the client prefers, whose body is needed for one.

    It is 304 if the client holds the answer in any of the codings, or in none: a validator says by itself which coding
    it is of, so that body needn't be there.

    Args:
        entry: what is stored.
        negotiation: what the client accepts and holds.
        available: the codings in which the answer can be had, best first.
    """
    coding = None
    if available and negotiation.accepted and entry.status not in BODILESS:
        coding = chosen(negotiation.accepted, available)
    if negotiation.conditions:
        conditions = Conditions.of(negotiation.conditions)
        for held in dict.fromkeys((coding, None, *available)):
            headers = _headers(entry, held)
            if conditions.hold(entry.status, headers):
                if held is None and varies_by_dictionary(headers) and conditions.hold_weakly(headers):
                    headers = _with_weak_validator(headers)
                return Reply(304, tuple(headers_of_304(headers)), b"")
    return plain(entry) if coding is None else coding


def plain(entry: Entry) -> Reply:
    """The answer without a content coding."""
    # Entries are checked when they are stored, but tests or another version may have written this one.
    return Reply(entry.status, entry.headers, b"" if entry.status in BODILESS else entry.body)


def dictionary_wanted(entry: Entry, negotiation: Negotiation, available: Sequence[Coding]) -> bytes | None:
    """The digest of the dictionary that a client has, if the answer may be compressed by it and the client wants that.

    The coding is preferred to others that the client accepts equally.

    Args:
        entry: what is stored.
        negotiation: what the client accepts and holds.
        available: the other codings in which the answer can be had.
    """
    if not negotiation.dictionary or not varies_by_dictionary(entry.headers):
        return None
    digest = digest_in(negotiation.dictionary)
    return digest if digest is not None and chosen(negotiation.accepted, (DCZ, *available)) == DCZ else None


def by_dictionary(entry: Entry, body: bytes) -> Reply:
    """The answer in the coding `dcz`.

    Its bytes depend on the client's dictionary, so its validator is weak (RFC 9110 §8.8.1); it holds for any coding.
    """
    return Reply(entry.status, (*_with_weak_validator(entry.headers), _BY_DICTIONARY), body)


def _with_weak_validator(headers: Headers) -> Headers:
    """With the validator of the coding `dcz`.

    A 304 to who holds an answer in it must have that one. With the strong one of the plain body, a cache would take its
    bytes for those (RFC 9110 §15.4.5, RFC 9111 §4.3.4).
    """
    return tuple((name, weak(value) if name == b"etag" else value) for name, value in headers)


def in_coding(entry: Entry, coding: Coding, body: bytes) -> Reply:
    """The answer in a content coding; `body`: in that coding."""
    return Reply(entry.status, _headers(entry, coding), body)


def _headers(entry: Entry, coding: Coding | None) -> Headers:
    if coding is None:
        return entry.headers
    headers = [(name, etag_of(value, coding) if name == b"etag" else value) for name, value in entry.headers]
    return (*headers, (b"content-encoding", coding.encode("ascii")))
