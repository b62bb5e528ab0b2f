"""The life of stored answers while serving: hit, stale, miss, and one render per key (R4.1 to R4.34)."""

from __future__ import annotations

import logging
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from millpond.cache.answer import entry_of, warn_of_lost_body
from millpond.cache.clean_context import CleanContext
from millpond.cache.compression import compressed_in_thread
from millpond.cache.flight import Flights
from millpond.cache.lease import LEASE_SECONDS, under_lease
from millpond.errors import OverdueError, UnsendableError
from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.freshness import Judgement, backoff_after_failure, fresh_for, judge
from millpond.policy.http.sendable import stored_fault
from millpond.policy.http.storing import storable_status
from millpond.render.overdue import MOST_OVERDUE, TimedRenders
from millpond.render.scopes.dynamic_use import NotStatic
from millpond.stores.contract import Commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.cache.variants import Variants
    from millpond.policy.entry import Coding, Entry
    from millpond.policy.freshness import Clock
    from millpond.render.renderer import Renderer
    from millpond.render.scopes.dynamic_use import DynamicUse
    from millpond.render.target import Target
    from millpond.stores.contract import Lease, Store

log = logging.getLogger("millpond.cache")

LIVE_SECONDS = 10.0
"""How long a path that turned dynamic is run live before a render for everybody is tried again."""
_MOST_LIVE_PATHS = 10_000
_ATTEMPTS = 3
"""How often a request joins another's render before it makes its own: each one was invalidated meanwhile."""


class RenderFailed(Exception):
    """A render for everybody raised or took too long. It has been logged."""


@dataclass(frozen=True, slots=True)
class Cached:
    """An answer from the store, or just rendered for it."""

    entry: Entry
    decision: Decision


@dataclass(frozen=True, slots=True)
class Regenerated:
    entry: Entry
    stored: bool


@dataclass(slots=True)
class Responses:
    """Answers for static and fresh routes."""

    store: Store
    renderer: Renderer
    clock: Clock
    build: str
    render_timeout: float
    """Seconds."""
    variants: Variants
    lease_seconds: float = LEASE_SECONDS
    codings: Sequence[Coding] = ()
    """Those in which bodies are stored besides the plain ones."""
    max_overdue_renders: int = MOST_OVERDUE
    renders: TimedRenders = field(init=False)
    clean: CleanContext = field(default_factory=CleanContext)
    """The context that renders begin in."""
    flights: Flights[Regenerated] = field(init=False)
    _live: dict[str, tuple[float, DynamicUse]] = field(default_factory=dict)
    """Paths that turned dynamic: until when they are run live, and why."""
    _told: set[str] = field(default_factory=set)
    """Files that were warned of bodies where none may be."""

    def __post_init__(self) -> None:
        self.renders = TimedRenders(self.renderer, self.clock, self.render_timeout, self.max_overdue_renders)
        self.flights = Flights(on_error=_report_background_failure, clean=self.clean)

    def hit(self, key: str) -> Cached | None:
        """A fresh answer that is at hand, or None; never waits."""
        entry = self.store.peek(key)
        if entry is None:
            return None
        now = self.clock()
        judgement = self.judge(entry, now)
        return self._from_store(entry, judgement, now) if judgement.fresh else None

    async def answer(self, target: Target) -> Cached:
        """The answer for everybody: stored, stale while it is rendered again, or rendered now (4.2).

        Raises:
            NotStatic: the route turned dynamic; the request is to be run live (D7).
            RenderFailed: nothing servable is stored, and the render failed (R4.27).
        """
        key = target.key
        for _ in range(_ATTEMPTS):
            entry = await self._stored(key)
            now = self.clock()
            judgement = self._missing() if entry is None else self.judge(entry, now)
            if entry is not None and judgement.servable:
                # A render that nobody could store would be made again at once, and again.
                if not judgement.fresh and judgement.reason is not Reason.STORE_UNREACHABLE:
                    self.flights.begin(key, lambda: self._regenerate(target))
                return self._from_store(entry, judgement, now)
            self._refuse_if_live(key, now)
            made, joined = await self.flights.run(key, lambda: self._regenerate(target))
            after = self.judge(made.entry, self.clock())
            if not joined or after.servable:
                return _just_rendered(made, judgement.reason, after, joined=joined)
        made = await self.flights.alone(key, lambda: self._regenerate(target))
        return _just_rendered(made, Reason.TAG, self.judge(made.entry, self.clock()), joined=False)

    def judge(self, entry: Entry, now: float) -> Judgement:
        """What may be done with an entry of this build.

        One that can't be sent is none: an older version, or somebody else, has written it into the store.
        """
        if stored_fault(entry.status, entry.headers) is not None:
            return self._missing()
        return judge(entry, now, self.store.row, self.build, is_synced=self.store.is_synced())

    async def _stored(self, key: str) -> Entry | None:
        """What is at hand, if it may be served; else what the store has."""
        entry = self.store.peek(key)
        if entry is not None and self.judge(entry, self.clock()).servable:
            return entry
        return await self.store.get(key)

    def _missing(self) -> Judgement:
        return Judgement(False, False, Reason.COLD if self.store.is_synced() else Reason.STORE_UNREACHABLE)

    def _from_store(self, entry: Entry, judgement: Judgement, now: float) -> Cached:
        left = fresh_for(entry, now)
        action = Action.HIT if judgement.fresh else Action.STALE
        # Of what isn't fresh for another reason than its age no seconds of freshness are left, and none are over.
        ttl = None if left is None or judgement.reason is Reason.STORE_UNREACHABLE else int(left // 1)
        return Cached(entry, Decision(action, judgement.reason, tag=judgement.tag, ttl=ttl))

    def _refuse_if_live(self, key: str, now: float) -> None:
        """Followers of a path that turned dynamic don't queue for another attempt (docs/design.md)."""
        known = self._live.get(key)
        if known is None:
            return
        until, use = known
        if now < until:
            raise NotStatic(use)
        del self._live[key]

    def _remember_live(self, key: str, use: DynamicUse) -> None:
        if len(self._live) >= _MOST_LIVE_PATHS:  # visitors choose the paths: the memory of them is bounded
            self._live.pop(next(iter(self._live)))
        self._live[key] = (self.clock() + LIVE_SECONDS, use)

    async def _regenerate(self, target: Target) -> Regenerated:
        """One render under the key's lease; without one, the entry that the holder makes."""

        async def make(lease: Lease | None) -> Regenerated:
            return await self._render_and_commit(target, lease)

        async def found() -> Regenerated | None:
            entry = await self.store.get(target.key)
            if entry is None:
                return None
            return Regenerated(entry, stored=True) if self.judge(entry, self.clock()).fresh else None

        return await under_lease(self.store, target.key, self.render_timeout, make, found, self.lease_seconds)

    async def _render_and_commit(self, target: Target, lease: Lease | None) -> Regenerated:
        generation, now = self.store.generation(), self.clock()
        context = copy_context()
        try:
            rendered = await self.renders.regenerate(target, context)
            entry = entry_of(rendered, target, rendered_at=now, generation=generation, build=self.build)
        except NotStatic as ended:
            await self._turned_dynamic(target, ended, generation)
            raise
        except Exception as error:
            # Of the first two nothing has run that a traceback could show, or nothing of the handler's.
            if isinstance(error, OverdueError):
                log.error("rendering %s (%s) failed: %s", target.label, target.route.file.file, error)
            elif isinstance(error, UnsendableError):
                log.error("%s", error)
            else:
                # In the render's context: there an error tracker knows what it was about, and that it has seen it.
                context.run(log.exception, "rendering %s (%s) failed", target.label, target.route.file.file)
            await self._back_off(target.key, generation)
            raise RenderFailed(target.label) from error
        warn_of_lost_body(rendered, target, self._told)
        if not storable_status(entry.status):
            # Anyone can ask for what a handler refuses; only what breaks by itself is worth a warning.
            level = logging.WARNING if entry.status >= 500 or not target.query else logging.DEBUG
            log.log(level, "rendering %s answered %d, which is not stored", target.label, entry.status)
            await self._back_off(target.key, generation)
            return Regenerated(entry, stored=False)
        entry = await compressed_in_thread(entry, self.codings)
        return Regenerated(entry, stored=await self._commit(target, entry, lease))

    async def _commit(self, target: Target, entry: Entry, lease: Lease | None) -> bool:
        outcome = await self.store.commit(entry, lease)
        if outcome is Commit.TOO_LARGE:  # else the former answer would be served, and rendered again, at each request
            log.warning("%s is %d bytes, more than the store takes: not cached", target.label, entry.size)
            await self.store.remove(entry.key)
        elif outcome is Commit.STORED and target.query:
            for surplus in self.variants.stored(target.path, entry.key):
                await self.store.remove(surplus)
        return outcome is Commit.STORED

    async def _turned_dynamic(self, target: Target, ended: NotStatic, generation: int) -> None:
        log.warning(
            "%s was static at build, and now its answer is one request's own: %s. It runs live meanwhile. "
            'Say dynamic = "force-dynamic" in %s, or keep request data out of GET and of middleware around renders.',
            target.label,
            ended.use,
            target.route.file.file,
        )
        self._remember_live(target.key, ended.use)
        if ended.unshareable:
            await self.store.remove(target.key)
        else:
            await self._back_off(target.key, generation)

    async def _back_off(self, key: str, generation: int) -> None:
        """After a failed refresh the last good entry stays, and the next try waits (R4.26)."""
        entry = await self.store.get(key)
        now = self.clock()
        if entry is not None and self.judge(entry, now).servable:
            await self.store.commit(entry.with_backoff(backoff_after_failure(entry, now, generation)))


def _just_rendered(made: Regenerated, reason: Reason, after: Judgement, *, joined: bool) -> Cached:
    """`after`: what the answer is worth already, after an invalidation while it was rendered."""
    decision = Decision(
        Action.MISS, reason, tag=after.tag, stored=made.stored, collapsed=joined, status=made.entry.status
    )
    # What isn't stored here is not for caches in front either: a 500 would outlive its cause there. Nor is what was
    # invalidated meanwhile: they would take it for fresh.
    lasting = made.stored and after.tag is None
    entry = made.entry if lasting else msgspec.structs.replace(made.entry, revalidate=0, expire=None)
    return Cached(entry, decision)


def _report_background_failure(key: str, error: BaseException) -> None:
    if not isinstance(error, (NotStatic, RenderFailed)):  # those two have been logged, with the route
        log.error("refreshing %s failed", key, exc_info=error)
