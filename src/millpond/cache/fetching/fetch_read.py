"""One call of fetch() whose answer may be cached: how it judges what is stored, and what a failure leaves it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import httpx2

from millpond.cache.data import DataRead
from millpond.cache.read import Fate, Obtained
from millpond.cache.runs.flight_time import FlightOverdue
from millpond.cache.told import FillFailure
from millpond.policy.decision import Reason
from millpond.policy.freshness import Judgement, age_of, backoff_after_failure, is_invalidated
from millpond.policy.upstream.upstream_life import UpstreamLife, upstream_life
from millpond.render.scopes.shared_scope import SharedScope

if TYPE_CHECKING:
    from millpond.cache.data import DataCache, Fill, Filled
    from millpond.cache.read import Run
    from millpond.policy.entry import Entry
    from millpond.policy.freshness import Reader
    from millpond.render.scopes.scope import Scope

log = logging.getLogger("millpond.cache")

_GONE = frozenset({404, 410})
"""The upstream says that the data isn't there any more."""
_TRY_LATER = frozenset({408, 425, 429})
"""Like 5xx, these say nothing of the data: the upstream can't answer now."""

_UNREACHABLE = (httpx2.HTTPError, OSError, FlightOverdue)
"""What is raised in place of an answer."""


def failing(status: int) -> bool:
    """Whether an upstream's answer only says that it has none (RFC 5861 §4)."""
    return status >= 500 or status in _TRY_LATER


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, FillFailure):
        error = error.error
    if isinstance(error, httpx2.HTTPStatusError):  # raised by a hook of the client
        return failing(error.response.status_code)
    return isinstance(error, _UNREACHABLE)


class FetchRead(DataRead):
    """A read that keeps stale data where the upstream fails, also for renders, which wait for fresh data.

    Args:
        cache: the cache to read from.
        key: the key of the data.
        name: the call, as messages name it.
        reader: the caller's limits.
        fill: asks the upstream.
        by_upstream: whether the answer's own headers limit its use.
        authorized: whether the request has credentials of HTTP.
    """

    def __init__(
        self,
        cache: DataCache,
        key: str,
        name: str,
        reader: Reader,
        fill: Fill,
        *,
        by_upstream: bool = False,
        authorized: bool = False,
    ) -> None:
        super().__init__(cache, key, name, reader, fill)
        self._by_upstream, self._authorized = by_upstream, authorized
        self.replaces: Entry | None = None
        """What was stored when the upstream was asked; noted by `fill`."""

    def judge(self, entry: Entry) -> Judgement:
        if not self._by_upstream:
            return super().judge(entry)
        life = self.life_of(entry)
        judgement = self._judged_by(life, entry)
        age = age_of(entry, self.cache.clock())
        fresh_or_refreshed = age <= max(life.fresh, life.stale) and not life.must_validate
        if judgement.reason is Reason.REFRESH_FAILED and self._within(life, age):
            return judgement
        if not judgement.servable or fresh_or_refreshed:
            return judgement
        return Judgement(False, False, Reason.AGE, None, min(int(life.fresh - age), -1))

    def keeps(self, entry: Entry) -> bool:
        if not self._by_upstream:
            return super().keeps(entry)
        life = self.life_of(entry)
        return self._within(life, age_of(entry, self.cache.clock())) and self._judged_by(life, entry).servable

    def is_invalidated(self, entry: Entry) -> bool:
        """Whether its tags, or the caller's, were invalidated since."""
        return is_invalidated(entry, self.cache.clock(), self.cache.store.row, self.reader)

    def life_of(self, entry: Entry) -> UpstreamLife:
        """How long the upstream lets it be used."""
        return upstream_life(entry.headers, entry.rendered_at, authorized=self._authorized)

    def _judged_by(self, life: UpstreamLife, entry: Entry) -> Judgement:
        if life.refused is not None:
            return Judgement(False, False, Reason.COLD)
        return self.judged(entry, self.reader._replace(revalidate=max(life.fresh, 0)))

    def _within(self, life: UpstreamLife, age: float) -> bool:
        return life.kept > 0 and age <= life.kept

    def after_failure(self, error: BaseException, run: Run) -> Fate:
        """A failing upstream is asked again after a pause, whoever has asked."""
        if isinstance(error, httpx2.HTTPStatusError) and error.response.status_code in _GONE:
            return Fate.REMOVE
        return Fate.BACK_OFF if run.background or _is_outage(error) else Fate.LEAVE

    def fate_unstored(self, filled: Filled, run: Run) -> Fate:
        if self.replaces is None:
            return Fate.LEAVE
        if filled.status in _GONE:
            return Fate.REMOVE
        if filled.status == httpx2.codes.OK:  # the upstream doesn't let it be stored, any more
            stands_in = self.life_of(self.replaces).kept > 0  # otherwise it is only for calls with other options
            return Fate.REMOVE if run.background or stands_in else Fate.LEAVE
        if run.background:
            log.warning("refreshing %s answered %d: the stored answer stays", self.name, filled.status)
        return Fate.BACK_OFF if run.background or failing(filled.status) else Fate.LEAVE

    async def obtained(self, seconds: float | None, scope: Scope) -> Obtained:
        """The stored answer, or the upstream's within `seconds`; where that fails, a stale one that is stored.

        A handler whose answer is stored first gets an upstream's error as it is, since it may have an answer for that;
        see `Renderer.shared`.

        Raises:
            FillFailure: an answer of this application failed.
            FlightOverdue: there was no complete answer in time.
            BaseException: the upstream failed, and nothing is stored that could be used.
        """
        try:
            found = await self._within_time(seconds)
        except Exception as error:
            kept = await self._kept() if _is_outage(error) else None
            if kept is None:
                raise
            log.warning("%s failed, and stale data is used: %s", self.name, error)
            return kept
        if not failing(found.entry.status):
            return found
        kept = await self._kept()
        if kept is None:
            return found
        if kept.judgement.reason is Reason.FRESH:  # it was due
            return kept
        if isinstance(scope, SharedScope) and not scope.takes_stale_data:
            scope.stale_withheld = True
            return found
        log.warning("%s answered %d, and stale data is used", self.name, found.entry.status)
        return kept

    async def _within_time(self, seconds: float | None) -> Obtained:
        at_hand = self.cache.engine.at_hand(self)
        if at_hand is not None:
            return at_hand
        if seconds is None:
            with self.cache.flight_times.waiting(self.key, float("inf")):
                return await self._shared(float("inf"))
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline) as limit:
                with self.cache.flight_times.waiting(self.key, deadline):
                    return await self._shared(deadline)
        except TimeoutError:
            if not limit.expired():
                raise
            raise FlightOverdue(self.name, background=False) from None

    async def _shared(self, deadline: float) -> Obtained:
        """By a call that others may wait for, too. One that ends as this caller joins it isn't the last word."""
        while True:
            try:
                return await self.cache.obtained(self)
            except FlightOverdue:
                if asyncio.get_running_loop().time() + _IMMEDIATELY >= deadline:
                    raise
            except FillFailure as failure:
                overdue = isinstance(failure.error, FlightOverdue)
                if not overdue or asyncio.get_running_loop().time() + _IMMEDIATELY >= deadline:
                    raise

    async def _kept(self) -> Obtained | None:
        """A stored answer that can be used though it is stale; it counts as fresh until the next attempt."""
        store, now = self.cache.store, self.cache.clock()
        entry = await store.get(self.key)
        if entry is None or not self.keeps(entry):
            return None
        judgement = self.judge(entry)
        if judgement.reason is Reason.FRESH:
            return Obtained(entry, judgement)
        pause = backoff_after_failure(entry, now, store.generation()).seconds
        return Obtained(entry, Judgement(True, True, Reason.REFRESH_FAILED, None, int(pause)))


_IMMEDIATELY = 0.001
"""Seconds: too little for another attempt."""
