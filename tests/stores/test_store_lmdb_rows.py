"""Tag rows of the LMDB store: how they are pruned, and what readers know of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import lmdb
import pytest
from conformance import BUILD, NOW, MovableClock, entry_at, taken
from lmdb_views import Opener, keys_of, views_of

from millpond.policy.freshness import judge
from millpond.policy.tags import TagRow
from millpond.stores.contract import Commit
from millpond.stores.lmdb import tag_rows as lmdb_tags
from millpond.stores.lmdb.layout import DIGEST_BYTES
from millpond.stores.lmdb.upkeep.steps import Steps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from millpond.stores.lmdb.open_transaction import Reading, Writing
    from millpond.stores.lmdb.store import LmdbStore


pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture
async def opened(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Opener]:
    async with views_of(tmp_path / "store", clock) as opener:
        yield opener


# Tag rows


async def pruned(store: LmdbStore, rows: int) -> None:
    """Invalidate that many other tags, and prune as often as their number asks for it."""
    for number in range(rows):
        store.invalidate([f"tag {number}"])
        await store.tidy()


async def test_rows_and_journal_are_bounded(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millpond.stores.lmdb.tag_rows._INVALIDATIONS_REMEMBERED", 50)
    store = await opened(max_tags=80)
    await pruned(store, 400)
    with store._transactions.reading() as (txn, tables):
        assert txn.stat(tables.tags)["entries"] <= 80 + 2 * 10
        assert txn.stat(tables.by_age)["entries"] <= 80
        assert txn.stat(tables.journal)["entries"] == 50
    assert store.row("tag 399") is not None
    assert store.row("tag 0") is None


async def test_a_row_that_goes_takes_the_entries_it_has_ended_with_it(opened: Opener, clock: MovableClock) -> None:
    store, other = await opened(max_tags=8), await opened(max_tags=8)
    await store.commit(entry_at("/ended", tags=("t",)))
    await store.commit(entry_at("/other", tags=("u",)))
    store.invalidate(["t"])
    for number in range(20):
        store.invalidate([f"tag {number}"])
        await store.tidy()
        there = other.peek("/ended")
        assert there is None or not judge(there, clock(), other.row, BUILD).servable
    assert (await opened(max_tags=8)).row("t") is None
    assert keys_of(store) == {"/other"}


async def test_a_full_table_ends_nothing_that_may_still_be_served(opened: Opener, clock: MovableClock) -> None:
    store = await opened(max_tags=8)
    stale, expiring = entry_at("/stale", tags=("t",)), entry_at("/expiring", tags=("u",))
    await store.commit(stale)
    await store.commit(expiring)
    store.invalidate(["t"], expire_after=None)
    store.invalidate(["u"], expire_after=60)
    await pruned(store, 50)
    for entry in (stale, expiring):
        verdict = judge(entry, clock(), store.row, BUILD)
        assert (store.peek(entry.key), verdict.servable, verdict.fresh) == (entry, True, False)
    clock.advance(61)
    await pruned(store, 50)
    assert keys_of(store) == {"/stale"}
    await store.commit(entry_at("/stale", NOW + 61, tags=("t",), generation=store.generation()))
    await pruned(store, 50)
    assert (await opened()).row("t") is None


async def test_a_row_that_an_entry_needs_which_comes_during_the_pruning_stays(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(max_tags=8)
    captured = store.generation()
    store.invalidate(["t"], expire_after=None)
    for number in range(20):
        store.invalidate([f"tag {number}"])
    write_each, late = Steps.write_each, entry_at(tags=("t",), generation=captured)

    async def late_commit(steps: Steps, items: list[bytes], work: Callable[[Writing, bytes], bool]) -> None:
        if len(items[0]) > DIGEST_BYTES:  # rows are to be condemned, so all entries have been looked at
            assert await store.commit(late) is Commit.STORED
        await write_each(steps, items, work)

    with monkeypatch.context() as patching:
        patching.setattr(Steps, "write_each", late_commit)
        await store.tidy()
    assert (await opened()).row("tag 0") is not None, "a condemned row is there until the next pruning"
    await pruned(store, 20)
    assert (await opened()).row("tag 0") is None
    row = (await opened()).row("t")
    assert row is not None
    assert row.generation > late.generation


async def test_a_row_that_goes_leaves_entries_that_were_rendered_after_it(opened: Opener) -> None:
    store = await opened(max_tags=8)
    generation = store.invalidate(["t"])
    await store.commit(entry_at(tags=("t",), generation=generation))
    await pruned(store, 20)
    assert store.row("t") is None
    assert keys_of(store) == {"/a"}


async def test_a_render_that_is_older_than_a_row_that_went_is_refused(opened: Opener) -> None:
    store = await opened(max_tags=8)
    captured = store.generation()
    store.invalidate(["t"])
    await pruned(store, 20)
    late = entry_at(tags=("t",), generation=captured, rendered_at=NOW - 1)
    assert await store.commit(late) is Commit.INVALIDATED
    await store.seed([late])
    assert keys_of(store) == set()


async def test_a_row_that_is_invalidated_again_counts_as_young(opened: Opener) -> None:
    store = await opened(max_tags=8)
    entry = entry_at(tags=("t",))
    await store.commit(entry)
    for number in range(50):
        store.invalidate(["t"], expire_after=None)
        store.invalidate([f"tag {number}"])
        await store.tidy()
    assert store.peek("/a") == entry
    assert store.row("t") is not None


async def test_a_reader_with_an_entry_in_hand_still_finds_the_row_that_ended_it(
    opened: Opener, clock: MovableClock
) -> None:
    store, other = await opened(max_tags=80), await opened(max_tags=80)
    await store.commit(entry_at(tags=("t",)))
    in_hand = store.peek("/a")
    store.invalidate(["t"])
    number = 0
    while store.peek("/a") is not None:
        store.invalidate([f"tag {number}"])
        await store.tidy()
        number += 1
    assert in_hand is not None
    assert not judge(in_hand, clock(), other.row, BUILD).servable


async def test_of_two_processes_one_prunes(opened: Opener) -> None:
    store, other = await opened(max_tags=8), await opened(max_tags=8)
    lease = await taken(store, "\0upkeep", 60)
    await pruned(other, 20)
    assert store.row("tag 0") is not None
    await store.release(lease)
    await pruned(other, 1)
    with store._transactions.reading() as (txn, tables):
        assert txn.stat(tables.by_age)["entries"] <= 8


async def test_a_writer_who_is_busy_when_pruning_ends_delays_no_later_one(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(max_tags=8)
    lock, loop = store._transactions.environment.lock, asyncio.get_running_loop()

    async def meanwhile_another_writes(*_: object) -> None:
        assert lock.take()
        loop.call_later(0.01, lock.give)

    with monkeypatch.context() as patched:
        patched.setattr("millpond.stores.lmdb.upkeep.housekeeping.prune", meanwhile_another_writes)
        store.invalidate([f"tag {number}" for number in range(20)])
        await store.tidy()
    assert await store.acquire("\0upkeep", 60) is not None


async def test_upkeep_that_is_ended_ends_also_where_nothing_can_be_written(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, begun = await opened(max_tags=8), asyncio.Event()

    async def goes_on(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    def fails(*_: object, **__: object) -> bool:
        raise lmdb.DiskError("full")

    store.invalidate([f"tag {number}" for number in range(20)])
    with monkeypatch.context() as patched:
        patched.setattr("millpond.stores.lmdb.upkeep.housekeeping.prune", goes_on)
        upkeep = asyncio.create_task(store.tidy())
        await begun.wait()
        patched.setattr("millpond.stores.lmdb.transactions._transact", fails)
        upkeep.cancel()
        await asyncio.wait((upkeep,))
    assert upkeep.cancelled()


# What readers know of rows


async def test_an_invalidation_costs_readers_the_rows_that_it_wrote(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = await opened(), await opened()
    tags = [f"t{number}" for number in range(20)]
    store.invalidate(tags)
    asked: list[str] = []
    row_of = lmdb_tags.row_of

    def counted(at: Reading, tag: str, lost: int) -> TagRow | None:
        asked.append(tag)
        return row_of(at, tag, lost)

    for tag in tags:
        other.row(tag)
    generation = store.invalidate(["t3", "new"])
    monkeypatch.setattr(lmdb_tags, "row_of", counted)
    assert [tag for tag in tags if (other.row(tag) or TagRow(0)).generation == generation] == ["t3"]
    assert asked == ["t3"]


async def test_after_more_invalidations_than_can_be_followed_every_row_is_read_again(opened: Opener) -> None:
    store, other = await opened(), await opened()
    assert other.row("t") is None
    generation = store.invalidate(["t"])
    for start in range(0, 2000, 100):
        store.invalidate([f"tag {number}" for number in range(start, start + 100)])
    row = other.row("t")
    assert row is not None
    assert row.generation == generation
