"""The data cache: fetched answers and results of functions (R5.13, R5.23, R5.40), by the engine in `refresh.py`."""

from __future__ import annotations

import logging
import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from millpond.cache.clean_context import CleanContext
from millpond.cache.fetch_chain import note_circle
from millpond.cache.read import Fate, Made, Obtained, Read, Run
from millpond.cache.refresh import ReadThrough
from millpond.cache.runs.caller_runs import CallerRuns
from millpond.cache.runs.flight_time import FlightOverdue, FlightTimes
from millpond.cache.runs.lease import LEASE_SECONDS
from millpond.cache.runs.store_spans import kind_in, told_tags
from millpond.cache.told import FillFailure, joined
from millpond.config.cache_config import CacheConfig
from millpond.errors import CircularWaitError, UsageError
from millpond.policy.decision import Reason
from millpond.policy.entry import Came, Entry, Headers
from millpond.policy.freshness import Judgement, Reader, judge
from millpond.policy.lifetime import drawn_jitter
from millpond.policy.profiles import BUILT_IN, Profile
from millpond.render.base_exceptions import CANCELLATION
from millpond.render.scopes.attachments import Attachments, ScopeKey
from millpond.telemetry.counters import Counters
from millpond.telemetry.spans import BACKGROUND, KEY, KIND, REASON, TAGS, Spans, digest_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span
    from starlette.types import ASGIApp

    from millpond.cache.observed import ObservedFunctions
    from millpond.cache.told import Told
    from millpond.policy.freshness import Clock
    from millpond.policy.lifetime import Lifetime
    from millpond.purge.purges import Purges
    from millpond.routes.naming.route_names import RouteNames
    from millpond.stores.contract import Store

log = logging.getLogger("millpond.cache")

MAX_FETCH_BYTES = CacheConfig().max_fetch_bytes
"""The default limit, where no application sets another one."""

_NO_BUILD = ""  # data is independent of builds: its keys contain all that it depends on


class Filled(NamedTuple):
    """The result of an upstream or of a function."""

    status: int
    headers: Headers
    body: bytes
    lifetime: Lifetime
    tags: tuple[str, ...]
    storable: bool
    short_lived: bool = False
    client_stale: float | None = None
    came: Came | None = None
    jitter: float | None = None
    """The share of the lifetime by which it may go stale earlier; None: the configuration's."""
    label: str = ""
    """What people call it."""


def checked_soft_timeout(seconds: float | None, function: str) -> float | None:
    """The option of a call or decorator; `function` is its name.

    Raises:
        UsageError: it is no number of seconds.
    """
    given: object = seconds
    if given is not None and (isinstance(given, bool) or not isinstance(given, int | float) or not given >= 0):
        raise UsageError(f"{function}(soft_timeout={given!r}): give seconds, 0 or more, or math.inf for no limit.")
    return seconds


Fill: TypeAlias = "Callable[[bool], Awaitable[Filled]]"


class DataRead(Read):
    """One call of `fetch` or of a cached function."""

    def __init__(self, cache: DataCache, key: str, name: str, reader: Reader, fill: Fill) -> None:
        """For one caller.

        Args:
            cache: the cache to read from.
            key: the key of the data; it begins with the kind of the entry.
            name: the URL or function, as messages name it.
            reader: the caller's limits.
            fill: asks the upstream, or runs the function. Its argument is whether it runs in the background.
        """
        self.cache, self.key, self.name, self.reader, self._fill = cache, key, name, reader, fill
        self.waits = reader.waits
        self.caused_by = cache.spans.cause()
        self.unreadable: Entry | None = None
        """What the caller can't use, though it is stored."""

    def judge(self, entry: Entry) -> Judgement:
        """See `Read`."""
        if self.unreadable is not None and _are_same(entry, self.unreadable):
            return Judgement(False, False, Reason.COLD)
        return self.judged(entry, self.reader)

    def judged(self, entry: Entry, reader: Reader) -> Judgement:
        """What a reader with these limits may do with an entry now."""
        cache, store = self.cache, self.cache.store
        now, is_synced = cache.clock(), store.is_synced()
        return judge(entry, now, store.row, _NO_BUILD, is_synced=is_synced, reader=reader, eager=cache.eager)

    async def make(self, run: Run) -> Made:
        """See `Read`."""
        spans = self.cache.spans
        if not spans.are_made():
            return self.made(await self._fill(run.background), run)
        with self.span_of_fill(run) as span:
            made = self.made(await self._fill(run.background), run)
            span.set_attribute(TAGS, told_tags(made.entry.tags))
            return made

    @contextmanager
    def span_of_fill(self, run: Run) -> Iterator[Span]:
        """A span around the call of the upstream, or around the function."""
        kind = kind_in(self.key)
        named = {KEY: digest_of(self.key), KIND: kind, REASON: self.because.value, BACKGROUND: run.background}
        name = f"fill {self.name}" if kind == "function" else f"fill {kind}"
        with self.cache.spans.shared(name, self.caused_by, named) as span:
            self.traced = span.get_span_context() if span.is_recording() else None
            yield span

    def after_failure(self, error: BaseException, run: Run) -> Fate:
        """See `Read`. A failing upstream is asked again after a back-off, not at every read."""
        del error
        return Fate.BACK_OFF if run.background else Fate.LEAVE

    def made(self, filled: Filled, run: Run) -> Made:
        """The new entry, and what happens to the stored one."""
        revalidate, expire = filled.lifetime.bounded(self.cache.expire_time)
        entry = Entry(
            key=self.key,
            kind="fetch" if self.key.startswith("fetch") else "function",
            status=filled.status,
            headers=filled.headers,
            body=filled.body,
            rendered_at=run.began,
            revalidate=revalidate,
            expire=expire,
            tags=filled.tags,
            generation=run.generation,
            build=_NO_BUILD,
            short_lived=filled.short_lived,
            client_stale=filled.client_stale,
            came=filled.came,
            jitter=drawn_jitter(self.cache.jitter if filled.jitter is None else filled.jitter, self.key, run.began),
            label=filled.label,
        )
        return Made(entry, self._fate(filled, run))

    def fate_unstored(self, filled: Filled, run: Run) -> Fate:
        """What happens to the stored entry when a result isn't storable."""
        del filled
        # revalidate = 0: earlier results may not be served either
        return Fate.REMOVE if run.background else Fate.LEAVE

    def _fate(self, filled: Filled, run: Run) -> Fate:
        if filled.storable:
            size, limit = len(filled.body), self.cache.max_data_bytes
            if size <= limit:
                return Fate.REPLACE
            log.warning("%s returned %d bytes, over the %d of cache.max_data_bytes: not cached", self.name, size, limit)
            return Fate.REMOVE
        return self.fate_unstored(filled, run)


class BlockingStore(Protocol):
    """A store of several processes, for code that blocks its event loop meanwhile."""

    def held(self, key: str) -> AbstractContextManager[None]:
        """Within the block no other process makes the entry of `key`; it may have made one before."""
        ...

    def keep(self, entry: Entry) -> None:
        """Store an entry at once."""
        ...


@dataclass(slots=True)
class DataCache:
    """The cache behind fetch() and @cached, with the configuration that they need."""

    store: Store
    clock: Clock
    expire_time: float
    """Seconds; the default `expire` of time-based data."""
    max_data_bytes: int
    patience: float
    """Seconds to wait for data that another process is fetching."""
    max_fetch_bytes: int = MAX_FETCH_BYTES
    """The maximum size of an upstream's decoded body, in bytes."""
    jitter: float = 0.0
    """The share of lifetimes by which data may go stale earlier."""
    eager: float = 0.0
    """The last share of its lifetime in which data is refreshed, if it is asked for."""
    soft_timeout: float = math.inf
    """Seconds that what is stored waits for fresh data, where stale data may be used."""
    cache_components: bool = False
    client_stale: bool = False
    """Whether answers tell clients the `stale` of the data that they are made of."""
    profiles: Mapping[str, Profile] = field(default_factory=lambda: dict(BUILT_IN))
    application: ASGIApp | None = None
    """Answers fetches of the application's own paths, in process (D19)."""
    loop: asyncio.AbstractEventLoop | None = None
    """The event loop that uses the cache; other threads submit their work to it."""
    names: RouteNames | None = None
    """The names of the application's routes, for `revalidate_path`; None: they aren't known."""
    is_scripts: bool = False
    """Whether it is in the memory of a script, so that nobody else sees what is invalidated."""
    is_asked: bool = False
    """Whether there has been a request, so that it is no script after all."""
    purges: Purges | None = None
    """Purges the caches in front after an invalidation; None: none are configured."""
    lease_seconds: float = LEASE_SECONDS
    blocking: BlockingStore | None = None
    """The same store, for functions that run in place, of a build in several processes; None: each runs its own."""
    observed: ObservedFunctions | None = None
    """Records which inputs cached functions use during a build; None while serving."""
    clean: CleanContext = field(default_factory=CleanContext)
    """The context that fills begin in."""
    counters: Counters = field(default_factory=Counters)
    spans: Spans = field(default_factory=Spans)
    overdue: set[str] = field(default_factory=set)
    """Keys of fetches whose upstream took longer than the data stays fresh, until the next call says where it is."""
    engine: ReadThrough = field(init=False)
    attachments: Attachments = field(default_factory=Attachments)
    """What the scopes of the application's runs carry; by it they find this cache."""
    caller_runs: CallerRuns = field(default_factory=CallerRuns)
    flight_times: FlightTimes = field(default_factory=FlightTimes)
    """How long calls of upstreams may take."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _telling: dict[object, list[Callable[[], Told]]] = field(default_factory=dict)
    """What the fills that run have told so far, by what their callers have in common."""

    def __post_init__(self) -> None:
        self.attachments.attach(DATA_CACHE, self)
        self.engine = ReadThrough(
            self.store,
            self.clock,
            self.patience,
            _report,
            self.lease_seconds,
            self.clean,
            counters=self.counters,
            spans=self.spans,
        )

    @contextmanager
    def telling(self, place: object, told: Callable[[], Told]) -> Iterator[None]:
        """Within the block a fill runs, and callers that give up waiting for it can learn what it has told so far.

        Args:
            place: what the callers of the fill have in common.
            told: what the fill has told when it is called.

        Raises:
            FillFailure: an error was raised.
        """
        with self._lock:
            self._telling.setdefault(place, []).append(told)
        try:
            yield
        except CANCELLATION:
            raise
        except BaseException as error:
            raise FillFailure(error, told()) from error
        finally:
            with self._lock:
                self._telling[place].remove(told)
                if not self._telling[place]:
                    del self._telling[place]

    def told_so_far(self, place: object) -> Told | None:
        """What the fills that run for `place` have told; None if none runs here.

        There may be several: one in the event loop, and others in threads that found it blocked.
        """
        with self._lock:
            running = [*self._telling.get(place, ())]
        return joined([told() for told in running]) if running else None

    async def obtain(self, read: DataRead) -> Entry:
        """The stored entry, or a new one; concurrent callers share one run (D23).

        Raises:
            BaseException: raised by the upstream or the function, when no stored entry can be used.
        """
        return (await self.obtained(read)).entry

    async def obtained(self, read: DataRead) -> Obtained:
        """As `obtain`, with what is known of the entry."""
        try:
            return await self.engine.read(read)
        except CircularWaitError as circle:
            raise note_circle(circle) from None

    async def make_anew(self, read: DataRead) -> Entry:
        """A new entry for this caller alone, whatever is stored; later callers find it.

        Raises:
            BaseException: raised by the upstream or the function.
        """
        try:
            return await self.engine.make_anew(read)
        except CircularWaitError as circle:
            raise note_circle(circle) from None

    def at_hand(self, read: DataRead, loop: asyncio.AbstractEventLoop | None = None) -> Entry | None:
        """The entry that is available without waiting, or None; `loop` as in `ReadThrough.at_hand`."""
        obtained = self.engine.at_hand(read, loop)
        return None if obtained is None else obtained.entry


def error_of(failure: FillFailure) -> BaseException:
    """What the fill has raised, for one of those who wait to raise."""
    error = failure.unwrapped()
    if isinstance(error, CircularWaitError):
        note_circle(error)
    return error


def _are_same(entry: Entry, other: Entry) -> bool:
    """Whether both were made by one run; a store may make a new object each time it is asked."""
    return (entry.rendered_at, entry.generation, entry.body) == (other.rendered_at, other.generation, other.body)


def _report(name: str, error: BaseException) -> None:
    if isinstance(error, FillFailure):
        error = error.unwrapped()
    if isinstance(error, FlightOverdue) and not error.background:
        return  # its callers have given up at this moment, each with an error of its own
    log.warning("refreshing cached data (%s) failed; the stored data stays", name, exc_info=error)


DATA_CACHE: ScopeKey[DataCache] = ScopeKey("data cache")
"""What the scopes of an application's runs have its cache under."""
