"""The inner application's lifespan, in its own task, so that it is exited in the task that entered it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from millpond.internals.starlette_names import lifespan_of
from millpond.render.base_exceptions import contained

if TYPE_CHECKING:
    from millpond.app.context import AppContext


class Lifespan:
    """Enters and exits the inner application's lifespan; what it yields is added to the context's `state`."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._task: asyncio.Task[None] | None = None
        self._is_over = asyncio.Event()

    async def begin(self) -> None:
        """Enter it unless it is already entered; what it raises is raised as an Exception."""
        if self._task is not None and not self._task.done():
            return
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_over = asyncio.Event()
        task = asyncio.create_task(self._run(begun))
        await begun
        self._task = task

    async def end(self) -> None:
        """Exit it if it was entered; what it raises is raised as an Exception."""
        if self._task is None:
            return
        task, self._task = self._task, None
        self._is_over.set()
        await task

    async def _run(self, begun: asyncio.Future[None]) -> None:
        try:
            await contained(lambda: self._enter_and_exit(begun), "the application's lifespan")
        except Exception as error:
            if begun.done():
                raise
            begun.set_exception(error)

    async def _enter_and_exit(self, begun: asyncio.Future[None]) -> None:
        inner = self._context.inner
        async with lifespan_of(inner) as state:
            self._context.state.update(state or {})
            begun.set_result(None)
            await self._is_over.wait()
