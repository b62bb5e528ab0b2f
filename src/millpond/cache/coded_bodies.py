"""Bodies in content codings, made when a client first asks for one, and kept by the process for as long as they fit.

An entry holds its body once, without a coding. What is derived from it is bounded here, in bytes: a miss makes nothing
that nobody wants, and answers at rest take the room of one form. Builds have the time to make all forms, so theirs are
in the entry.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

from millpond.cache.clean_context import CleanContext
from millpond.cache.compression import compress
from millpond.policy.http.coding import compressible, varies_by_coding
from millpond.policy.http.reply import Reply, choose, in_coding, plain
from millpond.render.pending_tasks import ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.policy.entry import Coding, Entry
    from millpond.policy.http.reply import Negotiation

log = logging.getLogger("millpond.cache")

MAX_AT_ONCE = 16 * 1024
"""Bytes. A body up to this size is compressed in a fraction of a millisecond; a larger one in a thread."""
MAX_AWAITED = 1024 * 1024
"""Bytes. A larger body takes longer than some 20 ms: until a coding is made, clients get the plain body."""
_OVERHEAD = 400
"""What the forms of one entry take in memory, besides their own bytes."""


class _Entry(weakref.ref["Entry"]):
    """An entry that may go, and the place of its forms."""

    __slots__ = ("at",)

    at: int


class _Forms:
    """What was made of one entry."""

    __slots__ = ("bodies", "of", "size")

    def __init__(self, of: _Entry) -> None:
        self.of, self.size = of, _OVERHEAD
        self.bodies: dict[Coding, bytes] = {}
        """b"": that coding saves too little."""


class CodedBodies:
    """The forms of the entries of one event loop's application.

    Args:
        codings: those that are made, best first.
        max_bytes: of all forms together. The least recently used ones go, and those of entries that are freed.
        clean: the context of what is made in threads.
    """

    def __init__(self, codings: Sequence[Coding], max_bytes: int, clean: CleanContext | None = None) -> None:
        self._codings, self._max_bytes = tuple(codings), max_bytes
        self._clean = CleanContext() if clean is None else clean
        self._forms: OrderedDict[int, _Forms] = OrderedDict()
        self._bytes = 0
        self._gone: deque[_Entry] = deque()
        """Entries that were freed, in whatever thread."""
        self._making: dict[tuple[int, Coding], asyncio.Task[bytes]] = {}

    def at_once(self, entry: Entry, negotiation: Negotiation) -> Reply | None:
        """What to send; None if a body must be compressed first that takes a while."""
        found = self._choose(entry, negotiation)
        return found if isinstance(found, Reply) else None

    async def reply(self, entry: Entry, negotiation: Negotiation) -> Reply:
        """What to send. A body is compressed in a thread if it is large, once for all who want it."""
        while not isinstance(found := self._choose(entry, negotiation), Reply):
            task = self._begin(entry, found)
            if len(entry.body) > MAX_AWAITED:
                return plain(entry)
            await ended(task)  # not `await task`: who goes away cancels nothing
            if task.cancelled() or task.exception() is not None:
                return plain(entry)
            if body := task.result():
                return in_coding(entry, found, body)
        return found

    def __len__(self) -> int:
        """Of how many entries there are forms."""
        self._forget_gone()
        return len(self._forms)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """What is being made in this event loop."""
        return list(self._making.values())

    def _choose(self, entry: Entry, negotiation: Negotiation) -> Reply | Coding:
        """What to send, or the coding that is to be made first."""
        while True:
            found = choose(entry, negotiation, self._available(entry, negotiation))
            if isinstance(found, Reply):
                return found
            body = self._body(entry, found)
            if body is None:
                return found
            if body:
                return in_coding(entry, found, body)

    def _available(self, entry: Entry, negotiation: Negotiation) -> tuple[Coding, ...]:
        if not negotiation.accepted and not negotiation.conditions:
            return ()
        if entry.compressed:
            return tuple(each.coding for each in entry.compressed)
        if not self._codings or not self._may_be_coded(entry):
            return ()
        forms = self._known(entry)
        if forms is None:
            return self._codings
        return tuple(coding for coding in self._codings if forms.bodies.get(coding) != b"")

    @staticmethod
    def _may_be_coded(entry: Entry) -> bool:
        """Whether the answer was stored as one that clients may get in codings; a build may have found that none pays.

        Without Vary, a cache in front could take one coding for another.
        """
        return varies_by_coding(entry.headers) and compressible(entry.status, entry.headers, len(entry.body))

    def _body(self, entry: Entry, coding: Coding) -> bytes | None:
        """The body in a coding; b"" if that saves too little; None if it is to be made in a thread."""
        for each in entry.compressed:
            if each.coding == coding:
                return each.body
        forms = self._known(entry)
        body = None if forms is None else forms.bodies.get(coding)
        if body is None and len(entry.body) <= MAX_AT_ONCE:
            body = compress(entry.body, coding)
            self._keep(entry, coding, body)
        return body

    def _known(self, entry: Entry) -> _Forms | None:
        forms = self._forms.get(id(entry))
        if forms is None or forms.of() is not entry:
            return None
        self._forms.move_to_end(id(entry))
        return forms

    def _keep(self, entry: Entry, coding: Coding, body: bytes) -> None:
        self._forget_gone()
        forms = self._known(entry)
        if forms is None:
            of = _Entry(entry, self._gone.append)
            of.at = id(entry)
            self._forms[of.at] = forms = _Forms(of)
            self._bytes += forms.size
        forms.bodies[coding] = body
        forms.size += len(body)
        self._bytes += len(body)
        while self._bytes > self._max_bytes and self._forms:
            self._bytes -= self._forms.popitem(last=False)[1].size

    def _forget_gone(self) -> None:
        while self._gone:
            of = self._gone.popleft()
            forms = self._forms.get(of.at)
            if forms is not None and forms.of is of:
                del self._forms[of.at]
                self._bytes -= forms.size

    def _begin(self, entry: Entry, coding: Coding) -> asyncio.Task[bytes]:
        """The task that makes a form; it holds the entry, so that nothing else gets its place."""
        at = id(entry), coding
        task = self._making.get(at)
        if task is None:
            task = self._making[at] = self._clean.begin(lambda: self._make(entry, coding), f"compress {coding}")
            task.add_done_callback(lambda done: self._made(at, done))
        return task

    def _made(self, at: tuple[int, Coding], task: asyncio.Task[bytes]) -> None:
        del self._making[at]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("compressing an answer with %s failed", at[1], exc_info=error)

    async def _make(self, entry: Entry, coding: Coding) -> bytes:
        body = await asyncio.to_thread(compress, entry.body, coding)
        self._keep(entry, coding, body)
        return body
