"""One cache in front, and the task that sends its purges: from the queue to the network and back."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from millpond.errors import PurgeError
from millpond.policy.tags import Named, named, of_host
from millpond.purge.purge_client import NoResponse, send_request
from millpond.purge.purger import PurgeOutcome, Verdict
from millpond.purge.queue import PurgeQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import httpx2

    from millpond.policy.freshness import Clock
    from millpond.purge.purger import Purger
    from millpond.purge.queue import PendingPurge, PurgeBatch

log = logging.getLogger("millpond.purge")

_MAX_LOSSES = 1000
"""Losses that `acknowledged` still knows of."""
_TAGS_PER_LINE = 100


class _Loss(NamedTuple):
    """Purges for invalidations from `first` to `last` were lost."""

    first: int
    last: int
    why: str


class SentPurge(NamedTuple):
    """One request for a purge, and what came of it."""

    purger: str
    """The cache's name, without secrets."""
    tags: Sequence[str]
    hard: bool
    outcome: PurgeOutcome
    why: str
    """Why it failed; empty if it didn't."""
    seconds: float

    @property
    def name(self) -> str:
        """What metrics call the outcome."""
        return "failed" if self.is_repeated else self.outcome.value

    @property
    def is_done(self) -> bool:
        return self.outcome is PurgeOutcome.DONE

    @property
    def is_repeated(self) -> bool:
        """Whether it is tried again."""
        return self.outcome is PurgeOutcome.RETRY


def untold(sent: SentPurge) -> None:
    """Tell nobody of a purge."""


class Delivery:
    """Sends purges to one cache, one request at a time. `add` may be called from any thread, the rest from one loop."""

    def __init__(
        self,
        purger: Purger,
        clock: Clock,
        *,
        timeout: float,
        again_after: float,
        give_up_after: float,
        told: Callable[[SentPurge], None] = untold,
    ) -> None:
        """The times are in seconds, as in `[[cdn.purge]]`; `told` is told of each request."""
        self.purger = purger
        self.trouble = ""
        """Why the last request failed; empty if it didn't."""
        self._clock, self._timeout, self._told = clock, timeout, told
        self._lock = threading.Lock()
        self._queue = PurgeQueue(purger.max_tags, again_after=again_after, give_up_after=give_up_after)
        self._losses: deque[_Loss] = deque(maxlen=_MAX_LOSSES)
        self._waiters: list[tuple[int, Future[None]]] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, client: httpx2.AsyncClient) -> None:
        """Begin to send; called in the event loop that sends."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(client))

    def add(self, tags: Iterable[str], *, hard: bool, number: int) -> None:
        """Send purges for an invalidation soon; never waits and never raises."""
        with self._lock:
            self._queue.add(tags, hard=hard, number=number, now=self._clock())
            ended = self._task is None
        if ended or not self.wake():
            self._give_up("the application has shut down")

    def wake(self) -> bool:
        """Send what is due; False when there is no event loop to do it."""
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:  # it is closed
            return False
        return True

    def acknowledged(self, number: int) -> Future[None]:
        """Done when the cache has acknowledged every purge up to the invalidation `number`.

        It fails with PurgeError when one of them is lost.
        """
        future: Future[None] = Future()
        with self._lock:
            self._waiters.append((number, future))
        self._tell_waiters()
        return future

    async def end(self) -> None:
        """Stop; what isn't acknowledged is lost."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._give_up("the application has shut down")

    async def _run(self, client: httpx2.AsyncClient) -> None:
        while True:
            with self._lock:
                batch = self._queue.take(self._clock())
            if batch is None:
                await self._until_due()
            else:
                began = time.perf_counter()
                verdict = await self._verdict(client, batch)
                seconds, tags = time.perf_counter() - began, [*map(_readable, batch.items)]
                self._told(SentPurge(self.purger.name, tags, batch.hard, verdict.outcome, verdict.why, seconds))
                self._settle(batch, verdict)

    async def _until_due(self) -> None:
        with self._lock:
            due = self._queue.next_due()
        seconds = None if due is None else max(0.0, due - self._clock())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _verdict(self, client: httpx2.AsyncClient, batch: PurgeBatch) -> Verdict:
        try:
            request = self.purger.request(list(batch.items), hard=batch.hard, now=self._clock())
            return self.purger.verdict(await send_request(client, request, self._timeout), self._clock())
        except NoResponse as error:
            return Verdict(PurgeOutcome.RETRY, str(error))
        except Exception as error:
            # No error may end the only task that sends to this cache.
            log.exception("purging at %s failed unexpectedly", self.purger.name)
            return Verdict(PurgeOutcome.RETRY, repr(error))

    def _settle(self, batch: PurgeBatch, verdict: Verdict) -> None:
        now, lost = self._clock(), {}
        with self._lock:
            if verdict.outcome is PurgeOutcome.DONE:
                self._queue.done(batch, now)
            elif verdict.outcome is PurgeOutcome.RETRY:
                lost = self._queue.failed(batch, now, verdict.after)
            else:
                lost = self._queue.refused(batch)
            waiting, pause = len(self._queue), self._queue.pause_ends - now
        self._log_outcome(verdict, waiting, pause)
        self._lose(lost, verdict.why)
        self._tell_waiters()

    def _log_outcome(self, verdict: Verdict, waiting: int, pause: float) -> None:
        if verdict.outcome is PurgeOutcome.DONE and self.trouble:
            log.info("purging at %s works again", self.purger.name)
        elif verdict.outcome is PurgeOutcome.RETRY and waiting:
            tags = f"{waiting} tag{' waits' if waiting == 1 else 's wait'}"
            log.warning(
                "purging at %s failed: %s; %s, the next try in %g s", self.purger.name, verdict.why, tags, pause
            )
        self.trouble = verdict.why

    def _give_up(self, why: str) -> None:
        with self._lock:
            lost = self._queue.abandon()
        self._lose(lost, why)
        self._tell_waiters()

    def _lose(self, lost: dict[str, PendingPurge], why: str) -> None:
        """Log the tags of which a cache may still serve old answers."""
        if not lost:
            return
        with self._lock:
            first, last = min(item.first for item in lost.values()), max(item.last for item in lost.values())
            self._losses.append(_Loss(first, last, why))
        names = [_readable(tag) for tag in lost]
        for start in range(0, len(names), _TAGS_PER_LINE):
            log.error(
                "not purged at %s (%s), which may serve old answers until their time runs out: %s",
                self.purger.name,
                why,
                ", ".join(names[start : start + _TAGS_PER_LINE]),
            )

    def _tell_waiters(self) -> None:
        with self._lock:
            if not self._waiters:
                return
            oldest = self._queue.oldest()
            due = [(number, future) for number, future in self._waiters if oldest is None or number < oldest]
            failed = [(future, loss) for number, future in self._waiters if (loss := self._loss_of(number)) is not None]
            settled = {future for _, future in due} | {future for future, _ in failed}
            self._waiters = [waiter for waiter in self._waiters if waiter[1] not in settled]
        for future, loss in failed:
            if future.set_running_or_notify_cancel():
                future.set_exception(PurgeError(f"not purged at {self.purger.name}: {loss.why}."))
        for future in settled - {future for future, _ in failed}:
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    def _loss_of(self, number: int) -> _Loss | None:
        return next((loss for loss in self._losses if loss.first <= number <= loss.last), None)


def _readable(tag: str) -> str:
    joined = of_host(tag)
    if joined is not None:
        return f"{_readable(joined[1])} for {joined[0]}"
    kind, name = named(tag)
    return repr(name) if kind is Named.TAG else f"{kind.value} {name}"
