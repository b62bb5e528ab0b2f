"""Answers that clients hold as compression dictionaries, by the digest of their bodies (RFC 9842)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from millpond.policy.entry import Entry
from millpond.policy.http.coding import compressible, with_vary
from millpond.policy.http.dictionary import AVAILABLE, dictionary_key, pattern_for, use_header, use_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from millpond.policy.entry import Coding
    from millpond.render.target import Target
    from millpond.stores.contract import Store

MAX_BYTES = 4 * 1024 * 1024
"""Of a dictionary: a larger answer isn't used as one, as compressing by it takes long."""


class Dictionaries:
    """The dictionaries in a store. They belong to no build: what a client has from before a deploy is one, too.

    They have no lifetime, as nobody knows until when clients use one: a static answer may be sent for a year. The store
    evicts those that nobody asks for.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, digest: bytes, answer: Entry) -> bytes | None:
        """The dictionary with that SHA-256 digest, if it is one for `answer`."""
        use = use_of(answer.headers)
        entry = None if use is None else await self._store.get(dictionary_key(digest, use))
        return None if entry is None else entry.body

    async def keep(self, entry: Entry) -> None:
        """Keep the body of an answer, if clients are told to use it as a dictionary."""
        for each in dictionaries_of((entry,)):
            await self._store.commit(each)


def dictionaries_of(entries: Iterable[Entry]) -> Iterator[Entry]:
    """For each answer that clients are told to use as a dictionary, the entry that keeps its body."""
    for entry in entries:
        use = use_of(entry.headers)
        if use is not None:
            yield Entry(
                key=dictionary_key(sha256(entry.body).digest(), use),
                kind="dictionary",
                status=200,
                headers=(),
                body=entry.body,
                rendered_at=entry.rendered_at,
                revalidate=None,
                expire=None,
                generation=entry.generation,
            )


def announced(entry: Entry, target: Target, sent_path: Callable[[Target], str], codings: Sequence[Coding]) -> Entry:
    """The entry with the headers for its route's `compression_dictionary`; unchanged if it has none.

    Args:
        entry: the answer.
        target: what was rendered.
        sent_path: the encoded path as clients ask for it.
        codings: those in which clients may get answers; without any, none is compressed.
    """
    chosen = target.route.config.compression_dictionary
    size = len(entry.body)
    if (
        not chosen
        or target.content is not None
        or not codings
        or size > MAX_BYTES
        or not compressible(entry.status, entry.headers, size)
    ):
        return entry
    match = chosen if isinstance(chosen, str) else pattern_for(sent_path(target))
    headers = (*with_vary(entry.headers), (b"vary", AVAILABLE), use_header(match))
    return msgspec.structs.replace(entry, headers=headers)
