"""The project's instrumentation.py: its `register(app)` sets up observability."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any

from millpond.app.construction.loggers import enable_loggers
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
        self._finishing: asyncio.Future[None] | None = None

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

        Raises:
            Exception: whatever `register` raises.
        """
        if self._pending is None:
            return
        if self._finishing is None:
            self._finishing = asyncio.ensure_future(self._clean.finish(self._pending))
        await asyncio.shield(self._finishing)
        self._pending, self.is_pending = None, False
