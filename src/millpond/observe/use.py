"""One use of something besides the request, and who is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
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
