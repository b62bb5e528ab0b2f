"""Entries in a Valkey or Redis server: one cache for all processes of any number of hosts."""

from __future__ import annotations

import asyncio
import logging
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from millpond.errors import StoreError
from millpond.stores.contract import Commit
from millpond.stores.store_figures import untold
from millpond.stores.valkey.acks import Acks
from millpond.stores.valkey.client import CommandRefused, Unreachable, ValkeyClient
from millpond.stores.valkey.entries import Entries
from millpond.stores.valkey.entry_index import index_of, walk
from millpond.stores.valkey.follower import Follower
from millpond.stores.valkey.layout import Layout, SharingProcess
from millpond.stores.valkey.leases import Leases
from millpond.stores.valkey.loop_thread import LoopThread, end_tasks
from millpond.stores.valkey.mirror import Mirror
from millpond.stores.valkey.scripts import NOTE_READS
from millpond.stores.valkey.session import TERM_SECONDS, Session
from millpond.stores.valkey.tag_rows import TagInvalidations

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator
    from typing import Any

    from millpond.config.store_url import StoreAddress
    from millpond.policy.entry import Entry
    from millpond.policy.freshness import Clock
    from millpond.policy.tags import TagRow
    from millpond.stores.contract import Lease
    from millpond.stores.store_figures import Evicted, StoreFigures

T = TypeVar("T")

log = logging.getLogger("millpond.stores")

MAX_TAGS = 100_000
"""Tag rows kept, where nothing else is said; each process has them all in its memory."""
_READS_PER_SECOND = 256
_REMOVALS_REMEMBERED = 10_000


class _Parts(NamedTuple):
    """The parts of an open store; all belong to the event loop of its thread."""

    session: Session
    follower: Follower
    acks: Acks
    leases: Leases
    tags: TagInvalidations
    entries: Entries


class ValkeyStore:
    """The `Store` of all processes that name the same server and prefix.

    The methods of the hit path read this process's own memory: a mirror, which a thread of its own keeps true. While it
    can't, `is_synced` is false and `peek` knows nothing. While the server is down `get` gives what is at hand, for
    `serve_when_down` seconds; leases are nobody's, what is committed is dropped, and `invalidate` raises. All that ends
    when the server is back.

    `invalidate` returns when every mirror has acknowledged it, or can't answer as if it hadn't happened: that takes an
    exchange with the server, and one of the slowest mirror; up to `term` more until a process that died is struck off.

    Args:
        address: of the server.
        prefix: of the application's keys.
        build: whose answers `get` and `commit` are about, where builds don't share them.
        max_bytes: what all entries may count together.
        clock: seconds since the epoch.
        timeout: seconds for each exchange with the server.
        serve_when_down: seconds, as above.
        local_bytes: what this process keeps of the entries in its own memory.
        max_tags: tag rows kept. Of older ones less is remembered: they concern more entries than they did.
        term: seconds for which a mirror may answer without having asked.
    """

    def __init__(
        self,
        address: StoreAddress,
        *,
        prefix: str,
        build: str,
        max_bytes: int,
        clock: Clock,
        timeout: float = 1.0,
        serve_when_down: float = 60.0,
        local_bytes: int = 32 * 1024 * 1024,
        max_tags: int = MAX_TAGS,
        term: float = TERM_SECONDS,
    ) -> None:
        self._address, self._timeout, self._term, self._build = address, timeout, term, build
        self._max_bytes, self._max_tags, self._clock = max_bytes, max_tags, clock
        self._serve_when_down = serve_when_down
        self._layout = Layout(prefix, build)
        self._mirror = Mirror(local_bytes)
        self._loop_thread: LoopThread | None = None
        self._parts: _Parts | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._seeds: list[Entry] = []
        self._removals: dict[str, None] = {}
        self.evicted: Evicted = untold
        """See `Store.evicted`."""

    # The hit path

    def is_synced(self) -> bool:
        """Whether this process knows every invalidation that has returned."""
        return self._mirror.is_synced()

    def lost_seconds(self) -> float:
        """How long `is_synced` hasn't held; 0 while it does."""
        return self._mirror.lost_touch()

    async def is_reachable(self) -> bool:
        """Whether the server answers: as `is_synced`, and without a round trip of its own."""
        return self._mirror.is_synced()

    def peek(self, key: str) -> Entry | None:
        """The entry of `key`, if this process has it and is synced; it is not judged."""
        entry = self._mirror.peek(self._layout.name(key))
        if entry is not None:
            self._mirror.reads.note(key)
        return entry

    def version(self) -> int:
        """How often anything has changed here; another number each time while this process isn't synced."""
        return self._mirror.version()

    def generation(self) -> int:
        """How many invalidations there have been; more, after the server lost what it knew."""
        return self._mirror.view.generation

    def row(self, tag: str) -> TagRow | None:
        """The row of `tag`; None when it was never invalidated."""
        return self._mirror.view.row(tag)

    # Life

    async def open(self) -> None:
        """Connect, and read the state; once per process, after any fork.

        A server that can't be reached keeps nobody from starting: this store is down until it can.

        Raises:
            StoreError: the server refuses this process, or the store is open already.
        """
        if self._loop_thread is not None:
            raise StoreError(f"the store at {self._address} is open already; give each application a store of its own.")
        self._loop_thread = LoopThread()
        try:
            await self._loop_thread.run(self._begin())
        except BaseException:
            await self.close()
            raise

    async def _begin(self) -> None:
        session = Session(ValkeyClient(self._address, self._timeout), self._layout, self._clock, self._term)
        acks, leases = Acks(session), Leases(session)
        follower = Follower(
            session,
            self._mirror,
            build=self._build,
            attached=self._catch_up,
            released=leases.released,
            serve_when_down=self._serve_when_down,
        )
        self._parts = parts = _Parts(
            session,
            follower,
            acks,
            leases,
            TagInvalidations(session, self._mirror, acks, self._max_tags),
            Entries(session, self._mirror, self._max_bytes, self._clock, lambda evictions: self.evicted(evictions)),
        )
        self._begin_task(follower.run())
        self._begin_task(self._note_reads(parts))
        self._begin_task(parts.entries.keep_measured())
        await follower.first_try()
        if follower.refusal is not None:
            raise StoreError(f"the store at {self._address} refuses this process: {follower.refusal}.")

    async def close(self) -> None:
        """Unregister, so that no other process waits for this one. Does nothing when it isn't open."""
        thread, self._loop_thread = self._loop_thread, None
        parts, self._parts = self._parts, None
        if thread is None:
            return
        try:
            if parts is not None:
                await thread.run(self._end(parts))
        finally:
            await asyncio.to_thread(thread.stop)

    async def _end(self, parts: _Parts) -> None:
        await end_tasks()
        try:
            await parts.follower.leave()
        except (Unreachable, CommandRefused) as error:
            log.debug("leaving the store at %s: %s", self._address, error)
        await parts.session.server.close()

    # Entries

    async def get(self, key: str) -> Entry | None:
        """The entry of `key` as the server has it; while that is down, what is at hand. It is not judged."""
        parts, thread = self._open()
        return await thread.run(self._get(parts, key))

    async def _get(self, parts: _Parts, key: str) -> Entry | None:
        try:
            entry = await parts.entries.fetch(key)
        except (Unreachable, CommandRefused):
            return self._at_hand(key)
        await parts.follower.touched(self._timeout)
        if entry is not None:
            self._mirror.reads.note(key)
        return entry

    def _at_hand(self, key: str) -> Entry | None:
        if self._mirror.lost_touch() >= self._serve_when_down:
            return None
        return self._mirror.known(self._layout.name(key))

    async def commit(self, entry: Entry, lease: Lease | None = None, *, ends: bool = False) -> Commit:
        """Store `entry` in place of the key's former one, unless one of the reasons in `Commit` forbids it."""
        del ends
        parts, thread = self._open()
        try:
            return await thread.run(parts.entries.commit(entry, lease))
        except Unreachable:
            return Commit.FAILED  # the follower has said so
        except CommandRefused as error:
            log.warning("the store at %s doesn't take an entry: %s", self._address, error)
            return Commit.FAILED

    async def seed(self, entries: Iterable[Entry]) -> None:
        """Store the build's entries, ages preserved; a later render that is there already stays.

        Not in one step, as a server does nothing else meanwhile: each entry is one. Their generation is the one that
        the counter had at their `rendered_at`; see `Store.seed`. While the server is down they wait for it.
        """
        parts, thread = self._open()
        self._seeds = list(entries)
        await thread.run(self._seed(parts))

    async def _seed(self, parts: _Parts) -> None:
        offered, self._seeds = self._seeds, []
        try:
            await parts.entries.seed(offered)
        except Unreachable:
            self._seeds = offered
        except CommandRefused as error:
            log.warning("the store at %s doesn't take the build's answers: %s", self._address, error)

    async def publish(self, entries: Iterable[Entry]) -> None:
        """As `seed`, for a process that builds and doesn't serve.

        Raises:
            StoreError: the server can't be reached, or doesn't take them: not all is there.
        """
        parts, thread = self._open()
        try:
            await thread.run(parts.entries.seed(list(entries)))
        except (Unreachable, CommandRefused) as error:
            raise StoreError(f"the store at {self._address} doesn't take the build's answers: {error}.") from error

    def keep_shared(self, build: str, fingerprints: frozenset[str]) -> None:
        """Does nothing: answers of other builds go in time, or by `millpond cache prune`."""

    async def remove(self, key: str) -> None:
        """Forget the entry of `key`, if there is one. While the server is down: here now, and there when it is back."""
        parts, thread = self._open()
        await thread.run(self._remove(parts, key))

    async def _remove(self, parts: _Parts, key: str) -> None:
        self._mirror.forget(self._layout.name(key))
        try:
            removed = await parts.entries.remove(key)
        except (Unreachable, CommandRefused):
            if len(self._removals) < _REMOVALS_REMEMBERED:
                self._removals[key] = None
            return
        if removed is not None:
            await parts.acks.reached(*removed)

    def entries(self) -> Iterator[Entry]:
        """Every entry of every build, in no particular order; those that go meanwhile are left out.

        Raises:
            StoreError: the server can't be asked.
        """
        server = self._open()[0].session.server
        indexed = sorted(self._call(index_of(server, self._layout)).items())
        found = walk(self._call, server, self._layout, indexed)
        return (entry for entry in found if entry.generation >= self._mirror.view.floor)

    def figures(self) -> StoreFigures | None:
        """How full it is, as of some seconds ago; None while that isn't known."""
        return None if self._parts is None else self._parts.entries.figures

    def sharing(self) -> list[SharingProcess]:
        """The processes that share the store now, on whatever host.

        Raises:
            StoreError: the server can't be asked.
        """
        found: dict[bytes, bytes] = self._call(self._open()[0].session.server.command("HGETALL", self._layout.mirrors))
        return sorted(starmap(SharingProcess.of, found.items()))

    # Invalidations

    def invalidate(self, tags: Iterable[str], *, expire_after: float | None = 0) -> int:
        """Count one invalidation of all `tags` and return its generation; from any thread. See `Store.invalidate`.

        Raises:
            StoreError: the server can't be reached, or didn't answer in time: then it may have taken place all the
                same, and is to be repeated.
        """
        parts, thread = self._open()
        try:
            return thread.call(parts.tags.invalidate(dict.fromkeys(tags), expire_after))
        except (Unreachable, CommandRefused) as error:
            raise StoreError(
                f"the store at {self._address} can't invalidate: {error}. Older answers may still be served; "
                "invalidate again when the store is back."
            ) from error

    # Leases

    async def acquire(self, key: str, seconds: float) -> Lease | None:
        """The lease of `key` for `seconds`, or None while another holder's has not run out; or the server is down."""
        parts, thread = self._open()
        return await thread.run(parts.leases.acquire(key, seconds))

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Extend a lease that is still held to `seconds` from now; False when it is no longer."""
        parts, thread = self._open()
        return await thread.run(parts.leases.renew(lease, seconds))

    async def release(self, lease: Lease) -> None:
        """Give a lease back; does nothing when it is no longer held."""
        parts, thread = self._open()
        await thread.run(parts.leases.release(lease))

    async def wait(self, key: str, seconds: float) -> None:
        """Return when nobody holds the lease of `key` any longer, or after `seconds`; at once while the server is down.

        A release is told by the journal; that a lease ran out is noticed within 50 ms.
        """
        parts, thread = self._open()
        await thread.run(parts.leases.wait(key, seconds))

    # What goes on by itself

    def _catch_up(self) -> None:
        if self._parts is not None and (self._seeds or self._removals):
            self._begin_task(self._do_what_waited(self._parts))

    async def _do_what_waited(self, parts: _Parts) -> None:
        removals, self._removals = self._removals, {}
        for key in removals:
            await self._remove(parts, key)
        if self._seeds:
            await self._seed(parts)

    async def _note_reads(self, parts: _Parts) -> None:
        """Each second, tell the server what was read, as it evicts what wasn't."""
        while True:
            await asyncio.sleep(1)
            reads = self._mirror.reads.take(_READS_PER_SECOND)
            if not reads or not parts.session.is_up:
                continue
            noted = [part for key, count in reads.items() for part in (self._layout.name(key), count)]
            try:
                await parts.session.ask(NOTE_READS, *noted)
            except (Unreachable, CommandRefused) as error:
                log.debug("noting what was read: %s", error)

    def _begin_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _open(self) -> tuple[_Parts, LoopThread]:
        """Raises StoreError: it isn't open."""
        if self._parts is None or self._loop_thread is None:
            raise StoreError(f"the store at {self._address} is not open; start the application that it belongs to.")
        return self._parts, self._loop_thread

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        thread = self._open()[1]
        try:
            return thread.call(work)
        except (Unreachable, CommandRefused) as error:
            raise StoreError(f"the store at {self._address} can't be read: {error}.") from error
