"""One use of something besides the request, and what was observed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.errors import Place
    from millpond.policy.inputs import Kind


def _nameless() -> str:
    return ""


def connects(what: str) -> bool:
    """Whether a use of a database only connects to it: for an answer that says less than a query."""
    return what.endswith("connect")


class Use(NamedTuple):
    """What a call is a use of, whoever made it."""

    kind: Kind
    what: str
    """The function: "time.time", "sqlite3 execute"."""
    name: Callable[[], str] = _nameless
    """What was asked for: a variable, a file, a host, a statement. Found out when somebody wants to know."""
    is_raw: bool = False
    """Whether it may be how a driver carries out a query, which has been told."""


class Observation(NamedTuple):
    """One use, and where the user's code made it."""

    kind: Kind
    what: str
    place: Place
    name: str = ""
    """A variable, a file, `host:port`, a program, or a statement without its values; "" when it can't be told."""
