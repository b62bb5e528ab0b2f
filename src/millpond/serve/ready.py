"""Answers of a fresh entry as they go out: made once, and again only where a header tells of another moment."""

from __future__ import annotations

import re
import weakref
from typing import TYPE_CHECKING

from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.freshness import fresh_ages
from millpond.policy.headers import lasting_headers, moment_headers
from millpond.policy.reply import reply
from millpond.serve.sending import length_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from millpond.policy.entry import Entry, Headers
    from millpond.policy.reply import Asked, Reply

_MOST_FORMS = 8
_LONGEST_ASKED = 512
"""Bytes. What was asked is remembered with the answer to it, and clients choose what they ask."""
_MOST_HEADER_BYTES = 8192
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class Answer:
    """One form of an entry, in one coding, or the 304 that stands for it; with the headers of a hit."""

    __slots__ = ("_block", "_headers", "_lasting", "_length", "_moment", "body", "status")

    def __init__(self, chosen: Reply, lasting: list[tuple[bytes, bytes]]) -> None:
        self.status, self.body = chosen.status, chosen.body
        self._lasting, self._length = lasting, length_of(chosen)
        self._moment: tuple[int, int | None] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._block: bytes | None = None

    def headers(self, entry: Entry, now: float) -> list[tuple[bytes, bytes]]:
        """As `send_cached` would send them. The list is the answer's own: who changes it changes every later hit."""
        elapsed = max(0.0, now - entry.rendered_at)
        left = None if entry.revalidate is None else int((entry.revalidate - elapsed) // 1)
        moment = (int(elapsed), left)
        if moment != self._moment:
            decision = Decision(Action.HIT, Reason.FRESH, ttl=left)
            self._headers = self._lasting + moment_headers(entry, decision, now) + self._length
            self._moment, self._block = moment, None
        return self._headers

    def block(self, entry: Entry, now: float) -> bytes:
        """The same as the lines of an HTTP/1.1 head, and the empty one that ends it."""
        headers = self.headers(entry, now)
        if self._block is None:
            self._block = lines_of(headers) + b"\r\n"
        return self._block


class Ready:
    """The forms of an entry that is fresh as long as no tag is invalidated. It goes when the entry goes.

    Args:
        entry: judged to be fresh, and without a pause.
        generation: what the store's counter was before that.
        gone: called, with the reference, when nobody holds the entry any longer.
    """

    __slots__ = ("_forms", "_told", "entry", "generation", "oldest", "youngest")

    def __init__(self, entry: Entry, generation: int, gone: Callable[[weakref.ref[Entry]], None]) -> None:
        self.entry = weakref.ref(entry, gone)
        self.generation = generation
        self.youngest, self.oldest = fresh_ages(entry)
        self._forms: dict[tuple[int, Headers], Answer] = {}
        self._told: dict[Asked, Answer] = {}

    def answer(self, entry: Entry, asked: Asked, now: float) -> Answer:
        """The form for what was asked."""
        return self._told.get(asked) or self._remembered(entry, asked, now)

    def _remembered(self, entry: Entry, asked: Asked, now: float) -> Answer:
        chosen = reply(entry, asked)
        form = self._forms.get((chosen.status, chosen.headers))
        if form is None:
            form = Answer(chosen, lasting_headers(chosen.headers, entry, now))
            self._forms[chosen.status, chosen.headers] = form
        if len(asked.accepted) + sum(len(value) for _, value in asked.conditions) <= _LONGEST_ASKED:
            if len(self._told) >= _MOST_FORMS:
                self._told.clear()
            self._told[asked] = form
        return form


def sendable(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether headers can be written as lines as they are; if not, the server finds words for what is wrong."""
    total = 0
    for name, value in headers:
        total += len(name) + len(value) + 4
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return False
    return total <= _MOST_HEADER_BYTES


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as the lines of an HTTP/1.1 head."""
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)
