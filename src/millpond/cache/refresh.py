"""The read-through engine: the stored entry, or one run that all callers share (R4.1 to R4.34, R5.13, R5.23).

Answers, fetched data and results of functions follow the same rules. A `Read` defines what differs: the key, the
reader's limits, how to make an entry, and what a failure means.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from millpond.cache.clean_context import CleanContext
from millpond.cache.read import Fate, Made, Obtained, Read, Run
from millpond.cache.runs.asked_again import AskedAgain
from millpond.cache.runs.flight import Flights
from millpond.cache.runs.lease import LEASE_SECONDS, under_lease
from millpond.cache.runs.loop_watch import call_soon_in
from millpond.cache.runs.refresh_queue import RefreshQueue
from millpond.cache.runs.store_spans import StoreSpans, kind_in
from millpond.policy.decision import Reason
from millpond.policy.freshness import Judgement, backoff_after_failure
from millpond.policy.precedence import is_superseded
from millpond.render.base_exceptions import is_cancellation
from millpond.render.pending_tasks import PendingTasks
from millpond.stores.contract import Commit
from millpond.telemetry.counters import Counters
from millpond.telemetry.instruments import COMMITS, LEASE_WAITS, REFRESHES_REFUSED
from millpond.telemetry.spans import Spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.policy.entry import Entry
    from millpond.policy.freshness import Clock
    from millpond.stores.contract import Lease, Store

log = logging.getLogger("millpond.cache")

_ATTEMPTS = 3
"""How many runs a reader joins whose results are invalidated meanwhile. After that, it starts a run of its own."""


_begun = 0


def runs_begun() -> int:
    """How many runs this process has begun. If it is what it was, nothing that is stored was read meanwhile."""
    return _begun


class _Outcome(NamedTuple):
    """The result that all callers of one run share."""

    entry: Entry
    stored: bool
    found: bool = False
    """Whether another process has made it."""


def _needs_none(judgement: Judgement) -> bool:
    """Whether no refresh is needed, as there was one just now."""
    return judgement.fresh and not judgement.due


@dataclass(slots=True, weakref_slot=True)
class ReadThrough:
    """Reads through one store.

    A stale entry is returned at once and refreshed in the background, unless the reader waits for fresh data. A missing
    entry is made by one run at a time: within this process by single flight, across processes under a lease. If a
    background run fails, the last good entry stays (R4.26).
    """

    store: Store
    clock: Clock
    patience: float
    """Seconds to wait for another process that is making an entry."""
    report: Callable[[str, BaseException], None]
    """Called with the name and the error of a failed run or commit that no caller waited for."""
    lease_seconds: float = LEASE_SECONDS
    clean: CleanContext = field(default_factory=CleanContext)
    """The context that runs begin in."""
    refreshes_at_once: int | None = None
    """How many background refreshes run at a time in one event loop; None: any number."""
    asked_again: AskedAgain = field(default_factory=AskedAgain)
    counters: Counters = field(default_factory=Counters)
    spans: Spans = field(default_factory=Spans)
    _queues: WeakKeyDictionary[asyncio.AbstractEventLoop, RefreshQueue[Read]] = field(default_factory=WeakKeyDictionary)
    flights: Flights[_Outcome] = field(init=False)
    _arriving: dict[str, Entry] = field(default_factory=dict)
    """Entries that synchronous code made in the event loop's thread, until they are stored."""
    _storing: PendingTasks = field(default_factory=PendingTasks)

    def __post_init__(self) -> None:
        self.flights = Flights(on_error=self.report, clean=self.clean)

    async def read(self, read: Read) -> Obtained:
        """The stored entry, or a new one from a run.

        Raises:
            CircularWaitError: the run in progress itself waits for this reader.
            BaseException: raised by `make` or `refuse`, when no stored entry can be used.
        """
        for _ in range(_ATTEMPTS):
            found = self.at_hand(read)
            if found is not None:
                return found
            entry = await StoreSpans(self.store, self.spans).get(read.key)
            judgement = self._judge(read, entry)
            if entry is not None and self._serves(read, entry, judgement):
                return Obtained(entry, judgement)
            read.refuse()
            read.because = judgement.reason
            patience = read.soft_timeout if judgement.servable else math.inf
            try:
                flown = await self.flights.run_within(patience, read.key, partial(self._run, read), read.name)
            except Exception as error:
                if entry is None or not judgement.fresh:
                    raise
                self.report(read.name, error)  # it was due, and is still fresh
                return Obtained(entry, judgement)
            if flown is None:
                if entry is not None and (judgement := read.judge(entry)).servable:
                    return Obtained(entry, judgement, late=not judgement.fresh)
                continue  # it was invalidated, or has expired, meanwhile
            outcome, joined = flown
            after = read.judge(outcome.entry)
            if outcome.found and not after.fresh:  # it is none that this run has made: it is stale, like any other
                if self._serves(read, outcome.entry, after):
                    return Obtained(outcome.entry, after)
                continue
            if not joined or after.servable:
                return Obtained(outcome.entry, after, True, judgement.reason, outcome.stored, joined)
        outcome = await self.flights.alone(read.key, partial(self._run, read), read.name)
        return Obtained(outcome.entry, read.judge(outcome.entry), True, Reason.TAG, outcome.stored)

    async def make_anew(self, read: Read) -> Entry:
        """A new entry from a run for this reader alone, whatever is stored; it is stored for others.

        Raises:
            BaseException: raised by `make`.
        """
        outcome = await self.flights.alone(read.key, lambda: self._make(read, None, background=False), read.name)
        return outcome.entry

    def at_hand(self, read: Read, loop: asyncio.AbstractEventLoop | None = None) -> Obtained | None:
        """The entry that is available without waiting, or None. A stale one is refreshed in the background.

        Args:
            read: the read.
            loop: the event loop for that; None: the running one.
        """
        entry = self.store.peek(read.key)
        arriving = self._arriving.get(read.key)
        # A loop that ends may leave one behind, which must not be in the way of what is stored later.
        if arriving is not None and (entry is None or arriving.rendered_at >= entry.rendered_at):
            entry = arriving
        if entry is None:
            return None
        judgement = read.judge(entry)
        return Obtained(entry, judgement) if self._serves(read, entry, judgement, loop) else None

    def _judge(self, read: Read, entry: Entry | None) -> Judgement:
        if entry is not None:
            return read.judge(entry)
        return Judgement(False, False, Reason.COLD if self.store.is_synced() else Reason.STORE_UNREACHABLE)

    def ahead(self, read: Read, entry: Entry) -> bool:
        """Refresh a due entry in the background, if it was asked for before; returns whether it was."""
        is_asked_again = self.asked_again.note(entry)
        if is_asked_again and read.judge(entry).due:
            self._refresh(read)
        return is_asked_again

    def _serves(
        self, read: Read, entry: Entry, judgement: Judgement, loop: asyncio.AbstractEventLoop | None = None
    ) -> bool:
        """Whether the reader gets the entry. A stale one is refreshed in the background; a due one that is asked for
        again, too."""
        if not judgement.servable:
            return False
        if read.waits and (not judgement.fresh or (judgement.due and read.awaits_due)):
            return False
        # While the store can't be reached, a new entry couldn't be stored, and each read would start another run.
        stale = not judgement.fresh and judgement.reason is not Reason.STORE_UNREACHABLE
        if stale or (judgement.due and self.asked_again.note(entry)):
            read.because = judgement.reason
            if loop is None:
                self._refresh(read)
            else:
                call_soon_in(loop, self._refresh, read)
        return True

    def _refresh(self, read: Read) -> None:
        if self.refreshes_at_once is None:
            self._begin_refresh(read)
            return
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            refused = partial(self.counters.add, REFRESHES_REFUSED, "queue-full")
            queue = self._queues[loop] = RefreshQueue(self.refreshes_at_once, self._begin_refresh, refused)
        queue.ask(read)

    def _begin_refresh(self, read: Read) -> asyncio.Task[Any] | None:
        entry = self.store.peek(read.key)
        if entry is not None and _needs_none(read.judge(entry)):  # somebody has refreshed it while this one waited
            return None
        return self.flights.begin(read.key, lambda: self._run(read, background=True), read.name)

    def running(self) -> int:
        """How many refreshes run in the background."""
        return sum(queue.running for queue in self._queues.values())

    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(map(len, self._queues.values()))

    def begin_no_more(self) -> None:
        """Let no refresh begin that waits for its turn in the running event loop, as that is about to end."""
        queue = self._queues.get(asyncio.get_running_loop())
        if queue is not None:
            queue.clear()

    async def _run(self, read: Read, *, background: bool = False) -> _Outcome:
        """One run under the key's lease; or, if another process holds the lease, the entry that it makes."""

        async def make(lease: Lease | None) -> _Outcome:
            return await self._make(read, lease, background=background)

        async def found() -> _Outcome | None:
            entry = await self.store.get(read.key)
            if entry is None:
                return None
            judgement = read.judge(entry)
            # A reader that had no entry accepts one from another process, even if it went stale by a tag meanwhile.
            enough = _needs_none(judgement) if background or read.waits else judgement.servable
            return _Outcome(entry, stored=True, found=True) if enough else None

        return await under_lease(
            self.store, read.key, self.patience, make, found, self.lease_seconds, partial(self._waited, read)
        )

    def _waited(self, read: Read, seconds: float) -> None:
        self.counters.observe(LEASE_WAITS, seconds, kind_in(read.key))
        StoreSpans(self.store, self.spans).waited(read.key, seconds, read.caused_by)

    async def _make(self, read: Read, lease: Lease | None, *, background: bool) -> _Outcome:
        run = self.new_run(background=background)
        try:
            made = await read.make(run)
        except BaseException as error:
            if is_cancellation(error):
                raise
            await self._settle(read, read.after_failure(error, run), run)
            raise
        return _Outcome(made.entry, await self._keep(read, made, run, lease))

    def new_run(self, *, background: bool) -> Run:
        """Capture the state before an entry is made."""
        global _begun
        _begun += 1
        return Run(self.store.generation(), self.clock(), background)

    async def _keep(self, read: Read, made: Made, run: Run, lease: Lease | None) -> bool:
        """Store the new entry, or apply its fate to the stored one; returns whether the new one was stored."""
        if made.fate is not Fate.REPLACE:
            await self._settle(read, made.fate, run)
            return False
        outcome = await StoreSpans(self.store, self.spans).commit(made.entry, lease, read.traced)
        self.counters.tally(COMMITS, made.entry.kind, outcome.value).count += 1
        if outcome is Commit.TOO_LARGE:
            log.warning("%s has %d bytes, more than the store accepts: not cached", read.name, made.entry.size)
            await self._settle(read, Fate.REMOVE, run)
        elif outcome is Commit.STORED:
            for key in read.surplus(made.entry):
                await self.store.remove(key)
        return outcome is Commit.STORED

    async def _settle(self, read: Read, fate: Fate, run: Run) -> None:
        """Apply the fate to the stored entry, unless a later run has stored it meanwhile."""
        if fate not in (Fate.REMOVE, Fate.BACK_OFF):
            return
        entry = await self.store.get(read.key)
        if entry is None or is_superseded(entry, run, self.clock()):
            return
        if fate is Fate.REMOVE:
            await self.store.remove(read.key)
        elif read.keeps(entry):
            backoff = backoff_after_failure(entry, self.clock(), run.generation)
            await self.store.commit(entry.with_backoff(backoff))

    def keep_soon(self, read: Read, made: Made, run: Run, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Store an entry from synchronous code: at once for this process, soon afterwards for others.

        Args:
            read: the read that it was made for.
            made: the entry.
            run: its run.
            loop: the event loop that stores it; None: the running one.
        """
        if made.fate is Fate.LEAVE:
            return
        if made.fate is Fate.REPLACE:
            self._arriving[read.key] = made.entry
        if loop is None:
            self._begin_keeping(read, made, run)
        elif not call_soon_in(loop, self._begin_keeping, read, made, run):
            self._left(read, made.entry)

    def _begin_keeping(self, read: Read, made: Made, run: Run) -> None:
        task: asyncio.Task[object] = self.clean.begin(lambda: self._keep(read, made, run, None))
        self._storing.hold(task)
        task.add_done_callback(lambda done: self._arrived(read, made.entry, done))

    def _arrived(self, read: Read, entry: Entry, task: asyncio.Task[object]) -> None:
        self._left(read, entry)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.report(read.name, error)

    def _left(self, read: Read, entry: Entry) -> None:
        """It arrives no longer: it is stored, or can't be."""
        if self._arriving.get(read.key) is entry:
            del self._arriving[read.key]

    def tasks(self) -> list[asyncio.Task[Any]]:
        """What is being made and stored in this event loop."""
        return [*self.flights.tasks(), *self._storing.tasks()]
