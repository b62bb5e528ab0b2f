"""Synchronous cached functions: reading an asynchronous cache from a thread, without holding a second one."""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING, Any

from millpond.cache.caller_runs import FunctionRun
from millpond.cache.functions.filling import fill, fill_in_place

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.cache.data import DataCache, Filled, Read
    from millpond.cache.functions.definition import Definition
    from millpond.policy.entry import Entry
    from millpond.render.scopes.scope import Scope


def from_loop_thread(
    definition: Definition,
    cache: DataCache,
    scope: Scope | None,
    read: Read,
    bound: Callable[[], Any],
    refresh: Callable[[], Awaitable[Filled]],
) -> Entry:
    """A sync function called from async code: it blocks the loop anyhow, so it is run in place when it must be."""
    entry = cache.at_hand(read, refresh, cache.store.peek(read.key))
    if entry is not None:
        return entry
    generation, now = cache.store.generation(), cache.clock()
    return cache.keep_soon(read, fill_in_place(definition, cache, scope, bound), generation, now)


def from_other_thread(
    definition: Definition,
    cache: DataCache,
    scope: Scope | None,
    read: Read,
    bound: Callable[[], Any],
    refresh: Callable[[], Awaitable[Filled]],
    loop: asyncio.AbstractEventLoop,
) -> Entry:
    """The calling thread waits for the loop, which may ask it to run the function.

    The function runs in the very thread that waits: were it handed to another of the pool, a pool of waiting
    threads would wait for ever. For the same reason it lends itself to a refresh that it waits for.
    """
    orders: queue.SimpleQueue[FunctionRun | None] = queue.SimpleQueue()

    async def run() -> Any:
        work = FunctionRun(bound)
        orders.put(work)
        return await work.result()

    async def make() -> Filled:
        return await fill(definition, cache, scope, run)

    async def obtain() -> Entry | BaseException:
        try:
            return await cache.obtain_with(read, make, refresh)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - the calling thread gets it; a SystemExit would end the loop
            return error

    answer = asyncio.run_coroutine_threadsafe(obtain(), loop)
    answer.add_done_callback(lambda _: orders.put(None))
    with cache.caller_runs.offered(read.key, orders):
        while (work := orders.get()) is not None:
            work.carry_out()
    outcome = answer.result()
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
