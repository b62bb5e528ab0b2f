"""The inner application's lifespan, in a task of its own: it ends in the task that it began in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from millpond.internals.starlette_names import lifespan_of
from millpond.render.escape import contained

if TYPE_CHECKING:
    from fastapi import FastAPI


class Life:
    """One run of the lifespan of `app`; what it yields goes into `state`, for `request.state`."""

    def __init__(self, app: FastAPI, state: dict[str, Any]) -> None:
        self._app, self._state = app, state
        self._over = asyncio.Event()

    async def begin(self) -> None:
        """Enter it; raises what it raises, as an Exception."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(begun))
        await begun

    async def end(self) -> None:
        """Leave it; raises what it raises, as an Exception."""
        self._over.set()
        await self._task

    async def _run(self, begun: asyncio.Future[None]) -> None:
        try:
            await contained(lambda: self._live(begun), "the application's lifespan")
        except Exception as error:
            if begun.done():
                raise
            begun.set_exception(error)

    async def _live(self, begun: asyncio.Future[None]) -> None:
        async with lifespan_of(self._app) as state:
            self._state.update(state or {})
            begun.set_result(None)
            await self._over.wait()
