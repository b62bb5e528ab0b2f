"""The project's instrumentation.py: its `register(app)` sets up observability."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from millpond.app.construction.loggers import enable_loggers
from millpond.errors import ProjectError
from millpond.routes.imports import import_project_file

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from fastapi import FastAPI

    from millpond.cache.clean_context import CleanContext

log = logging.getLogger("millpond")

INSTRUMENTATION = "instrumentation.py"


class Instrumentation:
    """Calls `register` once, while the application is made, and before the route files are imported (R10.4).

    Each render sees the context variables that it sets.
    """

    def __init__(self, project: Path, clean: CleanContext) -> None:
        self._file, self._project, self._clean = project / INSTRUMENTATION, project, clean
        self.is_pending = False
        """Whether an async `register` hasn't ended yet: nothing can be awaited while the application is made."""
        self._pending: Awaitable[object] | None = None
        self._ended: Future[None] = Future()
        self._lock = threading.Lock()

    def register(self, app: FastAPI) -> None:
        """Call `register(app)`.

        Raises:
            RouteModuleError: the file can't be imported.
            Exception: whatever `register` raises.
        """
        if not self._file.is_file():
            return

        def register() -> Any:
            function = getattr(import_project_file(self._file, self._project), "register", None)
            if function is None:
                log.warning("%s has no function register(app), so it is ignored", INSTRUMENTATION)
                return None
            return function(app)

        try:
            result = self._clean.prepare(register)
        finally:
            enable_loggers()
        self._pending = result if inspect.isawaitable(result) else None
        self.is_pending = self._pending is not None

    async def finish(self) -> None:
        """Await an async `register`, once: before the first request, lifespan event or build.

        It runs in the event loop of whoever comes first; others wait for it, in whichever loop they are.

        Raises:
            Exception: whatever `register` raises; each time, as the application isn't set up.
        """
        if not self.is_pending:
            return
        with self._lock:
            pending, self._pending = self._pending, None
        if pending is not None:
            task = asyncio.create_task(self._clean.finish(pending))
            task.add_done_callback(self._end)
        await asyncio.shield(asyncio.wrap_future(self._ended))
        self.is_pending = False

    def _end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._ended.set_exception(
                ProjectError(f"register() of {INSTRUMENTATION} was cut off: its event loop has ended; start again.")
            )
        elif (error := task.exception()) is not None:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)
