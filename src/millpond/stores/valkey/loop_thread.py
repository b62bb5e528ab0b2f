"""An event loop in a thread of its own: a shared store's traffic waits for no handler, and no handler for a loop."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from millpond.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for any thread and for any other event loop.

    The thread that calls `invalidate` may be that of the application's loop, which then stands still. Were the store's
    traffic on that loop, two processes that invalidate at once would wait for each other.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._loop.run_forever, name="millpond-store", daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns; for a coroutine of another loop, which goes on meanwhile.

        Raises:
            StoreError: it was ended by `end_tasks`.
        """
        future = asyncio.run_coroutine_threadsafe(self._own(work), self._loop)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise StoreError("the store was closed meanwhile.") from None

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns; the calling thread waits."""
        return asyncio.run_coroutine_threadsafe(self._own(work), self._loop).result()

    def stop(self) -> None:
        """End the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _own(self, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """`work`, refused where there is nobody to do it.

        Raises:
            StoreError: this process inherited the store over a fork; the thread stayed behind.
        """
        if os.getpid() != self._process:
            work.close()
            raise StoreError("the store was opened before this process was forked; open it after the fork.")
        return work


async def end_tasks() -> None:
    """Cancel all that runs in this loop, and wait until it has ended."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
