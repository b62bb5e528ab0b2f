"""Bodies in content codings, made when a client first asks for one, and kept by the process for as long as they fit.

An entry holds its body once, without a coding. What is derived from it is bounded here, in bytes: a miss makes nothing
that nobody wants, and answers at rest take the room of one form.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import OrderedDict, deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from millpond.cache.clean_context import CleanContext
from millpond.cache.coding.compression import compress, compress_by
from millpond.policy.http.coding import compressible, varies_by_coding
from millpond.policy.http.dictionary import DCZ
from millpond.policy.http.reply import Reply, by_dictionary, choose, dictionary_wanted, in_coding, plain
from millpond.render.pending_tasks import ended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from millpond.cache.coding.dictionaries import Dictionaries
    from millpond.policy.entry import Coding, Entry
    from millpond.policy.http.reply import Negotiation

log = logging.getLogger("millpond.cache")

MAX_AT_ONCE = 16 * 1024
"""Bytes. A body up to this size is compressed in a fraction of a millisecond; a larger one in a thread."""
MAX_AWAITED = 1024 * 1024
"""Bytes. A larger body takes longer than some 20 ms: until a coding is made, clients get the plain body."""
_OVERHEAD = 400
"""What the forms of one entry take in memory, besides their own bytes."""


Form: TypeAlias = "Coding | bytes"
"""A form of a body: a coding, or the digest of the dictionary that it was compressed by."""
_MOST_BY_DICTIONARY = 8
"""Forms of one entry by dictionaries: clients choose how many they have."""


class _Entry(weakref.ref["Entry"]):
    """An entry that may go, and the place of its forms."""

    __slots__ = ("at",)

    at: int


class _Forms:
    """What was made of one entry."""

    __slots__ = ("bodies", "of", "size")

    def __init__(self, of: _Entry) -> None:
        self.of, self.size = of, _OVERHEAD
        self.bodies: dict[Form, bytes] = {}
        """b"": that form saves too little."""


class CodedBodies:
    """The forms of the entries of one event loop's application.

    Args:
        codings: those that are made, best first.
        max_bytes: of all forms together. The least recently used ones go, and those of entries that are freed.
        clean: the context of what is made in threads.
        dictionaries: those that clients may have.
    """

    def __init__(
        self,
        codings: Sequence[Coding],
        max_bytes: int,
        clean: CleanContext | None = None,
        dictionaries: Dictionaries | None = None,
    ) -> None:
        self._codings, self._max_bytes, self._dictionaries = tuple(codings), max_bytes, dictionaries
        self._clean = CleanContext() if clean is None else clean
        self._forms: OrderedDict[int, _Forms] = OrderedDict()
        self._bytes = 0
        self._gone: deque[_Entry] = deque()
        """Entries that were freed, in whatever thread."""
        self._making: dict[tuple[int, Form], asyncio.Task[bytes]] = {}

    def at_once(self, entry: Entry, negotiation: Negotiation) -> Reply | None:
        """What to send; None if a body must be compressed first that takes a while, or a dictionary be looked for."""
        digest = self._dictionary_wanted(entry, negotiation)
        if digest is not None:
            forms = self._known(entry)
            body = None if forms is None else forms.bodies.get(digest)
            if body is None:
                return None
            if body:
                return by_dictionary(entry, body)
        found = self._choose(entry, negotiation)
        return found if isinstance(found, Reply) else None

    async def reply(self, entry: Entry, negotiation: Negotiation) -> Reply:
        """What to send. A body is compressed in a thread if it is large, once for all who want it."""
        digest = self._dictionary_wanted(entry, negotiation)
        if digest is not None and (body := await self._by_dictionary(entry, digest)):
            return by_dictionary(entry, body)
        useless: set[Coding] = set()
        while not isinstance(found := self._choose(entry, negotiation, useless), Reply):
            task = self._begin(entry, found, partial(compress, entry.body, found))
            if len(entry.body) > MAX_AWAITED:
                return plain(entry)
            await ended(task)  # not `await task`: who goes away cancels nothing
            if task.cancelled() or task.exception() is not None:
                return plain(entry)
            if body := task.result():
                return in_coding(entry, found, body)
            useless.add(found)
        return found

    def _dictionary_wanted(self, entry: Entry, negotiation: Negotiation) -> bytes | None:
        """The digest of the dictionary by which the answer is to be compressed; None if a 304 is to be sent."""
        if not negotiation.dictionary:
            return None
        available = self._available(entry, negotiation)
        digest = dictionary_wanted(entry, negotiation, available)
        if digest is not None and negotiation.conditions:
            found = choose(entry, negotiation, available)
            return None if isinstance(found, Reply) and found.status == 304 else digest
        return digest

    async def _by_dictionary(self, entry: Entry, digest: bytes) -> bytes:
        """The body, compressed by the dictionary with that digest; b"" if there is none, or that saves too little."""
        forms = self._known(entry)
        if forms is not None and (body := forms.bodies.get(digest)) is not None:
            return body
        dictionary = None if self._dictionaries is None else await self._dictionaries.get(digest, entry)
        if dictionary is None:
            return b""
        if len(dictionary) + len(entry.body) <= MAX_AT_ONCE:
            body = compress_by(entry.body, dictionary)
            self._keep(entry, digest, body)
            return body
        task = self._begin(entry, digest, partial(compress_by, entry.body, dictionary))
        await ended(task)
        return b"" if task.cancelled() or task.exception() is not None else task.result()

    def __len__(self) -> int:
        """Of how many entries there are forms."""
        self._forget_gone()
        return len(self._forms)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """What is being made in this event loop."""
        return list(self._making.values())

    def _choose(self, entry: Entry, negotiation: Negotiation, useless: set[Coding] | None = None) -> Reply | Coding:
        """What to send, or the coding that is to be made first.

        Args:
            entry: what is stored.
            negotiation: what the client accepts and holds.
            useless: codings that save too little, as was found for this request; what was kept may be gone by now.
        """
        useless = set() if useless is None else useless
        while True:
            available = tuple(coding for coding in self._available(entry, negotiation) if coding not in useless)
            found = choose(entry, negotiation, available)
            if isinstance(found, Reply):
                return found
            body = self._body(entry, found)
            if body is None:
                return found
            if body:
                return in_coding(entry, found, body)
            useless.add(found)

    def _available(self, entry: Entry, negotiation: Negotiation) -> tuple[Coding, ...]:
        if not negotiation.accepted and not negotiation.conditions:
            return ()
        if not self._codings or not self._may_be_coded(entry):
            return ()
        forms = self._known(entry)
        if forms is None:
            return self._codings
        return tuple(coding for coding in self._codings if forms.bodies.get(coding) != b"")

    @staticmethod
    def _may_be_coded(entry: Entry) -> bool:
        """Whether the answer was stored as one that clients may get in codings.

        Without Vary, a cache in front could take one coding for another.
        """
        return varies_by_coding(entry.headers) and compressible(entry.status, entry.headers, len(entry.body))

    def _body(self, entry: Entry, coding: Coding) -> bytes | None:
        """The body in a coding; b"" if that saves too little; None if it is to be made in a thread."""
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

    def _keep(self, entry: Entry, form: Form, body: bytes) -> None:
        self._forget_gone()
        forms = self._known(entry)
        if forms is None:
            of = _Entry(entry, self._gone.append)
            of.at = id(entry)
            self._forms[of.at] = forms = _Forms(of)
            self._bytes += forms.size
        self._resize(forms, -len(forms.bodies.pop(form, b"")))  # two requests may have made it at the same time
        dictionaries = [other for other in forms.bodies if isinstance(other, bytes)]
        if isinstance(form, bytes) and len(dictionaries) >= _MOST_BY_DICTIONARY:
            self._resize(forms, -len(forms.bodies.pop(dictionaries[0])))
        forms.bodies[form] = body
        self._resize(forms, len(body))
        while self._bytes > self._max_bytes and self._forms:
            self._bytes -= self._forms.popitem(last=False)[1].size

    def _resize(self, forms: _Forms, size: int) -> None:
        forms.size += size
        self._bytes += size

    def _forget_gone(self) -> None:
        while self._gone:
            of = self._gone.popleft()
            forms = self._forms.get(of.at)
            if forms is not None and forms.of is of:
                del self._forms[of.at]
                self._bytes -= forms.size

    def _begin(self, entry: Entry, form: Form, make: Callable[[], bytes]) -> asyncio.Task[bytes]:
        """The task that makes a form; it holds the entry, so that nothing else gets its place."""
        at = id(entry), form
        task = self._making.get(at)
        if task is None:
            task = self._making[at] = self._clean.begin(lambda: self._make(entry, form, make), "compress an answer")
            task.add_done_callback(lambda done: self._made(at, done))
        return task

    def _made(self, at: tuple[int, Form], task: asyncio.Task[bytes]) -> None:
        del self._making[at]
        if not task.cancelled() and (error := task.exception()) is not None:
            coding = DCZ if isinstance(at[1], bytes) else at[1]
            log.error("compressing an answer with %s failed", coding, exc_info=error)

    async def _make(self, entry: Entry, form: Form, make: Callable[[], bytes]) -> bytes:
        body = await asyncio.to_thread(make)
        self._keep(entry, form, body)
        return body
