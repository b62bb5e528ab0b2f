"""Several real processes with one LMDB store: what one does holds for the others; one that dies takes nothing along."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import lmdb_process
import pytest
from conformance import BUILD, entry_at
from lmdb_process import OtherProcess, progress, store_at, truth

from millpond.policy.eviction import Queue
from millpond.policy.freshness import judge
from millpond.policy.tags import TagRow
from millpond.stores.contract import Commit
from millpond.stores.lmdb.layout import EntryRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from millpond.stores.contract import Lease
    from millpond.stores.lmdb.store import LmdbStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LmdbStore]:
    store = store_at(tmp_path / "store")
    await store.open()
    yield store
    await store.close()


async def test_an_invalidation_in_one_process_holds_at_the_very_next_call_in_another(
    store: LmdbStore, tmp_path: Path
) -> None:
    stale = []
    with OtherProcess(tmp_path / "store") as other:
        for number in range(1000):
            tag = f"t{number % 7}"
            entry = entry_at(rendered_at=time.time(), generation=store.generation(), tags=(tag,))
            assert await store.commit(entry) is Commit.STORED
            assert judge(entry, time.time(), store.row, BUILD).fresh
            generation = other.call(lmdb_process.invalidate, tag)
            if judge(entry, time.time(), store.row, BUILD).servable or store.row(tag) != TagRow(generation, generation):
                stale.append(number)
    assert stale == []
    assert store.generation() == 1000


async def test_nobody_is_served_with_less_than_an_invalidation_promised(tmp_path: Path) -> None:
    upstream = truth()
    others = [OtherProcess(tmp_path / "store", upstream) for _ in range(3)]
    for number, other in enumerate(others):
        other.begin(lmdb_process.take_part, 8000, number)
    results = [other.result() for other in others]
    for other in others:
        other.__exit__()
    assert [wrong for _, _, wrong in results] == [[], [], []]
    assert sum(served for served, _, _ in results) > 100, "hardly anything was served: nothing was tested"
    store = store_at(tmp_path / "store")
    await store.open()
    assert store.generation() == sum(invalidations for _, invalidations, _ in results)
    await store.close()


async def test_what_another_process_reads_is_not_evicted(tmp_path: Path) -> None:
    size = entry_at("/0", body=b"x" * 1000).size
    store = store_at(tmp_path / "store", 10 * size)
    await store.open()
    for number in range(10):
        await store.commit(entry_at(f"/{number}", body=b"x" * 1000))
    with OtherProcess(tmp_path / "store") as other:
        other.call(lmdb_process.read, "/0", 5)
        other.call(lmdb_process.close)
        for number in range(10, 15):
            await store.commit(entry_at(f"/{number}", body=b"x" * 1000))
        assert store.peek("/0") is not None
        assert store.peek("/1") is None
        other.kill()
    await store.close()


async def test_the_lease_of_a_killed_process_runs_out(store: LmdbStore, tmp_path: Path) -> None:
    with OtherProcess(tmp_path / "store") as other:
        assert other.call(lmdb_process.acquire, "/a", 0.4)
        began = time.monotonic()
        other.kill()
    assert await store.acquire("/a", 10) is None
    await store.wait("/a", 30)
    assert time.monotonic() - began < 2
    assert await store.acquire("/a", 10) is not None


async def test_a_lease_of_another_process_is_seen_and_its_release_ends_the_wait(
    store: LmdbStore, tmp_path: Path
) -> None:
    lease = await store.acquire("/a", 60)
    assert lease is not None
    with OtherProcess(tmp_path / "store") as other:
        assert not other.call(lmdb_process.acquire, "/a", 60)
        await store.release(lease)
        assert other.call(lmdb_process.acquire, "/a", 60)


async def test_who_is_killed_in_the_middle_of_upkeep_leaves_a_sound_store_that_the_next_one_tidies(
    tmp_path: Path,
) -> None:
    chance, folder, done = random.Random(1), tmp_path / "store", progress()
    for _ in range(8):
        with OtherProcess(folder, done, max_tags=100) as writer:
            before = done.invalidated.value
            writer.begin(lmdb_process.deploy_without_end)
            wait_for_more(done, before)
            await asyncio.sleep(chance.uniform(0, 0.05))
            writer.kill()
        store = store_at(folder, max_tags=100)
        await store.open()
        check_is_sound(store)
        latest = f"build {done.committed.value}"
        await store.seed([entry_at("/new", time.time(), build=latest)])
        await store.tidy()
        check_is_sound(store)
        assert {entry.build for entry in store.entries()} <= {latest, f"build {done.committed.value + 1}"}
        await store.close()


def check_is_sound(store: LmdbStore) -> None:
    """The tables say the same of entries, and of rows."""
    with store._transactions.reading() as reading:
        txn, tables = reading
        state, counts = reading.state(), {name: txn.stat(table)["entries"] for name, table in tables._asdict().items()}
        with txn.cursor(db=tables.kept) as cursor:
            kept = [EntryRow.unpack(record) for _, record in cursor]
    assert counts["entries"] == counts["kept"] == counts["by_place"]
    assert counts["tags"] == counts["by_age"] + counts["condemned"]
    assert counts["ghosts"] == counts["by_ghost"]
    assert state.size == sum(one.size for one in kept)
    assert state.probation == sum(one.size for one in kept if one.queue is Queue.PROBATION)


@pytest.mark.parametrize("alone", [True, False], ids=["nobody else", "another process"])
async def test_a_writer_that_is_killed_loses_nothing_that_was_acknowledged(tmp_path: Path, alone: bool) -> None:
    """Ten rounds each; what comes after the kill is opened by a process that is alone, or joins one that went on."""
    chance, folder, done = random.Random(1), tmp_path / "store", progress()
    witness = store_at(folder)
    if not alone:
        await witness.open()
    for _ in range(10):
        with OtherProcess(folder, done) as writer:
            before = done.invalidated.value
            writer.begin(lmdb_process.write_without_end)
            wait_for_more(done, before)
            await asyncio.sleep(chance.uniform(0, 0.03))
            writer.kill()
        store = store_at(folder)
        await store.open()
        await check_nothing_was_lost(store, done)
        await store.close()
    if not alone:
        await check_nothing_was_lost(witness, done)
        await witness.close()
    assert not list(folder.glob("*.aside"))


def wait_for_more(done: lmdb_process.Progress, before: int) -> None:
    while done.invalidated.value == before:
        time.sleep(0.001)


async def check_nothing_was_lost(store: LmdbStore, done: lmdb_process.Progress) -> None:
    number = done.committed.value
    entry = store.peek(f"/{number % 50}")
    assert entry is not None
    assert int(entry.body.rstrip(b"x")) in (number, number + 50)
    assert store.generation() in (done.invalidated.value, done.invalidated.value + 1)
    if number > 1:
        row = store.row(f"tag {(number - 1) % 20}")
        assert row is not None
        assert row.generation >= done.invalidated.value - 1
    held = {found.key: found for found in store.entries()}
    assert all(held.get(f"/{one % 50}") is not None for one in range(max(1, number - 49), number + 1))
    lease = await lease_after(store, "/leased") or await lease_after(store, "/leased")
    assert lease is not None
    await store.release(lease)


async def lease_after(store: LmdbStore, key: str) -> Lease | None:
    """The lease, once nobody is seen to hold it.

    A process that dies while it ends a transaction leaves one that readers don't see until the next writer has come,
    with a lease in it perhaps. Nobody was told of it: it counts from then on, and the lease runs out like any other.
    """
    await store.wait(key, 5)
    return await store.acquire(key, 5)


async def test_readers_that_died_are_reaped_when_another_process_starts(store: LmdbStore, tmp_path: Path) -> None:
    with OtherProcess(tmp_path / "store") as other:
        other.call(lmdb_process.stay_in_a_read)
        other.kill()
    assert store._transactions.environment.facts()["readers"] == 1
    with OtherProcess(tmp_path / "store") as other:
        other.call(lmdb_process.ready)
        assert store._transactions.environment.facts()["readers"] == 0


async def test_a_full_disk_costs_entries_and_is_no_error_of_who_commits(tmp_path: Path) -> None:
    with OtherProcess(tmp_path / "store") as other:
        seen = other.call(lmdb_process.fill_a_full_disk)
    assert set(seen["outcomes"]) <= {"FAILED", "STORED"}
    assert "FAILED" in seen["outcomes"]
    assert seen["row"] is None
    assert seen["afterwards"] == "STORED"
    assert seen["invalidated"] == 1


def test_a_store_that_was_inherited_over_a_fork_is_refused(tmp_path: Path) -> None:
    script = f"""
        import asyncio, os, sys, time
        from pathlib import Path
        from millpond.stores.lmdb.store import LmdbStore
        from millpond.errors import StoreError

        folder = Path({str(tmp_path / "store")!r})

        async def main():
            store = LmdbStore(folder, max_bytes=10**6, clock=time.time)
            await store.open()
            store.invalidate(["t"])
            child = os.fork()
            if child == 0:
                said = 0
                for ask in (lambda: store.peek("/a"), lambda: store.row("t"), lambda: store.invalidate(["t"])):
                    try:
                        ask()
                    except StoreError as error:
                        said += "open it after the fork" in str(error)
                try:
                    await LmdbStore(folder, max_bytes=10**6, clock=time.time).open()
                except StoreError as error:
                    said += "open it after the fork" in str(error)
                os._exit(said)
            status = os.waitpid(child, 0)[1]
            assert store.generation() == 1
            await store.close()
            return os.waitstatus_to_exitcode(status)

        sys.exit(asyncio.run(main()))
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (4, "")


def test_a_process_that_was_forked_before_opens_a_store_of_its_own(tmp_path: Path) -> None:
    script = f"""
        import asyncio, os, sys, time
        from pathlib import Path
        from millpond.stores.lmdb.store import LmdbStore

        async def count():
            store = LmdbStore(Path({str(tmp_path / "store")!r}), max_bytes=10**6, clock=time.time)
            await store.open()
            for _ in range(500):
                store.invalidate(["t"])
            await store.close()

        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                asyncio.run(count())
                os._exit(0)
            children.append(child)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0

        async def total():
            store = LmdbStore(Path({str(tmp_path / "store")!r}), max_bytes=10**6, clock=time.time)
            await store.open()
            found = store.generation()
            await store.close()
            return found

        print(asyncio.run(total()))
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=30)
    assert (ended.stdout.strip(), ended.stderr) == ("1500", "")


async def test_slots_of_readers_that_were_killed_are_used_again_when_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond.stores.lmdb.opening._MAX_READERS", 3)
    store = store_at(tmp_path / "store")
    await store.open()
    environment = store._transactions.environment
    with OtherProcess(tmp_path / "store") as other:
        other.call(lmdb_process.stay_in_a_read)
        other.kill()
    assert environment.facts()["readers"] == 1
    reading = [environment.begin() for _ in range(3)]
    assert environment.facts()["readers"] == 3
    del reading
    await store.close()
