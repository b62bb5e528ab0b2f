"""The store of one build's processes: a key's entry is made by one of them, also where code blocks its event loop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from conformance import NOW, PLENTY, entry_at

from millpond.stores import build_store
from millpond.stores.build_store import BuildStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[BuildStore]:
    opened = BuildStore(tmp_path / "store", max_bytes=PLENTY, clock=lambda: NOW)
    await opened.open()
    yield opened
    await opened.close()


async def test_what_one_makes_while_it_holds_a_key_the_next_finds(store: BuildStore) -> None:
    entry, found = entry_at(), []

    def next_one() -> None:
        with store.held("/a"):
            found.append(store.peek("/a"))

    with store.held("/a"):
        assert store.peek("/a") is None
        assert await store.acquire("/a", 10) is None
        thread = threading.Thread(target=next_one)
        thread.start()
        store.keep(entry)
        assert not found
    thread.join()
    assert found == [entry]
    assert await store.acquire("/a", 10) is not None


async def test_what_is_held_for_too_long_is_made_twice(store: BuildStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_store, "_PATIENCE", 0.01)
    lease = await store.acquire("/a", 10)
    assert lease is not None
    with store.held("/a"):
        assert await store.renew(lease, 10)
    assert await store.renew(lease, 10)  # it is still the other one's


async def test_another_key_is_free(store: BuildStore) -> None:
    with store.held("/a"), store.held("/b"):
        assert await store.acquire("/c", 10) is not None
