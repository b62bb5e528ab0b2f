"""Synchronous cached functions: reading an asynchronous cache from a thread, without holding a second one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import queue
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.cache.filling import fill, fill_in_place

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.cache.data import DataCache, Filled, Read
    from millpond.cache.definition import Definition
    from millpond.policy.entry import Entry
    from millpond.render.scope import Scope


class _Work(NamedTuple):
    """A run of the function that the waiting thread is asked for."""

    context: contextvars.Context
    result: concurrent.futures.Future[Any]


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
    threads would wait for ever.
    """
    orders: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()

    async def run() -> Any:
        work = _Work(contextvars.copy_context(), concurrent.futures.Future())
        orders.put(work)
        return await asyncio.wrap_future(work.result)

    async def make() -> Filled:
        return await fill(definition, cache, scope, run)

    answer = asyncio.run_coroutine_threadsafe(cache.obtain_with(read, make, refresh), loop)
    answer.add_done_callback(lambda _: orders.put(None))
    while (work := orders.get()) is not None:
        _carry_out(work, bound)
    return answer.result()


def _carry_out(work: _Work, bound: Callable[[], Any]) -> None:
    if not work.result.set_running_or_notify_cancel():
        return
    try:
        work.result.set_result(work.context.run(bound))
    except BaseException as error:  # noqa: BLE001 - the caller of the function gets it, whatever it is
        work.result.set_exception(error)
