"""A fresh entry as bytes to send: what doesn't change is made once, what changes with time once a second."""

from __future__ import annotations

import math
import weakref
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.freshness import due_after, oldest_fresh
from millpond.policy.http.header_size import header_size
from millpond.policy.http.headers import lasting_headers, volatile_headers
from millpond.policy.http.sendable import length_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from millpond.cache.coding.coded_bodies import CodedBodies
    from millpond.policy.entry import Entry, Headers
    from millpond.policy.http.reply import Negotiation, Reply
    from millpond.policy.http.surrogate import Surrogates
    from millpond.serve.configured.path_headers import PathHeaders

HIT = Decision(Action.HIT, Reason.FRESH)

_MAX_REPRESENTATIONS = 8
_MAX_BYTES_OF_ALL = 32 * 1024 * 1024
"""Of the representations of all entries, without the bodies that the entries have anyway."""
_REPRESENTATION_BYTES = 1000
"""What one takes in memory, with what is known of its entry, besides its lines."""
_MAX_VOLATILE = 4096
_MAX_ORIGINS = 8
"""For which the lines of a representation are remembered; clients choose them."""
_HERE = (b"\0", b"")
"""Stands for the volatile headers in a list; no header has this name."""
_MAX_NEGOTIATION_BYTES = 512
"""Longer headers aren't remembered with the representation that they select: clients choose them."""
_MAX_HEADER_BYTES = 8192


class VolatileHeaders:
    """The headers of hits that change with time: the same for all representations of an entry, for up to a second.

    Without headers for caches in front, entries of the same age that stay fresh equally long share them.
    """

    __slots__ = ("headers", "lines")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.headers, self.lines = headers, lines_of(headers)


class VolatileHeadersTable:
    """The volatile headers of entries, each set made once.

    Args:
        surrogates: makes the headers for caches in front; None where there are none.
        too_many: called when the representations of all entries together take too many bytes.
    """

    __slots__ = ("_bytes", "_shared", "_too_many", "surrogates")

    def __init__(self, surrogates: Surrogates | None = None, too_many: Callable[[], None] = lambda: None) -> None:
        self.surrogates = surrogates
        self._too_many, self._bytes = too_many, 0
        self._shared: dict[tuple[int, int | None], VolatileHeaders] = {}

    def count_representation(self, size: int) -> None:
        """Count a representation that was made, of any entry, and takes `size` bytes."""
        self._bytes += size
        if self._bytes > _MAX_BYTES_OF_ALL:
            self._bytes = size
            self._too_many()

    def of(self, entry: Entry, age: int, left: int | None, now: float) -> VolatileHeaders:
        """The headers of a fresh entry that is `age` seconds old and stays fresh for `left` more."""
        volatile = self._shared.get((age, left))
        if volatile is None:
            decision = Decision(Action.HIT, Reason.FRESH, ttl=left)
            volatile = VolatileHeaders(volatile_headers(entry, decision, now, self.surrogates))
            if self.surrogates is None:
                if len(self._shared) >= _MAX_VOLATILE:
                    self._shared.clear()
                self._shared[age, left] = volatile
        return volatile


class Representation:
    """One representation of an entry, in one coding, or the 304 that stands for it.

    Thousands of paths have one each, so it holds little that could be made in a moment.
    """

    __slots__ = ("_after", "_around", "_before", "_headers", "_start", "body", "status")

    def __init__(self, chosen: Reply, lasting: list[tuple[bytes, bytes]]) -> None:
        self.status, self.body = chosen.status, chosen.body
        self._headers, self._start = lasting, status_line(chosen.status)
        self._before = lines_of(lasting)
        self._after = lines_of(length_headers(chosen.status, chosen.body)) + b"\r\n"
        self._around: dict[bytes | None, tuple[bytes, bytes]] | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about, without its body."""
        return _REPRESENTATION_BYTES + len(self._before)

    def is_of(self, chosen: Reply, lasting: list[tuple[bytes, bytes]]) -> bool:
        """Whether a reply with these headers is the same; a weak validator doesn't tell two bodies apart."""
        return self.body is chosen.body and self.status == chosen.status and self._headers == lasting

    def headers(self, volatile: VolatileHeaders) -> list[tuple[bytes, bytes]]:
        """All headers, as `send_cached` sends them; the list is the caller's."""
        return [*self._headers, *volatile.headers, *length_headers(self.status, self.body)]

    def head(self, volatile: VolatileHeaders, server: bytes) -> bytes:
        """The head of an HTTP/1.1 answer; `server`: the lines that the server adds to each."""
        return b"".join((self._start, server, self._before, volatile.lines, self._after))

    def head_with(self, added: PathHeaders, origin: bytes | None, volatile: VolatileHeaders, server: bytes) -> bytes:
        """The head with what is configured for the path; `origin`: the request's, where that makes a difference."""
        if not added.steady:
            lines = lines_of(added.apply(self.headers(volatile), self.status, origin))
            return b"".join((self._start, server, lines, b"\r\n"))
        around = (self._around and self._around.get(origin)) or self._find_around(added, origin)
        return b"".join((self._start, server, around[0], volatile.lines, around[1]))

    def _find_around(self, added: PathHeaders, origin: bytes | None) -> tuple[bytes, bytes]:
        """The lines before and after the volatile ones; they are remembered, as they change with the origin alone."""
        if self._around is None or len(self._around) >= _MAX_ORIGINS:
            self._around = {}
        length = length_headers(self.status, self.body)
        headers = added.apply([*self._headers, _HERE, *length], self.status, origin)
        at = headers.index(_HERE)
        self._around[origin] = around = lines_of(headers[:at]), lines_of(headers[at + 1 :]) + b"\r\n"
        return around


class PreparedEntry:
    """The representations of a fresh entry. It holds the entry weakly, and is dropped when the store drops the entry.

    Args:
        entry: judged to be fresh, not only until a failed refresh is tried again.
        gone: called, with the weak reference, when the entry was freed.
        volatile_table: of the application.
        coded: of the application.
        claims: what the route says of all its answers.
        eager: the last share of its lifetime in which it is due.
    """

    __slots__ = (
        *("_claims", "_coded", "_due_after", "_first", "_oldest", "_others", "_shown", "_volatile_table", "entry"),
        *("generation", "mark", "rendered_at", "since", "until", "version", "volatile"),
    )

    def __init__(
        self,
        entry: Entry,
        gone: Callable[[weakref.ref[Entry]], None],
        volatile_table: VolatileHeadersTable,
        coded: CodedBodies,
        claims: Headers = (),
        eager: float = 0.0,
    ) -> None:
        self.entry = weakref.ref(entry, gone)
        self.mark = object()
        """Identifies this entry without holding it."""
        self._volatile_table, self._coded, self._claims = volatile_table, coded, claims
        self.rendered_at = entry.rendered_at
        self._oldest = oldest_fresh(entry)
        self._due_after = due_after(entry.stale_after, entry.expire, eager)
        self._first: tuple[Negotiation, Representation] | None = None
        self._others: dict[Negotiation, Representation] | None = None
        """What other requests select; few paths are asked for in several ways."""
        self.version = self.generation = -1
        """Of the store, read before the entry was judged to be fresh."""
        self.since = self.until = 0.0
        """Ages in seconds: from `since` and before `until` the entry is fresh and `volatile` is right."""
        self._shown: tuple[int, int | None] | None = None
        self.volatile: VolatileHeaders
        """Set by `renew`."""

    def is_young(self, now: float) -> bool:
        """Whether the last judgement still holds, as far as it depends on time: the entry isn't too old."""
        return 0 <= now - self.rendered_at <= self._oldest

    def is_due(self, now: float) -> bool:
        """Whether it is so near to its end that it is refreshed if it is asked for."""
        return now - self.rendered_at >= self._due_after

    def renew(self, entry: Entry, version: int, generation: int, now: float) -> None:
        """Note that the entry is fresh at `now`; `version` and `generation` are of the store, before it was judged."""
        age = max(0.0, now - self.rendered_at)
        stale_after = entry.stale_after
        left = None if stale_after is None else math.floor(stale_after - age)
        shown = (int(age), left)
        if shown != self._shown:
            self.volatile, self._shown = self._volatile_table.of(entry, int(age), left, now), shown
        # Age changes at each whole second, the remaining ttl at each whole second before its end.
        ends = math.inf if stale_after is None or left is None else stale_after - left
        due = self._due_after if age < self._due_after else math.inf
        self.since, self.until = age, min(int(age) + 1, ends, self._oldest, due)
        self.version, self.generation = version, generation

    def representation(self, negotiation: Negotiation) -> Representation | None:
        """The representation that a request selects, which is remembered.

        None once the entry was freed, and where a body must be compressed first that takes a while.
        """
        first = self._first
        if first is not None and first[0] == negotiation:
            return first[1]
        if self._others is not None and (known := self._others.get(negotiation)) is not None:
            return known
        entry = self.entry()
        return None if entry is None else self._make_representation(entry, negotiation)

    def _make_representation(self, entry: Entry, negotiation: Negotiation) -> Representation | None:
        chosen = self._coded.at_once(entry, negotiation)
        if chosen is None:
            return None
        lasting = lasting_headers(chosen.headers, entry, HIT, self._volatile_table.surrogates, self._claims)
        representation = next((one for one in self.representations.values() if one.is_of(chosen, lasting)), None)
        is_new = representation is None
        if representation is None:
            representation = Representation(chosen, lasting)
        conditions = sum(len(value) for _, value in negotiation.conditions)
        if len(negotiation.accepted) + len(negotiation.dictionary) + conditions <= _MAX_NEGOTIATION_BYTES:
            if is_new:
                own_body = 0 if chosen.body is entry.body else len(chosen.body)
                self._volatile_table.count_representation(representation.size + own_body)
            self._remember(negotiation, representation)
        return representation

    @property
    def representations(self) -> dict[Negotiation, Representation]:
        """Those that are remembered, by what selects them."""
        return dict(() if self._first is None else (self._first,)) | (self._others or {})

    def _remember(self, negotiation: Negotiation, representation: Representation) -> None:
        if self._first is None:
            self._first = negotiation, representation
            return
        if self._others is None or len(self._others) >= _MAX_REPRESENTATIONS - 1:
            self._others = {}
        self._others[negotiation] = representation


@lru_cache(maxsize=64)
def status_line(status: int) -> bytes:
    """The first line of an HTTP/1.1 answer."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:  # an unregistered status has no phrase
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode("ascii"))


def is_short(headers: Headers) -> bool:
    """Whether headers are few enough to be kept a second time, as lines."""
    return header_size(headers) <= _MAX_HEADER_BYTES


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as the lines of an HTTP/1.1 head."""
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)
