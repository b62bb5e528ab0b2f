"""Asks for many paths: a few at a time, each within its time, and all within theirs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from millpond.warm.outcome import Outcome, Warmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from millpond.warm.outcome import Warms

OUT_OF_TIME = "no time was left"


class WarmingLimits(NamedTuple):
    """How a warming is bounded."""

    concurrency: int = 4
    """Paths that are asked for at a time."""
    timeout: float = 30.0
    """Seconds for one path."""
    time_limit: float = 600.0
    """Seconds for all."""


async def warm_all(
    warms: Warms,
    paths: Iterable[str],
    limits: WarmingLimits,
    tell: Callable[[Warmed], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Ask for all paths, and tell what becomes of each.

    Args:
        warms: asks for one.
        paths: encoded, best first.
        limits: what is left when the time is up is skipped.
        tell: called for each path, as soon as it is known.
        clock: seconds, monotonic.

    Raises:
        Exception: what `warms` raises: there is no point in going on.
    """
    ends, waiting = clock() + limits.time_limit, iter(paths)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(limits.concurrency):
                group.create_task(_ask(warms, waiting, limits.timeout, ends, tell, clock))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _ask(
    warms: Warms,
    waiting: Iterator[str],
    timeout: float,  # noqa: ASYNC109 - for each of the paths
    ends: float,
    tell: Callable[[Warmed], None],
    clock: Callable[[], float],
) -> None:
    for path in waiting:
        began = clock()
        if began >= ends:
            tell(Warmed(path, Outcome.SKIPPED, why=OUT_OF_TIME))
            continue
        seconds = min(timeout, ends - began)
        try:
            async with asyncio.timeout(seconds):
                warmed = await warms.warm(path)
        except TimeoutError:
            warmed = Warmed(path, Outcome.FAILED, why=f"it took longer than {seconds:.3g} s")
        tell(warmed._replace(seconds=clock() - began))
