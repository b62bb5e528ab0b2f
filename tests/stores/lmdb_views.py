"""Several views of one LMDB store, as several processes would have them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from conformance import PLENTY

from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from conformance import MovableClock


class Opener(Protocol):
    """Opens one more view."""

    async def __call__(
        self, max_bytes: int = PLENTY, max_tags: int = 100_000, local_bytes: int = PLENTY
    ) -> LmdbStore: ...


@contextlib.asynccontextmanager
async def views_of(folder: Path, clock: MovableClock) -> AsyncIterator[Opener]:
    """Opens views of the store in a folder; they are closed at the end."""
    stores: list[LmdbStore] = []

    async def open_one(max_bytes: int = PLENTY, max_tags: int = 100_000, local_bytes: int = PLENTY) -> LmdbStore:
        store = LmdbStore(
            folder, max_bytes=max_bytes, clock=clock, max_tags=max_tags, monotonic=clock, local_bytes=local_bytes
        )
        await store.open()
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        await store.close()


def keys_of(store: LmdbStore) -> set[str]:
    return {entry.key for entry in store.entries()}
