"""What a run does with the store, as spans: looks an entry up, waits for a lease, commits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.tags import Named, named
from millpond.render.failures.masking import masked
from millpond.telemetry.spans import KEY, KIND, TAGS, Spans, digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Link, SpanContext

    from millpond.policy.entry import Entry
    from millpond.stores.contract import Commit, Lease, Store

_MOST_TAGS = 20


class StoreSpans(NamedTuple):
    """Calls a store, with a span around each call that may take time."""

    store: Store
    spans: Spans

    async def get(self, key: str) -> Entry | None:
        """The entry of `key`, where this process doesn't know it."""
        if not self.spans.are_made():
            return await self.store.get(key)
        with self.spans.below(None, "store get", {KEY: digest_of(key), KIND: kind_in(key)}) as span:
            entry = await self.store.get(key)
            span.set_attribute("millpond.store.found", entry is not None)
            return entry

    async def commit(self, entry: Entry, lease: Lease | None, traced: SpanContext | None) -> Commit:
        """Store what a run has made, whose span is `traced`; the lease ends with it."""
        if traced is None or not self.spans.are_made():
            return await self.store.commit(entry, lease, ends=True)
        named = {KEY: digest_of(entry.key), KIND: entry.kind, TAGS: told_tags(entry.tags)}
        with self.spans.below(traced, "store commit", named) as span:
            outcome = await self.store.commit(entry, lease, ends=True)
            span.set_attribute("millpond.outcome", outcome.value)
            return outcome

    def waited(self, key: str, seconds: float, caused_by: Link | None) -> None:
        """Another process's lease was waited for."""
        if self.spans.are_made():
            self.spans.past("lease wait", seconds, caused_by, {KEY: digest_of(key), KIND: kind_in(key)})


def told_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The first tags of an entry, as people name them; without those that every path has by what it is below."""
    names = [named(tag) for tag in tags]
    return tuple(_told(*each) for each in [each for each in names if each[0] is not Named.BELOW][:_MOST_TAGS])


def _told(kind: Named, name: str) -> str:
    name = masked(name, os.environ)
    return name if kind is Named.TAG else f"{kind.value}:{name}"


def kind_in(key: str) -> str:
    """The kind of entry, as its key begins."""
    return key.partition("\0")[0]
