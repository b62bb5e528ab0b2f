"""How long a shared call of an upstream may take: until the last of its callers gives up."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class FlightOverdue(Exception):
    """A shared call has taken as long as any of its callers would wait.

    Args:
        name: the call, as messages name it.
        background: whether it is a refresh that no caller has started.
    """

    def __init__(self, name: str, *, background: bool) -> None:
        super().__init__(f"{name} gave no complete answer in time")
        self.background = background


@dataclass(slots=True)
class _Times:
    """The time limits of one key: of those who wait, and of the calls that run (rarely more than one)."""

    deadlines: list[float] = field(default_factory=list)
    """Of the callers that wait, by the loop's clock; inf: no limit."""
    running: list[asyncio.Timeout] = field(default_factory=list)


class FlightTimes:
    """Each caller of a shared call keeps its own timeout; the call itself goes on for the longest of them."""

    def __init__(self) -> None:
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Times]] = WeakKeyDictionary()

    @contextmanager
    def waiting(self, key: str, deadline: float) -> Iterator[None]:
        """Within the block a caller waits for `key`: calls for it may take until `deadline` of the loop's clock."""
        with self._times(key) as times:
            times.deadlines.append(deadline)
            for limit in times.running:
                until = limit.when()
                if until is not None and until < deadline and not limit.expired():
                    limit.reschedule(None if deadline == math.inf else deadline)
            try:
                yield
            finally:
                times.deadlines.remove(deadline)

    @asynccontextmanager
    async def running(self, key: str, name: str, seconds: float | None, *, background: bool) -> AsyncIterator[None]:
        """Within the block a call for `key` runs: for `seconds` (None: no limit), or as long as anybody waits.

        Raises:
            FlightOverdue: it was cancelled, because nobody waits longer.
        """
        loop = asyncio.get_running_loop()
        with self._times(key) as times:
            own = loop.time() + (math.inf if seconds is None else seconds)
            until = max([own, *times.deadlines] if background or not times.deadlines else times.deadlines)
            try:
                async with asyncio.timeout_at(None if until == math.inf else until) as limit:
                    times.running.append(limit)
                    try:
                        yield
                    finally:
                        times.running.remove(limit)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise FlightOverdue(name, background=background) from None

    @contextmanager
    def _times(self, key: str) -> Iterator[_Times]:
        loop = asyncio.get_running_loop()
        keys = self._loops.get(loop)
        if keys is None:
            keys = self._loops[loop] = {}
        times = keys.setdefault(key, _Times())
        try:
            yield times
        finally:
            if not times.deadlines and not times.running:
                keys.pop(key, None)
