"""Other processes that use a store of the tests', told what to do over a pipe."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import random
import resource
import time
from ctypes import c_longlong
from typing import TYPE_CHECKING, Any, NamedTuple

import lmdb
from conformance import BUILD, entry_at

from millpond.policy.freshness import judge
from millpond.stores.lmdb import LmdbStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.sharedctypes import Synchronized
    from pathlib import Path

spawn = multiprocessing.get_context("spawn")


def store_at(folder: Path, max_bytes: int = 10_000_000) -> LmdbStore:
    """A store by the real clocks, as processes share them."""
    return LmdbStore(folder, max_bytes=max_bytes, clock=time.time)


class OtherProcess:
    """A process with a store of its own on the same folder; a context manager."""

    def __init__(self, folder: Path, *shared: Any) -> None:
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, folder, shared), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.is_alive() and not self._pipe.closed:
            self._pipe.send(None)
            self._process.join(10)
        self.kill()

    def call(self, work: Callable[..., Any], *args: Any) -> Any:
        """What `work(store, *args)` returns there; a function of a module, sync or async."""
        self.begin(work, *args)
        return self.result()

    def begin(self, work: Callable[..., Any], *args: Any) -> None:
        self._pipe.send((work, args))

    def answers(self, seconds: float) -> bool:
        """Whether a result is there within `seconds`."""
        return self._pipe.poll(seconds)

    def result(self) -> Any:
        assert self._pipe.poll(30), "the other process doesn't answer"
        return self._pipe.recv()

    def kill(self) -> None:
        """With SIGKILL: it can't tidy up."""
        self._process.kill()
        self._process.join(10)
        self._pipe.close()


def _serve(pipe: Connection, folder: Path, shared: tuple[Any, ...]) -> None:
    async def serve() -> None:
        store = store_at(folder)
        await store.open()
        while (order := pipe.recv()) is not None:
            work, args = order
            result = work(store, *args, *shared)
            pipe.send(await result if inspect.isawaitable(result) else result)
        await store.close()

    asyncio.run(serve())


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
