"""A lifespan that runs in a task of its own, as a server runs it: fixtures may begin and end in two different tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from millpond.errors import ProjectError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message


class RunningLifespan:
    """An application's lifespan, from `start` to `end`.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._to_do: asyncio.Queue[Message] = asyncio.Queue()
        self._done: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it.

        Raises:
            BaseException: what it has raised.
            ProjectError: it failed without raising anything.
        """
        self._task = asyncio.create_task(self._run())
        try:
            await self._have_done(self._task, "startup")
        except BaseException:  # a time limit of the test's
            self._task.cancel()
            raise

    async def end(self) -> None:
        """End it; raises as `start`."""
        if self._task is not None:
            await self._have_done(self._task, "shutdown")
            await self._task

    async def _run(self) -> None:
        await self._app({"type": "lifespan", "state": {}}, self._to_do.get, self._done.put)

    async def _have_done(self, task: asyncio.Task[None], step: str) -> None:
        await self._to_do.put({"type": f"lifespan.{step}"})
        done = asyncio.ensure_future(self._done.get())
        try:
            await asyncio.wait({task, done}, return_when=asyncio.FIRST_COMPLETED)
            if not done.done() or done.result()["type"] != f"lifespan.{step}.complete":
                await task
                raise ProjectError(f"the application's lifespan failed at {step}, and raised nothing.")
        finally:
            done.cancel()
