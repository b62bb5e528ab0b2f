"""Where an observer hears of uses: sys.monitoring from Python 3.12 on, and the profiler's events before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from millpond.observe.use import CallListener


class Source(Protocol):
    """Reports calls to a listener."""

    def installed(self, *, throughout: bool) -> AbstractContextManager[None]:
        """Report calls within the block.

        Args:
            throughout: all that this thread runs, and threads that begin meanwhile. Otherwise what is around the
                handlers of users may be left out, for speed.
        """
        ...

    def render(self, *, whole: bool) -> AbstractContextManager[None]:
        """Around one render; with `whole` nothing of it is left out: middleware, dependencies."""
        ...

    def handler(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A user's handler that isn't left out."""
        ...


def source_for(listener: CallListener, project: Path) -> Source:
    """The best one that this interpreter has."""
    if sys.version_info >= (3, 12):
        from millpond.observe.monitoring import MonitoringSource

        return MonitoringSource(listener, project)
    from millpond.observe.profiling import ProfilingSource

    return ProfilingSource(listener)
