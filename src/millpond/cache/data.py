"""The data cache: fetched answers and functions' results, by one way of reading and filling (R5.13, R5.23, R5.40)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from millpond.cache.clean_context import CleanContext
from millpond.cache.fetching.own_routes import note_circle
from millpond.cache.flight import Flights
from millpond.cache.functions.caller_runs import CallerRuns
from millpond.cache.lease import LEASE_SECONDS, under_lease
from millpond.config.cache_config import CacheConfig
from millpond.errors import CircularWaitError
from millpond.policy.entry import Entry, Headers
from millpond.policy.freshness import Judgement, backoff_after_failure, judge
from millpond.policy.profiles import BUILT_IN, Profile
from millpond.stores.contract import Commit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp

    from millpond.cache.functions.observed import ObservedFunctions
    from millpond.policy.freshness import Clock
    from millpond.policy.lifetime import Lifetime
    from millpond.purge.purges import Purges
    from millpond.stores.contract import Lease, Store

log = logging.getLogger("millpond.cache")

MAX_FETCH_BYTES = CacheConfig().max_fetch_bytes
"""Where no application says otherwise."""

_ATTEMPTS = 3
_COMPLETE = 200  # any other status of an upstream keeps the last good data (R5.11)
_NO_BUILD = ""  # data belongs to no build: its keys carry what it depends on


class Read(NamedTuple):
    """What one call asks for."""

    key: str
    name: str
    """What messages call it: a URL, or a function."""
    revalidate: float | None
    """The call's own limit in seconds, which may be lower than the stored one (R5.13); None: none of its own."""
    tags: tuple[str, ...]
    """The call's tags and its route's own: an invalidation of any of them concerns this reader (R6.4)."""
    own_invalidations: Mapping[str, int]
    """Tag -> generation, of what this request itself invalidated: it reads its own writes (R6.19; D26)."""
    waits: bool
    """The reader will itself be stored: it waits for fresh data instead of taking stale (R4.21)."""


class Filled(NamedTuple):
    """What an upstream or a function gave."""

    status: int
    headers: Headers
    body: bytes
    lifetime: Lifetime
    tags: tuple[str, ...]
    storable: bool
    short_lived: bool = False


@dataclass(slots=True)
class DataCache:
    """What handlers read through fetch() and @cached, and the way to invalidate it."""

    store: Store
    clock: Clock
    expire_time: float
    """Seconds; the end of time-based data that names none."""
    max_data_bytes: int
    patience: float
    """Seconds to wait for data that another process is fetching."""
    max_fetch_bytes: int = MAX_FETCH_BYTES
    """The largest body of an upstream that is read, decoded."""
    cache_components: bool = False
    profiles: Mapping[str, Profile] = field(default_factory=lambda: dict(BUILT_IN))
    application: ASGIApp | None = None
    """Answers fetches of relative URLs, in process (D19)."""
    loop: asyncio.AbstractEventLoop | None = None
    """Where it is used from; other threads hand their work over."""
    purges: Purges | None = None
    """Tells caches in front what was invalidated; None where there are none."""
    lease_seconds: float = LEASE_SECONDS
    observed: ObservedFunctions | None = None
    """What functions have used that are filled; None while serving, when nobody looks."""
    clean: CleanContext = field(default_factory=CleanContext)
    """The context that fills begin in."""
    flights: Flights[Entry] = field(init=False)
    caller_runs: CallerRuns = field(default_factory=CallerRuns)
    _arriving: dict[str, Entry] = field(default_factory=dict)
    """Entries that synchronous code made in the loop's own thread, until the store has them."""
    _storing: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.flights = Flights(on_error=_report, clean=self.clean)

    async def obtain(self, read: Read, fill: Callable[[], Awaitable[Filled]]) -> Entry:
        """The stored entry, or the one that `fill` makes; several callers share one fill (D23).

        A stale entry is returned, and refreshed in the background, unless the reader waits.

        Raises:
            BaseException: whatever `fill` raises, when nothing stored can be used.
        """
        return await self.obtain_with(read, fill, fill)

    async def obtain_with(
        self,
        read: Read,
        fill: Callable[[], Awaitable[Filled]],
        refresh: Callable[[], Awaitable[Filled]],
    ) -> Entry:
        """As `obtain`, with another way to fill in the background."""
        for _ in range(_ATTEMPTS):
            entry = self.at_hand(read, refresh, self.store.peek(read.key))
            if entry is None:
                entry = self.at_hand(read, refresh, await self.store.get(read.key))
            if entry is not None:
                return entry
            made, joined = await self._shared(read, fill)
            if not joined or self.usable(made, read):
                return made
        return await self.flights.alone(read.key, lambda: self._fill(read, fill, background=False), read.name)

    async def _shared(self, read: Read, fill: Callable[[], Awaitable[Filled]]) -> tuple[Entry, bool]:
        try:
            return await self.flights.run(read.key, lambda: self._fill(read, fill, background=False), read.name)
        except CircularWaitError as circle:
            raise note_circle(circle) from None

    def at_hand(self, read: Read, refresh: Callable[[], Awaitable[Filled]], stored: Entry | None) -> Entry | None:
        """The entry that the reader may have without waiting for a fill; a stale one begins its refresh."""
        entry = self._arriving.get(read.key, stored)
        if entry is None or not self.usable(entry, read):
            return None
        if not self.fresh(entry, read):
            if read.waits:
                return None
            if self.store.is_synced():  # else nobody could keep what is fetched, and each reader would fetch it again
                self.flights.begin(read.key, lambda: self._fill(read, refresh, background=True))
        return entry

    def keep_soon(self, read: Read, filled: Filled, generation: int, rendered_at: float) -> Entry:
        """Store what synchronous code made in the loop's thread: at once for this process, soon for others."""
        entry = self._entry(read, filled, generation, rendered_at)
        if filled.storable:
            self._arriving[read.key] = entry
            task = self.clean.begin(lambda: self._store(read, entry, None))
            self._storing.add(task)
            task.add_done_callback(lambda done: self._arrived(read.key, entry, done))
        return entry

    def _arrived(self, key: str, entry: Entry, task: asyncio.Task[None]) -> None:
        self._storing.discard(task)
        if self._arriving.get(key) is entry:
            del self._arriving[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            _report(key, error)

    async def drain(self, seconds: float) -> int:
        """Wait for what is being fetched and stored; after `seconds` cancel the rest, and say how many that were."""
        late = await self.flights.drain(seconds)
        if self._storing:
            await asyncio.wait(self._storing, timeout=seconds)
        return late

    def usable(self, entry: Entry, read: Read) -> bool:
        """Whether the entry may be read at all, fresh or stale."""
        for tag, generation in read.own_invalidations.items():
            if generation > entry.generation and (tag in entry.tags or tag in read.tags):
                return False
        return self._judge(entry, read).servable

    def fresh(self, entry: Entry, read: Read) -> bool:
        """Whether a usable entry needs no refresh, as far as this reader is concerned."""
        return self._judge(entry, read).fresh

    def _judge(self, entry: Entry, read: Read) -> Judgement:
        known = self._as_read(entry, read)
        return judge(known, self.clock(), self.store.row, _NO_BUILD, is_synced=self.store.is_synced())

    def _as_read(self, entry: Entry, read: Read) -> Entry:
        revalidate = entry.revalidate if read.revalidate is None else read.revalidate
        backoff = None if read.waits else entry.backoff
        return replace(entry, revalidate=revalidate, tags=(*entry.tags, *read.tags), backoff=backoff)

    async def _fill(self, read: Read, fill: Callable[[], Awaitable[Filled]], *, background: bool) -> Entry:
        async def make(lease: Lease | None) -> Entry:
            return await self._make(read, fill, lease, background=background)

        async def found() -> Entry | None:
            entry = await self.store.get(read.key)
            if entry is None or not self.usable(entry, read):
                return None
            # Who had nothing takes what another process made, though it was invalidated softly meanwhile.
            return None if (background or read.waits) and not self.fresh(entry, read) else entry

        return await under_lease(self.store, read.key, self.patience, make, found, self.lease_seconds)

    async def _make(
        self, read: Read, fill: Callable[[], Awaitable[Filled]], lease: Lease | None, *, background: bool
    ) -> Entry:
        generation, now = self.store.generation(), self.clock()
        try:
            filled = await fill()
        except BaseException:
            if background:
                await self._back_off(read, generation)
            raise
        entry = self._entry(read, filled, generation, now)
        if filled.storable:
            await self._store(read, entry, lease)
        elif background and filled.status == _COMPLETE:  # a function says never: nor is what it gave before for serving
            await self.store.remove(read.key)
        elif background:
            log.warning("refreshing %s answered %d: the stored answer stays", read.name, filled.status)
            await self._back_off(read, generation)
        return entry

    def _entry(self, read: Read, filled: Filled, generation: int, now: float) -> Entry:
        revalidate, expire = filled.lifetime.bounded(self.expire_time)
        return Entry(
            key=read.key,
            kind="fetch" if read.key.startswith("fetch") else "function",
            status=filled.status,
            headers=filled.headers,
            body=filled.body,
            rendered_at=now,
            revalidate=revalidate,
            expire=expire,
            tags=filled.tags,
            generation=generation,
            build=_NO_BUILD,
            short_lived=filled.short_lived,
        )

    async def _store(self, read: Read, entry: Entry, lease: Lease | None) -> None:
        size = len(entry.body)
        if size > self.max_data_bytes:
            limit = f"over the {self.max_data_bytes} of cache.max_data_bytes"
        elif await self.store.commit(entry, lease) is Commit.TOO_LARGE:
            limit = "more than the whole store takes"
        else:
            return
        log.warning("%s gave %d bytes, %s: not cached", read.name, size, limit)
        await self.store.remove(read.key)  # else the former data would be served, and fetched again, at each read

    async def _back_off(self, read: Read, generation: int) -> None:
        """A failing upstream is asked again after a while, not at every read."""
        entry = await self.store.get(read.key)
        if entry is not None:
            await self.store.commit(entry.with_backoff(backoff_after_failure(entry, self.clock(), generation)))


def _report(key: str, error: BaseException) -> None:
    log.warning("refreshing cached data (%s) failed; the stored data stays", key.replace("\0", " "), exc_info=error)
