"""One call of fetch() whose answer may come from the cache, and may be stored there."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, NamedTuple

from millpond.cache.data import Filled, error_of
from millpond.cache.fetching.exchange import learn
from millpond.cache.fetching.fetch_key import NOT_IN_KEY, key_of
from millpond.cache.fetching.fetch_label import fetch_label
from millpond.cache.fetching.fetch_read import FetchRead
from millpond.cache.fetching.kept_answer import answer_of
from millpond.cache.fetching.upstream import hooked, late
from millpond.cache.runs.flight_time import FlightOverdue
from millpond.cache.told import FillFailure, Told
from millpond.policy.decision import Reason
from millpond.policy.freshness import Reader, age_of, lifetime_of_old
from millpond.policy.lifetime import Lifetime
from millpond.policy.upstream.upstream_life import upstream_life
from millpond.render.scopes.scope import OperationScope
from millpond.routes.results.passed_on import redacted
from millpond.telemetry.instruments import SLOW_FETCHES

if TYPE_CHECKING:
    import httpx2

    from millpond.cache.data import DataCache
    from millpond.cache.fetching.exchange import Exchange, SharedAnswer
    from millpond.cache.read import Obtained
    from millpond.policy.entry import Entry
    from millpond.policy.fetch_plan import FetchCall, FetchPlan
    from millpond.render.scopes.scope import Scope

_STORED_STATUS = 200
_MOST_OVERDUE = 1000
"""Keys of one process of which the place of a call is looked for."""


class CachedFetch(NamedTuple):
    """The call, and where it is made."""

    exchange: Exchange
    call: FetchCall
    plan: FetchPlan
    tags: tuple[str, ...]
    scope: Scope
    data: DataCache
    ones_own: bool
    """Whether the call gives a client."""
    soft_timeout: float
    """Seconds to wait for fresh data where stale data may be used."""

    async def answer(self) -> httpx2.Response:
        exchange, request = self.exchange, self.exchange.request
        key = await key_of(exchange.sender, request, self.call.header_names, exchange.redirect, ones_own=self.ones_own)
        for name in NOT_IN_KEY:
            request.headers.pop(name, None)  # an upstream must not put one caller's trace into a shared answer
        if key[0] in self.data.overdue:
            self._count_overdue(key[0])
        read = self._read(*key)
        found = await self._obtained(read)
        if found.late or found.judgement.reason is Reason.REFRESH_FAILED:
            self.scope.limit(lifetime_of_old(found.entry, self.data.clock(), found.judgement.ttl or 0))
        elif self.plan.by_upstream and found.entry.status == _STORED_STATUS:
            refused = self._learn_of_upstream(read, found.entry)
            if refused and found.joined:  # what may not be stored isn't for several callers either
                return await exchange.heard_by(self.scope)
        if self.ones_own:
            await self._show_redirects(found.entry)
        return answer_of(found.entry, request)

    async def _show_redirects(self, entry: Entry) -> None:
        """Show the client's hooks where a stored answer came from: they may refuse a host, as they would have then."""
        came, sender = entry.came, self.exchange.sender
        if came is None or not came.hops:
            return
        followed = [*((hop.method, hop.url) for hop in came.hops[1:]), (came.method, came.url)]
        for method, url in followed:
            await hooked(sender, sender.build_request(method, url))

    def _count_overdue(self, key: str) -> None:
        """Count that the upstream has taken longer than its data stays fresh: the flight doesn't know the call."""
        self.data.overdue.discard(key)
        place, scope = self.scope.place(), self.scope
        if place is not None:
            route = scope.target.route.pattern if isinstance(scope, OperationScope) else ""
            self.data.counters.add(SLOW_FETCHES, route, place.file, str(place.line))

    def _note_time(self, key: str, answer: SharedAnswer) -> None:
        fresh, overdue = self.plan.revalidate, self.data.overdue
        if fresh and answer.came.seconds > fresh and self.exchange.own is None and len(overdue) < _MOST_OVERDUE:
            overdue.add(key)

    def _read(self, key: str, authorized: bool) -> FetchRead:
        exchange, plan, data = self.exchange, self.plan, self.data
        name = f"{exchange.request.method} {redacted(exchange.request.url)}"

        async def fill(background: bool) -> Filled:
            own = exchange.own
            if own is None:
                return await filled(background)
            with data.telling(key, own.told):
                return _of_own_data(await filled(background), own.told())

        async def filled(background: bool) -> Filled:
            async with data.flight_times.running(key, name, exchange.limits.seconds, background=background):
                read.replaces = stored = await data.store.get(key)
                invalidated = stored is not None and read.is_invalidated(stored)
                answer = await exchange.shared_answer(stored, invalidated=invalidated)
                self._note_time(key, answer)
                return self._filled(answer, authorized)

        read = FetchRead(data, key, name, self._reader(), fill, by_upstream=plan.by_upstream, authorized=authorized)
        if not self.scope.for_build:
            read.soft_timeout = self.soft_timeout
        return read

    def _reader(self) -> Reader:
        scope, plan = self.scope, self.plan
        own = dict(scope.own_invalidations)
        tags = (*self.tags, *scope.own_tags)
        waits, takes_paused = scope.wants_fresh_data, scope.takes_stale_data
        return Reader(plan.revalidate, tags, own, waits, takes_paused=takes_paused, host=scope.host)

    def _filled(self, answer: SharedAnswer, authorized: bool) -> Filled:
        lifetime, storable = Lifetime(self.plan.revalidate), answer.status == _STORED_STATUS
        if storable and self.plan.by_upstream:
            life = upstream_life(answer.headers, self.data.clock(), authorized=authorized)
            has_validator = any(name in (b"etag", b"last-modified") for name, _ in answer.headers)
            storable = life.refused is None and (has_validator or life.kept > 0)
            lasting = life.kept == math.inf or life.kept <= 0  # a validator lasts longer than the data
            lifetime = Lifetime(max(life.fresh, 0), None if lasting else life.kept)
        return Filled(
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            lifetime=lifetime,
            tags=self.tags,
            storable=storable,
            came=answer.came,
            label=fetch_label(f"{self.exchange.request.method} {redacted(self.exchange.request.url)}"),
        )

    async def _obtained(self, read: FetchRead) -> Obtained:
        """The answer. What one of this application is made of counts for the scope, whether there is one or not."""
        is_own, seconds = self.exchange.own is not None, self.exchange.limits.seconds
        failed: FillFailure | None = None
        try:
            found = await read.obtained(seconds, self.scope)
        except FlightOverdue:
            if is_own:
                self._learn_so_far(read.key)
        except FillFailure as failure:
            failed = failure
        except asyncio.CancelledError:
            if is_own:
                self._learn_so_far(read.key)
            raise
        else:
            if is_own:
                entry = found.entry
                learn(self.scope, Told(Lifetime(entry.revalidate, entry.expire), entry.tags))
            return found
        if failed is not None:
            learn(self.scope, failed.told)
        if failed is None or isinstance(failed.error, FlightOverdue):
            raise late(self.exchange.request, seconds)
        raise error_of(failed)  # outside of `except`: the error keeps its own context

    def _learn_so_far(self, key: str) -> None:
        told = self.data.told_so_far(key)
        if told is not None:
            learn(self.scope, told)

    def _learn_of_upstream(self, read: FetchRead, entry: Entry) -> bool:
        """What is made of it lives as long as it stays fresh; returns whether it may not be stored."""
        life = read.life_of(entry)
        if life.refused is None and not life.must_validate:
            left = life.fresh - age_of(entry, self.data.clock())
            self.scope.learn(Lifetime(max(math.ceil(left), 1)), ())
            return False
        why = life.refused or "the upstream gives no lifetime"
        self.scope.record_uncached(f"fetch() uncached ({why})")
        if self.scope.in_function:  # its result would be stored, and each use of this data has to ask
            self.scope.learn(Lifetime(0), ())
        return life.refused is not None


def _of_own_data(filled: Filled, told: Told) -> Filled:
    tags = (*filled.tags, *(tag for tag in told.tags if tag not in filled.tags))
    return filled._replace(lifetime=filled.lifetime.lowered(told.lifetime), tags=tags)
