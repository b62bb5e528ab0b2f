"""One use of something besides the request, as a source of the observer tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.policy.allowance import InputKind


def _nameless() -> str:
    return ""


def connects(what: str) -> bool:
    """Whether a use of a database only connects to it: for an answer that says less than a query."""
    return what.endswith("connect")


class Use(NamedTuple):
    """What a call is a use of, whoever made it."""

    kind: InputKind
    what: str
    """The function: "time.time", "sqlite3 execute"."""
    name: Callable[[], str] = _nameless
    """What was asked for: a variable, a file, a host, a statement. Found out when somebody wants to know."""
    is_raw: bool = False
    """Whether it may be how a driver carries out a query, which has been told."""
