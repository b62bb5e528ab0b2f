"""A shared render that failed: each request that has waited for it raises the same exception."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.errors import OverdueError, UnsendableError

if TYPE_CHECKING:
    from contextvars import Context

    from millpond.render.target import Target

log = logging.getLogger("millpond.cache")

FAILURE = "__millpond_failure__"
"""The attribute of an exception that holds the SharedFailure of the render that has raised it last."""


@dataclass(slots=True)
class SharedFailure:
    """A failed render; each request that has waited for it raises the same exception."""

    is_logged: bool = False
    """Whether it is in the log, with its traceback."""


class RenderFailed(Exception):
    """A shared render raised an error or took too long.

    Args:
        target: what was rendered.
        error: what was raised.
        context: the render's context.
    """

    def __init__(self, target: Target, error: Exception, context: Context) -> None:
        super().__init__(target.variant_label)
        self._target, self._error, self._context = target, error, context
        self._traceback = error.__traceback__
        self._failure = SharedFailure()
        self._causes = error.__cause__, error.__context__, error.__suppress_context__

    @property
    def error(self) -> Exception:
        """What was raised, for one of those who wait: with the traceback of the render alone, not with theirs.

        Raise it outside of an `except` block: there Python would replace its context.
        """
        error = self._error
        vars(error)[FAILURE] = self._failure
        error.__cause__, error.__context__, error.__suppress_context__ = self._causes
        return error.with_traceback(self._traceback)

    def log(self) -> None:
        """Log it, where nobody waits. In the render's context an error tracker knows whether it has reported it."""
        self._context.run(_log_failure, self._target, self.error)


def _log_failure(target: Target, error: Exception) -> None:
    # The first two get no traceback: it would show nothing of the handler.
    if isinstance(error, OverdueError):
        log.error("rendering %s (%s) failed: %s", target.variant_label, target.route.source, error)
    elif isinstance(error, UnsendableError):
        log.error("%s", error)
    else:
        log.error("rendering %s (%s) failed", target.variant_label, target.route.source, exc_info=error)
