"""Renders with a time limit. Code in a thread can't be stopped: renders that overrun there are counted, and limited."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from anyio.to_thread import current_default_thread_limiter

from millpond.errors import OverdueError, RenderTimeoutError
from millpond.render.await_chain import in_a_thread
from millpond.render.base_exceptions import result_of
from millpond.render.pending_tasks import ended

if TYPE_CHECKING:
    from contextvars import Context

    from anyio import CapacityLimiter

    from millpond.policy.freshness import Clock
    from millpond.render.renderer import Rendered, Renderer
    from millpond.render.target import Target

log = logging.getLogger("millpond.render")

MOST_OVERDUE = 10
"""How many may be overdue, where the config doesn't say."""
_MOST_NAMED = 5


class _Overdue(NamedTuple):
    """A render that nobody waits for any more."""

    route: str
    """Its pattern and its file."""
    since: float
    """When it began; seconds since the epoch."""
    threads: CapacityLimiter
    """The thread limit of its loop. It holds a thread, so the limit is raised by one until it ends: others need one."""


@dataclass(slots=True)
class TimedRenders:
    """Shared renders of a server, each limited to `seconds`.

    A render that takes longer is cancelled, unless it runs in a thread: cancelling it would free its place in the pool
    while the thread goes on, and the next render would start another. It is left to end, and its result is dropped.
    While `most` renders are overdue, none starts that would run in a thread; while half of `most` are of one route,
    none of that route starts.
    """

    renderer: Renderer
    clock: Clock
    seconds: float
    most: int = MOST_OVERDUE
    _overdue: dict[asyncio.Task[Rendered], _Overdue] = field(default_factory=dict)

    @property
    def overdue(self) -> int:
        """How many renders have overrun, and haven't ended yet."""
        return len(self._overdue)

    async def regenerate(self, target: Target, context: Context | None = None) -> Rendered:
        """As `Renderer.shared`, with the time limit, in a task of its own.

        Args:
            target: what to render.
            context: the task's; a copy of the caller's when not given.

        Raises:
            OverdueError: it wasn't started, as too many others are overdue.
            RenderTimeoutError: it took longer than `seconds`.
        """
        self._refuse_if_too_many(target)
        since = self.clock()
        task = asyncio.create_task(self.renderer.shared(target), context=context)
        if not await ended(task, self.seconds):
            self._leave(task, _Overdue(_named(target), since, current_default_thread_limiter()))
            raise RenderTimeoutError(
                f"no answer after {self.seconds:g} s (cache.render_timeout); make the handler quicker, or raise that."
            )
        return result_of(task)

    def _refuse_if_too_many(self, target: Target) -> None:
        of_route = sum(left.route == _named(target) for left in self._overdue.values())
        full = len(self._overdue) >= self.most and target.operation.threaded
        if full or of_route >= self._most_of_one:
            raise OverdueError(self._message())

    @property
    def _most_of_one(self) -> int:
        """How many of one route may be overdue: one route must not block all others."""
        return max(1, self.most // 2)

    def _leave(self, task: asyncio.Task[Rendered], left: _Overdue) -> None:
        if not in_a_thread(task):
            task.cancel()
        self._overdue[task] = left
        left.threads.total_tokens += 1
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Rendered]) -> None:
        self._overdue.pop(task).threads.total_tokens -= 1
        if not task.cancelled() and task.exception() is not None:
            log.info("a render that took too long ended with %r", task.exception())

    def _message(self) -> str:
        """The error's message: which routes are overdue, and since when."""
        lefts = sorted(self._overdue.values(), key=lambda left: left.since)
        firsts = {left.route: left.since for left in reversed(lefts)}
        numbers = Counter(left.route for left in lefts)
        named = [f"{number} of {route} since {_moment(firsts[route])}" for route, number in numbers.items()]
        more = f" and {len(named) - _MOST_NAMED} more routes" if len(named) > _MOST_NAMED else ""
        return (
            f"not begun, as {len(lefts)} renders are overdue (cache.max_overdue_renders = {self.most}, and half of "
            f"them for one route), and each keeps a thread: {', '.join(named[:_MOST_NAMED])}{more}. "
            "Give what they wait for a timeout."
        )


def _named(target: Target) -> str:
    return f"{target.route.pattern} ({target.route.source})"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds")
