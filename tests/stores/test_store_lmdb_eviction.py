"""What the LMDB store evicts, and when; and its byte limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conformance import NOW, MovableClock, entry_at
from lmdb_views import Opener, keys_of, views_of

from millpond.stores.contract import Commit
from millpond.stores.lmdb import entries as lmdb_entries
from millpond.stores.lmdb.inspection import LmdbInspection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from millpond.stores.lmdb.open_transaction import Writing


pytestmark = pytest.mark.anyio

ENTRY_BYTES = entry_at("/0", body=b"x" * 1000).size


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture
async def opened(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Opener]:
    async with views_of(tmp_path / "store", clock) as opener:
        yield opener


# Recency and bounds


async def test_as_many_evicted_keys_are_remembered_as_there_are_entries(opened: Opener) -> None:
    store = await opened(max_bytes=10 * ENTRY_BYTES)
    for number in range(100):
        await store.commit(entry_at(f"/{number}", body=b"x" * 1000))
    with store._transactions.reading() as (txn, tables):
        remembered = txn.stat(tables.ghosts)["entries"]
        assert remembered == txn.stat(tables.by_ghost)["entries"]
        assert remembered <= txn.stat(tables.kept)["entries"] <= 10


async def test_one_large_entry_makes_room_in_short_transactions(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(max_bytes=400 * ENTRY_BYTES)
    for number in range(400):
        await store.commit(entry_at(f"/{number}", body=b"x" * 1000))
    dropped: list[int] = []
    evict = lmdb_entries.evict

    def counted(writing: Writing, max_bytes: int, room: int, turns: int, spared: bytes = b"") -> bool:
        before = writing.txn.stat(writing.tables.kept)["entries"]
        done = evict(writing, max_bytes, room, turns, spared)
        dropped.append(before - writing.txn.stat(writing.tables.kept)["entries"])
        return done

    monkeypatch.setattr(lmdb_entries, "evict", counted)
    large = entry_at("/large", body=b"x" * 300 * 1000)
    assert await store.commit(large) is Commit.STORED
    assert store.peek("/large") == large
    assert sum(dropped) >= 250
    assert max(dropped) <= 32


async def test_listing_the_entries_does_not_count_as_use(opened: Opener) -> None:
    store = await opened(max_bytes=2 * ENTRY_BYTES)
    for key in ("/0", "/1"):
        await store.commit(entry_at(key, body=b"x" * 1000))
    store.peek("/0")
    list(store.entries())
    await store.commit(entry_at("/2", body=b"x" * 1000))
    assert keys_of(store) == {"/0", "/2"}


async def test_reads_count_after_a_restart(opened: Opener) -> None:
    store = await opened(max_bytes=3 * ENTRY_BYTES)
    for number in range(3):
        await store.commit(entry_at(f"/{number}", body=b"x" * 1000))
    store.peek("/0")
    await store.close()
    store = await opened(max_bytes=3 * ENTRY_BYTES)
    await store.commit(entry_at("/3", body=b"x" * 1000))
    assert keys_of(store) == {"/0", "/2", "/3"}


async def test_a_smaller_limit_holds_from_the_next_commit_on(opened: Opener) -> None:
    store = await opened(max_bytes=9 * ENTRY_BYTES)
    for number in range(9):
        await store.commit(entry_at(f"/{number}", body=b"x" * 1000))
    await store.close()
    store = await opened(max_bytes=2 * ENTRY_BYTES)
    await store.commit(entry_at("/9", body=b"x" * 1000))
    assert keys_of(store) == {"/8", "/9"}


async def test_the_file_does_not_grow_with_what_passes_through(opened: Opener, tmp_path: Path) -> None:
    store = await opened(max_bytes=200_000)
    sizes = []
    for number in range(6000):
        await store.commit(entry_at(f"/{number}", number, body=b"x" * (number * 37 % 9000), tags=(f"t{number}",)))
        store.invalidate([f"t{number % 500}"])
        if number in (1500, 5999):
            sizes.append((tmp_path / "store" / "data.mdb").stat().st_size)
    assert sizes[1] < 1.3 * sizes[0] < 4_000_000


async def test_what_a_process_keeps_to_itself_is_bounded(opened: Opener) -> None:
    store = await opened(local_bytes=10_000)
    for number in range(100):
        await store.commit(entry_at(f"/{number}", body=b"x" * 1000))
        store.peek(f"/{number}")
    await store.commit(entry_at("/large", body=b"x" * 20_000))
    assert store.peek("/large") is not None
    local = store._known()._local
    assert sum(known.size for known in local._entries.values()) == local._bytes <= 10_000
    assert store.peek("/0") is not None


async def test_an_entry_that_was_read_is_not_decoded_again_until_it_is_another(opened: Opener) -> None:
    store, other = await opened(), await opened()
    await other.commit(entry_at("/a"))
    store.peek("/a")  # of what is read once, nothing is kept
    first = store.peek("/a")
    await other.commit(entry_at("/b"))
    assert store.peek("/a") is first
    await other.commit(entry_at("/a", NOW + 1))
    assert store.peek("/a") == entry_at("/a", NOW + 1)


async def test_what_is_written_and_never_read_again_is_kept_by_no_process(opened: Opener) -> None:
    store = await opened()
    for number in range(50):
        await store.commit(entry_at(f"/{number}"))
    local = store._known()._local
    assert len(local._entries) < 5  # another key may look as if it had been seen
    first = store.peek("/0")
    assert first is not None
    await store.commit(entry_at("/other"))
    assert store.peek("/0") is first


async def test_what_is_in_use_stays_at_hand_when_it_is_written_again(opened: Opener) -> None:
    store = await opened()
    await store.commit(entry_at("/a"))
    store.peek("/a")
    later = entry_at("/a", NOW + 1)
    await store.commit(later)
    assert store.peek("/a") is later


async def test_hits_are_counted(opened: Opener, tmp_path: Path) -> None:
    store = await opened()
    await store.commit(entry_at("/a"))
    for _ in range(5000):
        store.peek("/a")
    await store.close()
    with LmdbInspection(tmp_path / "store") as inside:
        found = inside.show("/a")
    assert found is not None
    assert found.hits == 5000
