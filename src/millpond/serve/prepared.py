"""Answers of a fresh entry as they go out: what lasts is made once, what changes with time once a second."""

from __future__ import annotations

import math
import weakref
from http import HTTPStatus
from typing import TYPE_CHECKING

from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.freshness import oldest_fresh
from millpond.policy.http.header_size import header_size
from millpond.policy.http.headers import lasting_headers, moment_headers
from millpond.policy.http.reply import reply
from millpond.policy.http.sendable import length_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from millpond.policy.entry import Entry, Headers
    from millpond.policy.http.reply import Asked, Reply
    from millpond.policy.http.surrogate import Surrogates

HIT = Decision(Action.HIT, Reason.FRESH)

_MOST_REPRESENTATIONS, _MOST_REPRESENTATIONS_OF_ALL = 8, 32_768
_MOST_VOLATILE = 4096
_LONGEST_ASKED = 512
"""Bytes. What was asked is remembered with the answer to it, and clients choose what they ask."""
_MOST_HEADER_BYTES = 8192


class VolatileHeaders:
    """The headers of hits that change with time: the same for all representations of an entry, for up to a second.

    And for all entries of that age that stay fresh as long, where no caches in front are told more.
    """

    __slots__ = ("headers", "lines")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.headers, self.lines = headers, lines_of(headers)


class VolatileHeadersTable:
    """The volatile headers of entries, so that each set is made once.

    Args:
        surrogates: what caches in front are told; None where there are none.
        too_many: called when entries have more representations than are meant to be: each is some kilobytes.
    """

    __slots__ = ("_representations", "_shared", "_too_many", "surrogates")

    def __init__(self, surrogates: Surrogates | None = None, too_many: Callable[[], None] = lambda: None) -> None:
        self.surrogates = surrogates
        self._too_many, self._representations = too_many, 0
        self._shared: dict[tuple[int, int | None], VolatileHeaders] = {}

    def count_representation(self) -> None:
        """Note that a representation was made, of whatever entry."""
        self._representations += 1
        if self._representations > _MOST_REPRESENTATIONS_OF_ALL:
            self._representations = 1
            self._too_many()

    def of(self, entry: Entry, age: int, left: int | None, now: float) -> VolatileHeaders:
        """That of a fresh entry, `age` seconds old, which stays fresh for `left` more."""
        volatile = self._shared.get((age, left))
        if volatile is None:
            decision = Decision(Action.HIT, Reason.FRESH, ttl=left)
            volatile = VolatileHeaders(moment_headers(entry, decision, now, self.surrogates))
            if self.surrogates is None:
                if len(self._shared) >= _MOST_VOLATILE:
                    self._shared.clear()
                self._shared[age, left] = volatile
        return volatile


class Representation:
    """One representation of an entry, in one coding, or the 304 that stands for it."""

    __slots__ = (
        "_after",
        "_before",
        "_head",
        "_headers",
        "_length",
        "_listed",
        "_listed_at",
        "_server",
        "_start",
        "_volatile",
        "body",
        "status",
    )

    def __init__(self, chosen: Reply, lasting: list[tuple[bytes, bytes]]) -> None:
        self.status, self.body = chosen.status, chosen.body
        self._headers, self._length = lasting, length_headers(chosen.status, chosen.body)
        self._start = status_line(chosen.status)
        self._before, self._after = lines_of(lasting), lines_of(self._length) + b"\r\n"
        self._volatile: VolatileHeaders | None = None
        self._server = self._head = b""
        self._listed: list[tuple[bytes, bytes]] = []
        self._listed_at: VolatileHeaders | None = None

    def headers(self, volatile: VolatileHeaders) -> list[tuple[bytes, bytes]]:
        """As `send_cached` would send them: a list of the caller's own."""
        if self._listed_at is not volatile:
            self._listed, self._listed_at = self._headers + volatile.headers + self._length, volatile
        return self._listed.copy()

    def head(self, volatile: VolatileHeaders, server: bytes) -> bytes:
        """The head of an HTTP/1.1 answer; `server` are the lines that the server puts into each."""
        if self._volatile is not volatile or self._server is not server:
            self._head = b"".join((self._start, server, self._before, volatile.lines, self._after))
            self._volatile, self._server = volatile, server
        return self._head


class PreparedEntry:
    """The representations of an entry that is fresh as long as nothing is written. It goes when the entry goes.

    Args:
        entry: judged to be fresh, and without a back-off.
        gone: called, with the reference, when nobody holds the entry any longer.
        volatile_table: those of the application's entries.
    """

    __slots__ = (
        "_oldest",
        "_representations",
        "_shown",
        "_volatile_table",
        "entry",
        "generation",
        "mark",
        "rendered_at",
        "representations",
        "since",
        "until",
        "version",
        "volatile",
    )

    def __init__(
        self, entry: Entry, gone: Callable[[weakref.ref[Entry]], None], volatile_table: VolatileHeadersTable
    ) -> None:
        self.entry = weakref.ref(entry, gone)
        self.mark = object()
        """Of this entry, for who must not hold it."""
        self._volatile_table = volatile_table
        self.rendered_at = entry.rendered_at
        self._oldest = oldest_fresh(entry)
        self._representations: dict[tuple[int, Headers], Representation] = {}
        self.representations: dict[Asked, Representation] = {}
        self.version = self.generation = -1
        """What the store said before the entry was judged to be fresh."""
        self.since = self.until = 0.0
        """Ages in seconds: from `since` on, and before `until`, the entry stays fresh and `volatile` holds."""
        self._shown: tuple[int, int | None] | None = None
        self.volatile: VolatileHeaders
        """Since `renew`."""

    def still_fresh(self, generation: int, now: float) -> bool:
        """Whether the last judgement holds: no tag has been invalidated, and the entry isn't too old."""
        return generation == self.generation and 0 <= now - self.rendered_at <= self._oldest

    def renew(self, entry: Entry, version: int, generation: int, now: float) -> None:
        """The entry is fresh at `now`, by what the store's `version` and `generation` were before it was judged."""
        age = max(0.0, now - self.rendered_at)
        left = None if entry.revalidate is None else math.floor(entry.revalidate - age)
        shown = (int(age), left)
        if shown != self._shown:
            self.volatile, self._shown = self._volatile_table.of(entry, int(age), left, now), shown
        # Age changes at each whole second, and the time that is left at each whole second before its end.
        ends = math.inf if entry.revalidate is None or left is None else entry.revalidate - left
        self.since, self.until = age, min(int(age) + 1, ends, self._oldest)
        self.version, self.generation = version, generation

    def representation(self, asked: Asked) -> Representation | None:
        """The representation for what was asked, which is remembered; None once nobody holds the entry any longer."""
        representation = self.representations.get(asked)
        if representation is None and (entry := self.entry()) is not None:
            representation = self._make_representation(entry, asked)
        return representation

    def _make_representation(self, entry: Entry, asked: Asked) -> Representation:
        chosen = reply(entry, asked)
        representation = self._representations.get((chosen.status, chosen.headers))
        if representation is None:
            representation = Representation(
                chosen, lasting_headers(chosen.headers, entry, HIT, self._volatile_table.surrogates)
            )
            self._representations[chosen.status, chosen.headers] = representation
            self._volatile_table.count_representation()
        if len(asked.accepted) + sum(len(value) for _, value in asked.conditions) <= _LONGEST_ASKED:
            if len(self.representations) >= _MOST_REPRESENTATIONS:
                self.representations.clear()
            self.representations[asked] = representation
        return representation


def status_line(status: int) -> bytes:
    """The first line of an HTTP/1.1 answer."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:  # a number that isn't registered has no phrase
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode("ascii"))


def is_short(headers: Headers) -> bool:
    """Whether headers are few enough to be kept as lines besides."""
    return header_size(headers) <= _MOST_HEADER_BYTES


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as the lines of an HTTP/1.1 head."""
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)
