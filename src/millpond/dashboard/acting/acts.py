"""Carries out what somebody asks for on the dashboard, and notes who did: in the log, and in the timeline."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Literal, NamedTuple

from millpond.errors import UsageError
from millpond.messages import counted, in_one_line
from millpond.policy.profiles import profile_named
from millpond.telemetry.invalidated import By, invalidated_by
from millpond.telemetry.journal import Event
from millpond.warm.refreshing.refresh_event import refresh_event, subject_in_words
from millpond.warm.refreshing.refresh_round import refresh

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.cron.job import CronJob
    from millpond.dashboard.acting.subject import Subject
    from millpond.dashboard.operated import Operated

log = logging.getLogger("millpond.dashboard")

How = Literal["refresh", "soft", "hard", "purge"]
PROFILE = "max"
"""The lifetime of soft invalidations from here: as long as possible."""
PATIENCE = 5.0
"""Seconds for which the browser waits for an act; then it goes on by itself."""


class ActedBy(NamedTuple):
    """Who acts, and why."""

    name: str
    note: str = ""


class Acts:
    """What can be done to one application.

    Args:
        operated: the application.
        patience: seconds to wait for an act to end.
    """

    def __init__(self, operated: Operated, patience: float = PATIENCE) -> None:
        self._operated, self._patience = operated, patience
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def carry_out(self, how: How, subject: Subject, by: ActedBy) -> None:
        """Do it, and note it. It goes on if it takes longer than somebody likes to wait.

        Raises:
            StoreError: the store can't be reached.
        """
        acts: dict[How, Callable[[Subject, ActedBy], Awaitable[Event]]] = {
            "refresh": self._refresh,
            "soft": self._soft,
            "hard": self._hard,
            "purge": self._purge,
        }
        await self._bounded((how, subject.name), lambda: acts[how](subject, by), by)

    async def run_cron(self, job: CronJob, by: ActedBy) -> None:
        """Run a cron now.

        Raises:
            AlreadyClaimed: another process runs it.
        """

        async def run() -> Event:
            ran = await job.run(self._operated.clock(), once=False)
            took = "" if ran.seconds is None else f" in {ran.seconds:g} s"
            status = "" if ran.status is None else f", status {ran.status}"
            text = f"Ran the cron {job.cron.path} by hand: {ran.outcome}{status}{took}"
            return self._event("cron", text, by, path=job.cron.path)

        await self._bounded(("cron", job.key), run, by)

    async def _bounded(self, key: tuple[str, str], act: Callable[[], Awaitable[Event]], by: ActedBy) -> None:
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._noted(act, by))
            task.add_done_callback(lambda done: self._ended(key, done))
        done, _ = await asyncio.wait([task], timeout=self._patience)
        if done:
            task.result()

    async def _noted(self, act: Callable[[], Awaitable[Event]], by: ActedBy) -> None:
        with invalidated_by(By("admin", name=by.name, is_noted=True)):
            event = await act()
        self._operated.counting.journal.note(event)
        fields = {"by": by.name, "note": by.note}
        told = in_one_line(f"{event.text} ({event.detail or 'done'})")
        log.info("%s: %s", by.name, told, extra={"fields": fields})

    def _ended(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._running.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("%s %s failed: %s", *key, error)

    async def _refresh(self, subject: Subject, by: ActedBy) -> Event:
        operated = self._operated
        if operated.warms is None:
            raise UsageError("this application renders nothing.")
        done = await refresh(
            subject.order,
            operated.store,
            operated.warms,
            base_path=operated.config.base_path,
            purges=operated.purges,
        )
        return refresh_event(subject.order, done, at=operated.clock(), origin="admin", name=by.name, note=by.note)

    async def _soft(self, subject: Subject, by: ActedBy) -> Event:
        expire = profile_named(PROFILE, self._operated.config.profiles()).expire
        return self._invalidated(subject, by, expire, f"softly ({PROFILE})")

    async def _hard(self, subject: Subject, by: ActedBy) -> Event:
        return self._invalidated(subject, by, 0, "hard")

    def _invalidated(self, subject: Subject, by: ActedBy, expire_after: float | None, how: str) -> Event:
        operated, order = self._operated, subject.order
        done = order.carry_out(operated.store, operated.purges, expire_after=expire_after)
        words = subject_in_words(order)
        return self._event(
            "invalidation",
            f"{words[0].upper()}{words[1:]} invalidated {how}, generation {done['generation']}",
            by,
            detail=_reached(subject),
            tags=tuple(order.tags),
            generation=done["generation"],
            hard=expire_after == 0,
            subject=subject,
        )

    async def _purge(self, subject: Subject, by: ActedBy) -> Event:
        keys = subject.reached.keys if subject.entry is None else [subject.entry.key]
        for key in keys:
            await self._operated.store.remove(key)
        what = counted(len(keys), "entry", "entries")
        return self._event(
            "action",
            f"Purged {subject_in_words(subject.order) if subject.entry is None else subject.name}",
            by,
            detail=f"{what} dropped",
            tags=tuple(subject.order.tags),
            subject=subject,
        )

    def _event(
        self,
        kind: Literal["invalidation", "action", "cron"],
        text: str,
        by: ActedBy,
        *,
        detail: str = "",
        path: str = "",
        tags: tuple[str, ...] = (),
        generation: int = 0,
        hard: bool = False,
        subject: Subject | None = None,
    ) -> Event:
        routes = [] if subject is None else list(subject.reached.routes)
        note = f"“{by.note}”" if by.note else ""
        return Event(
            at=self._operated.clock(),
            kind=kind,
            text=text,
            detail=" · ".join(filter(None, (detail, note))),
            route=routes[0] if len(routes) == 1 else "",
            path=path,
            tags=tags,
            generation=generation,
            hard=hard,
            origin="admin",
            name=by.name,
        )


def _reached(subject: Subject) -> str:
    reached = subject.reached
    numbers = (
        (reached.answers, "answer", "answers"),
        (reached.fetches, "fetch", "fetches"),
        (reached.functions, "function", "functions"),
    )
    return ", ".join(counted(number, one, many) for number, one, many in numbers if number) or "nothing stored has it"
