"""A process, or something else, stands still in a write transaction: who waits for it, how long, and what is said."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

import lmdb_process
import pytest
from conformance import BUILD, entry_at
from lmdb_process import OtherProcess, store_at

from millpond.errors import StoreError
from millpond.policy.freshness import judge
from millpond.stores.contract import Commit
from millpond.stores.lmdb.lock import WriteLock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from other_process import OtherProcess as AnyProcess

    from millpond.stores.lmdb.store import LmdbStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[LmdbStore]:
    store = store_at(folder)
    await store.open()
    await store.commit(entry_at("/a", time.time(), tags=("t",)))
    yield store
    began = time.monotonic()
    await store.close()
    assert time.monotonic() - began < 5  # whoever stands still


@pytest.fixture(params=["a process of ours", "another program"])
def stopped(request: pytest.FixtureRequest, store: LmdbStore, folder: Path) -> Iterator[int]:
    """The id of a process that was stopped in a write transaction."""
    if request.param == "another program":
        with outsider(folder) as process:
            assert process.stdout is not None
            process.stdout.readline()
            os.waitpid(process.pid, os.WUNTRACED)
            yield from stopped_by_now(process.pid)
        return
    with OtherProcess(folder) as other:
        yield from stopped_by_now(stood_still(other))
        other.result()


def outsider(folder: Path) -> subprocess.Popen[str]:
    script = f"""
        import lmdb, os, signal
        env = lmdb.open({str(folder)!r}, max_dbs=9, map_size=0, lib_version=0)
        with env.begin(write=True):
            print("there", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)


def stood_still(other: AnyProcess) -> int:
    """The id of the process, once it is stopped in a write transaction."""
    pid = other.process.pid
    assert pid is not None
    other.begin(lmdb_process.stand_still_in_a_write)
    os.waitpid(pid, os.WUNTRACED)
    return pid


def stopped_by_now(pid: int) -> Iterator[int]:
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_hits_and_the_loop_go_on_and_writes_are_given_up_after_a_bound(
    store: LmdbStore, stopped: int, caplog: pytest.LogCaptureFixture
) -> None:
    turns, going = 0, True

    async def turn() -> None:
        nonlocal turns
        while going:
            entry = store.peek("/a")
            assert entry is not None
            assert judge(entry, time.time(), store.row, BUILD).fresh
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    writes = [store.commit(entry_at(f"/{number}", generation=store.generation())) for number in range(100)]
    before = turns
    assert set(await asyncio.wait_for(asyncio.gather(*writes), 10)) == {Commit.FAILED}
    assert turns - before > 100
    began = turns
    assert await store.acquire("/a", 10) is None  # who comes later doesn't wait: it has been found out
    assert turns - began < 20
    going = False
    await turning
    assert f"process {stopped}, which is stopped (SIGSTOP), has been in a write transaction" in caplog.text
    assert caplog.text.count("what is rendered isn't cached") == 1


async def test_an_invalidation_says_who_keeps_it_from_being_written(store: LmdbStore, stopped: int) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match=f"can't invalidate: process {stopped}, which is stopped"):
        store.invalidate(["t"])
    with pytest.raises(StoreError, match="can't remove"):
        await store.remove("/a")
    assert time.monotonic() - began < 5
    os.kill(stopped, signal.SIGCONT)
    ends = time.monotonic() + 10
    while True:
        try:
            assert store.invalidate(["t"]) == 1
            break
        except StoreError:
            assert time.monotonic() < ends
            await asyncio.sleep(0.01)
    assert await store.commit(entry_at("/b", generation=1)) is Commit.STORED


async def test_another_process_that_opens_the_store_meanwhile_says_who_is_in_the_way(
    store: LmdbStore, stopped: int, folder: Path
) -> None:
    assert "has been in a write transaction for too long" in (said := said_at_opening(folder))
    assert f"process {stopped}, which is stopped (SIGSTOP)" in said or "another process" in said


def said_at_opening(folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OPENING.format(folder=str(folder)))],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout


OPENING = """
    import asyncio, time
    from pathlib import Path
    from millpond.errors import StoreError
    from millpond.stores.lmdb import opening
    from millpond.stores.lmdb import environment as lmdb_environment
    from millpond.stores.lmdb.store import LmdbStore

    opening._PATIENCE_SECONDS = 0.5
    try:
        asyncio.run(LmdbStore(Path({folder!r}), max_bytes=10**6, clock=time.time).open())
    except StoreError as error:
        print(error)
"""


async def test_a_short_stop_is_waited_for(store: LmdbStore, folder: Path) -> None:
    with OtherProcess(folder) as other:
        pid = stood_still(other)
        asyncio.get_running_loop().call_later(0.05, os.kill, pid, signal.SIGCONT)
        assert await store.commit(entry_at("/b")) is Commit.STORED
        other.result()


async def test_a_holder_that_is_killed_is_waited_for_no_longer(store: LmdbStore, folder: Path) -> None:
    with OtherProcess(folder) as other:
        stood_still(other)
        assert await store.commit(entry_at("/b")) is Commit.FAILED
        other.kill()
    assert await store.commit(entry_at("/b")) is Commit.STORED
    assert store.invalidate(["t"]) == 1


async def test_what_was_read_is_written_down_later_when_it_cannot_be_now(store: LmdbStore, folder: Path) -> None:
    reads = store._known().reads
    store.peek("/a")
    with OtherProcess(folder) as other:
        pid = stood_still(other)
        store._note_reads()
        assert len(reads) == 1
        os.kill(pid, signal.SIGCONT)
        other.result()
    store._note_reads()
    assert len(reads) == 0


def test_another_number_is_not_taken_for_that_of_the_holder(tmp_path: Path) -> None:
    """Taken for LMDB's lock, the word that counts transactions, or readers, would say for ever that somebody has it."""
    data, lock = tmp_path / "data.mdb", tmp_path / "lock.mdb"
    data.write_bytes(b"")
    thread = threading.get_native_id()
    held = WriteLock(data, lock_file(lock, thread, readers=thread, owner=thread), readonly=False)
    held.note_held()
    lock_file(lock, thread + 1, readers=thread, owner=0)
    held.note_free()
    assert held.take()
    held.give()
    lock_file(lock, thread + 1, readers=thread, owner=4_000_001)
    assert not held.take()
    held.close()


def lock_file(path: Path, transaction: int, *, readers: int, owner: int) -> Path:
    """The head of a file as LMDB has it: the last transaction, the number of readers, and the mutex of writers."""
    words = [0] * 64
    words[12], words[14], words[18] = transaction, readers, owner
    if not path.exists():
        path.write_bytes(bytes(256))
    with path.open("r+b") as file:  # not anew: a WriteLock has it open
        file.write(struct.pack("=64I", *words))
    return path
