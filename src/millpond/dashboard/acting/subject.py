"""What an act is about: a path, a route, a tag or one entry, and what it reaches."""

from __future__ import annotations

import asyncio
import shlex
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from millpond.cache.invalidation_order import InvalidationOrder
from millpond.errors import UsageError
from millpond.policy.key import path_in
from millpond.stores.valkey.layout import Layout
from millpond.warm.refreshing.reached_entries import ANSWER, ReachedEntries, asked_for, reached_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.dashboard.operated import Operated
    from millpond.policy.entry import Entry

SubjectKind = Literal["path", "route", "tag", "entry"]
_LONGEST_SUBJECT = 1024
_SHORTEST_ID = 6
_ID_BYTES = 16


class Subject(NamedTuple):
    """What an act is about."""

    kind: SubjectKind
    name: str
    """The path, the pattern, the tag, or the title of the entry."""
    order: InvalidationOrder
    """Invalidates it."""
    reached: ReachedEntries
    entry: Entry | None = None
    id: str = ""
    """Of the entry."""

    @property
    def option(self) -> str:
        """What commands call it."""
        name = self.name if self.entry is None else path_in(self.entry.key) or self.name
        return f"--{'tag' if self.kind == 'tag' else 'path'} {shlex.quote(name)}"

    @property
    def can_be_made(self) -> bool:
        """Whether it can be rendered; data is made by whoever reads it."""
        return self.entry is None or self.entry.kind == ANSWER


async def subject_of(operated: Operated, kind: str, name: str) -> Subject | None:
    """What a URL of the dashboard names, and what is reached by it; None: there is no such thing.

    Raises:
        StoreError: the store can't be read.
    """
    known: SubjectKind | None = next((each for each in get_args(SubjectKind) if each == kind), None)
    if known is None or not name or len(name) > _LONGEST_SUBJECT:
        return None
    if known == "entry":
        return await asyncio.to_thread(_entry, operated, name)
    try:
        if known == "tag":
            order = InvalidationOrder.of([name], [], None, operated.names)
        else:
            order = InvalidationOrder.of([], [name], None, operated.names)
    except UsageError:
        return None
    reached = await asyncio.to_thread(lambda: reached_by(entries_of(operated), order.reached_tags))
    return Subject(known, name, order, reached)


def entry_id(key: str) -> str:
    """What `millpond cache ls` calls the entry of a key, unless its store is shared."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_ID_BYTES).hexdigest()


class _EntryIds:
    """Names entries as their store does."""

    def __init__(self, *, is_shared: bool) -> None:
        self._is_shared = is_shared
        self._layouts: dict[str, Layout] = {}

    def of(self, entry: Entry) -> str:
        """The id of one; in a shared store it depends on the build, too."""
        if not self._is_shared:
            return entry_id(entry.key)
        layout = self._layouts.get(entry.build)
        if layout is None:
            layout = self._layouts[entry.build] = Layout("", entry.build)
        return layout.name(entry.key)


def entries_of(operated: Operated) -> Iterator[Entry]:
    """All entries of the store; it may wait, so call it in a thread."""
    return operated.store.entries()


def _entry(operated: Operated, name: str) -> Subject | None:
    wanted = name.lower()
    if len(wanted) < _SHORTEST_ID:
        return None
    ids = _EntryIds(is_shared=operated.config.cache.kind == "valkey")
    entry = next((each for each in entries_of(operated) if ids.of(each).startswith(wanted)), None)
    if entry is None:
        return None
    path = path_in(entry.key)
    if entry.kind != ANSWER or path is None:
        reached = ReachedEntries()
        reached.add(entry)
        return Subject(
            "entry", entry.key.replace("\0", " ").strip(), InvalidationOrder([], []), reached, entry, ids.of(entry)
        )
    order = InvalidationOrder.of([], [path], None, operated.names)
    reached = reached_by(entries_of(operated), order.reached_tags)
    return Subject("entry", asked_for(entry) or path, order, reached, entry, ids.of(entry))
