"""The surroundings of a verified build: a loop that knows when it is idle, and an observer of synchronous code."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from millpond.render.idle import IdleLoop
from millpond.render.observe import Observation, Observer
from millpond.render.scope import DynamicUse, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")


async def in_idle_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` in an IdleLoop of its own, in a thread of its own."""

    def run() -> T:
        with asyncio.Runner(loop_factory=IdleLoop) as runner:
            return runner.run(work())

    return await asyncio.to_thread(run)


@contextlib.contextmanager
def observed() -> Iterator[None]:
    """Within the block, what a render touches besides the request ends it (section 9.2; DESIGN D32)."""
    with Observer(_end).installed():
        yield


def _end(scope: Scope, observation: Observation) -> NoReturn:
    scope.end_with(DynamicUse(observation.api, observation.place))
