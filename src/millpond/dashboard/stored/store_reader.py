"""Reads the store for pages: in a thread, so that requests are answered meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from millpond.stores.factory import inspection_of
from millpond.stores.memory import MemoryStore
from millpond.stores.memory_inspection import MemoryInspection

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.dashboard.operated import Operated
    from millpond.stores.maintenance_contract import StoreInspection

T = TypeVar("T")


async def read_store(operated: Operated, work: Callable[[StoreInspection], T]) -> T:
    """What `work` finds in the store.

    Raises:
        StoreError: the store can't be read now.
    """
    return await asyncio.to_thread(_worked, operated, work)


def _worked(operated: Operated, work: Callable[[StoreInspection], T]) -> T:
    with _opened(operated) as store:
        return work(store)


def _opened(operated: Operated) -> StoreInspection:
    if isinstance(operated.store, MemoryStore):
        return MemoryInspection(operated.store)
    return inspection_of(operated.project, operated.config.cache)
