"""The scope that the running code is in."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from millpond.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token

    from millpond.render.scopes.scope import Scope

_current: ContextVar[Scope | None] = ContextVar("millpond_scope", default=None)


def current() -> Scope | None:
    """The scope that this code runs in, if any."""
    return _current.get()


def required(function: str) -> Scope:
    """The current scope.

    Raises:
        UsageError: `function` was called outside of a handler.
    """
    scope = _current.get()
    if scope is None:
        raise UsageError(
            f"{function} works while a route handler runs, and none does here; "
            "call it in the handler, or in a function that the handler calls."
        )
    return scope


def enter(scope: Scope) -> Token[Scope | None]:
    """Make `scope` the current one in this context; undo it with `leave`."""
    return _current.set(scope)


def leave(token: Token[Scope | None]) -> None:
    """Undo `enter`."""
    _current.reset(token)


@contextmanager
def detached() -> Iterator[None]:
    """Tasks that are created within the block belong to no run: they go on when the run that created them ends."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)
