"""Where an observer hears of uses: sys.monitoring from Python 3.12 on, and the profiler's events before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import FrameType

    from millpond.policy.allowance import InputKind


def _nameless() -> str:
    return ""


def connects(what: str) -> bool:
    """Whether a use of a database only connects to it: for an answer that says less than a query."""
    return what.endswith("connect")


class Use(NamedTuple):
    """A use of something besides the request, whoever made the call."""

    kind: InputKind
    what: str
    """The function: "time.time", "sqlite3 execute"."""
    name: Callable[[], str] = _nameless
    """What was asked for: a variable, a file, a host, a statement. Found out when somebody wants to know."""
    is_raw: bool = False
    """Whether it may be how a driver carries out a query, which has been told."""


class CallListener(Protocol):
    """Receives the calls."""

    def called(self, function: Any, owner: Any, frame: FrameType) -> None:
        """`frame` calls a function in C whose name is one of `calls.NAMES`."""
        ...

    def begun(self, frame: FrameType) -> None:
        """A function in Python whose name is one of the tables' has begun as `frame`."""
        ...


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
