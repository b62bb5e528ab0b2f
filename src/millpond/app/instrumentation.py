"""The project's instrumentation.py: its `register(app)` sets up observability."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from millpond.routes.imports import import_project_file

if TYPE_CHECKING:
    from millpond.app.context import AppContext

log = logging.getLogger("millpond")

INSTRUMENTATION = "instrumentation.py"


class Instrumentation:
    """Calls `register` once, even if the application starts again: the inner application keeps what it added."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._is_registered = False

    async def register(self) -> None:
        """Call `register(app)` with the inner application (R10.4).

        Each render sees the context variables that it sets.
        """
        path = self._context.project / INSTRUMENTATION
        if self._is_registered or not path.is_file():
            return

        def register() -> object:
            function = getattr(import_project_file(path, self._context.project), "register", None)
            if function is None:
                log.warning("%s has no function register(app), so it is ignored", INSTRUMENTATION)
                return None
            return function(self._context.inner)

        await self._context.clean.extend(register)
        self._is_registered = True
