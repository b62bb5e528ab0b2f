"""What a server knows of the application that it serves."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from millpond.advice.gathering.gathered import KnownSources, StoredNow
from millpond.advice.gathering.seen_traffic import DAY
from millpond.errors import BuildError
from millpond.prerender.build_manifest import read_manifest
from millpond.stores.factory import inspection_of
from millpond.stores.maintenance_contract import ListedEntry
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from millpond.config import Config
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.plan import Plan
    from millpond.stores.contract import Store
    from millpond.telemetry.counting import Counting

_MOST_ENTRIES = 100_000
"""Looked at in a server: more take seconds of its processor. `millpond advise` looks at all."""


def sources_of(
    project: Path, config: Config, plans: Sequence[Plan], counting: Counting, build: str, now: float
) -> KnownSources:
    """Where what is known comes from.

    Args:
        project: its folder.
        config: the application's.
        plans: of its routes.
        counting: what it counts.
        build: the id of the build that is served.
        now: seconds since the epoch.
    """
    return KnownSources(
        project=project,
        config=config,
        plans=plans,
        manifest=_manifest_of(project, build),
        minutes=counting.minutes(now - DAY),
        totals=counting.totals(),
        events=counting.journal.latest(now=now),
        environ=os.environ,
        now=now,
    )


def _manifest_of(project: Path, build: str) -> BuildManifest | None:
    """The manifest of the build that is served; None where there is none, or another one by now."""
    try:
        manifest = read_manifest(project)
    except BuildError:  # the next start says so
        return None
    return manifest if manifest is not None and manifest.build == build else None


@contextmanager
def stored_in(project: Path, config: Config, store: Store) -> Iterator[StoredNow]:
    """The store of a server, open for reading; not in the thread of the event loop.

    Raises:
        StoreError: it can't be read now.
    """
    if isinstance(store, MemoryStore):
        reads = store.reads()
        kept = [
            ListedEntry(entry, "", entry.size, entry.generation, reads.get(entry.key, 0), 0)
            for entry in store.entries()
        ]
        yield StoredNow(entries=kept, row_of=store.row, bytes=sum(each.size for each in kept), most=_MOST_ENTRIES)
        return
    with inspection_of(project, config.cache) as opened:
        yield StoredNow(entries=opened.entries(), row_of=opened.row, bytes=opened.stats().bytes, most=_MOST_ENTRIES)
