"""Other processes that use a store of the tests', told what to do over a pipe."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from ctypes import c_longlong
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import lmdb
import other_process
from conformance import BUILD, entry_at
from other_process import spawn

from millpond.policy.freshness import judge
from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from pathlib import Path


def store_at(folder: Path, max_bytes: int = 10_000_000, max_tags: int = 100_000) -> LmdbStore:
    """A store by the real clocks, as processes share them."""
    return LmdbStore(folder, max_bytes=max_bytes, clock=time.time, max_tags=max_tags)


class OtherProcess(other_process.OtherProcess):
    """A process with a store of its own on the same folder."""

    def __init__(self, folder: Path, *shared: Any, max_tags: int = 100_000) -> None:
        super().__init__(partial(store_at, folder, max_tags=max_tags), *shared)


# What they do


def ready(store: LmdbStore) -> None:
    """Answers once the store is open."""


def invalidate(store: LmdbStore, tag: str) -> int:
    return store.invalidate([tag])


async def acquire(store: LmdbStore, key: str, seconds: float) -> bool:
    return await store.acquire(key, seconds) is not None


async def read(store: LmdbStore, key: str, times: int) -> None:
    for _ in range(times):
        store.peek(key)


async def close(store: LmdbStore) -> None:
    await store.close()


def find_damage(store: LmdbStore) -> None:
    store._transactions.failed(lmdb.CorruptedError("mdb_get", 0))


def stay_in_a_read(store: LmdbStore) -> None:
    """Left open on purpose; whoever calls will kill this process."""
    store.kept_open = store._transactions.environment.begin()  # type: ignore[attr-defined]


class Progress(NamedTuple):
    """Numbers in memory that outlives who wrote them; without locks, which a killed process would keep."""

    committed: c_longlong
    invalidated: c_longlong


def progress() -> Progress:
    return Progress(spawn.RawValue(c_longlong, 0), spawn.RawValue(c_longlong, 0))


async def deploy_without_end(store: LmdbStore, done: Progress) -> None:
    """Store one build after the other, in a table of tags that is too full, and tidy up after each."""
    for number in range(done.committed.value + 1, 1_000_000):
        entries = [
            entry_at(f"/{one}", time.time(), build=f"build {number}", tags=(f"tag {one}", "kept")) for one in range(300)
        ]
        await store.seed(entries)
        done.committed.value = number
        for one in range(300):
            store.invalidate([f"tag {one}"], expire_after=None if one % 2 else 0)
        await store.tidy()
        done.invalidated.value = number


async def write_without_end(store: LmdbStore, done: Progress) -> None:
    """Commit, invalidate and lease, and say after each what has been acknowledged."""
    for number in range(done.committed.value + 1, 1_000_000):
        lease = await store.acquire("/leased", 0.05)
        entry = entry_at(f"/{number % 50}", number, body=b"%d" % number + b"x" * (number * 37 % 6000), tags=("kept",))
        await store.commit(entry)
        done.committed.value = number
        done.invalidated.value = store.invalidate([f"tag {number % 20}"])
        if lease is not None:
            await store.release(lease)


class Truth(NamedTuple):
    """What the database says, and what everybody has been promised to see at least."""

    version: Synchronized[int]
    promised: Synchronized[int]


def truth() -> Truth:
    return Truth(spawn.Value("q", 0), spawn.Value("q", 0))


async def take_part(store: LmdbStore, operations: int, seed: int, upstream: Truth) -> tuple[int, int, list[str]]:
    """Render, invalidate and read at random.

    Returns:
        How often it was served, how often it invalidated, and each time it was served with less than was promised.
    """
    chance, served, wrong = random.Random(seed), 0, []
    invalidations = 0
    for _ in range(operations):
        what = chance.random()
        if what < 0.05:
            with upstream.version.get_lock():
                upstream.version.value += 1
                version = upstream.version.value
            store.invalidate(["t"])
            with upstream.promised.get_lock():
                upstream.promised.value = max(upstream.promised.value, version)
            invalidations += 1
        elif what < 0.3:
            generation, now = store.generation(), time.time()
            body = b"%d" % upstream.version.value
            await store.commit(entry_at("/a", now, generation=generation, body=body, tags=("t",), revalidate=None))
        else:
            promised = upstream.promised.value
            entry = store.peek("/a")
            if entry is not None and judge(entry, time.time(), store.row, BUILD).servable:
                served += 1
                if int(entry.body) < promised:
                    wrong.append(f"{entry.body!r} was served, {promised} was promised")
    return served, invalidations, wrong


async def fill_a_full_disk(store: LmdbStore) -> dict[str, Any]:
    """What becomes of each operation while files can't grow; and afterwards."""
    await store.commit(entry_at("/small", body=b"small"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((store._transactions.folder / "data.mdb").stat().st_size, hard))
    outcomes = [(await store.commit(entry_at(f"/{number}", body=b"x" * 300_000))).name for number in range(3)]
    seen: dict[str, Any] = {"outcomes": outcomes, "small": store.peek("/small") is not None}
    seen["row"] = store.row("t")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    seen["afterwards"] = (await store.commit(entry_at("/large", body=b"x" * 300_000))).name
    seen["invalidated"] = store.invalidate(["t"])
    return seen


def stand_still_in_a_write(store: LmdbStore) -> None:
    """Until somebody lets this process go on."""

    def stop(writing: object) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    store._transactions.write(stop)


def file_of(store: LmdbStore) -> tuple[int, int]:
    """Device and inode of the file that the process has open."""
    return store._transactions.environment.file


async def served(store: LmdbStore, key: str) -> bytes | None:
    """What the process would answer."""
    entry = store.peek(key)
    return entry.body if entry is not None and judge(entry, time.time(), store.row, BUILD).servable else None


async def commit(store: LmdbStore, key: str, body: bytes) -> str:
    entry = entry_at(key, time.time(), generation=store.generation(), body=body, tags=("t",))
    return (await store.commit(entry)).name
