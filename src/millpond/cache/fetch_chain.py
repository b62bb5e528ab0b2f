"""Chains of fetches of the application's own paths, to detect circular ones, which are errors (D19)."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from millpond.cache.clean_context import crossing
from millpond.errors import UsageError
from millpond.routes.path import MalformedPath, canonical, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.render.scopes.scope import Scope


class _Step(NamedTuple):
    """An answer of this application that is being made and waits for another one."""

    path: str
    shared: bool
    """Whether other callers may wait for it, too."""


FetchChain = tuple[_Step, ...]
"""Outermost first."""

_MAX_CHAIN = 16
"""The maximum length of a chain of the application's own answers."""

_chain: ContextVar[FetchChain] = crossing(ContextVar("millpond_fetch_chain", default=()))
"""The answers of this application that wait for this code."""
_circles: ContextVar[list[UsageError] | None] = crossing(ContextVar("millpond_fetch_circles", default=None))
"""Circles found in the chain. A live run answers 500 for one, and the answers that use it must not be stored."""


def chain_to(url: str, scope: Scope | None) -> FetchChain:
    """The answers that will wait for the one of `url`, which code in `scope` fetches.

    Raises:
        UsageError: the answer of `url` itself is among them, or the chain is too long.
    """
    chain = _chain.get()
    if scope is not None:
        chain = (*chain, _Step(scope.path, scope.is_prerender))
    path = _canonical(url)
    if len(chain) > _MAX_CHAIN or _Step(path, shared=True) in chain:
        circle = " → ".join([*(step.path for step in chain[-4:]), path])
        raise note_circle(UsageError(f'fetch("{url}") is circular: {circle}; read the data directly.'))
    return chain


def note_circle(circle: UsageError) -> UsageError:
    """Record a circle for every answer of the chain, even if the error itself is swallowed; returns the error."""
    circles = _circles.get()
    if circles is not None:
        circles.append(circle)
    return circle


@contextmanager
def waited_for_by(chain: FetchChain) -> Iterator[None]:
    """Set the chain of waiting answers for the code in the block.

    Raises:
        UsageError: a circle was found.
    """
    circles = _circles.get()
    if circles is None:
        circles = []
    token, circles_token = _chain.set(chain), _circles.set(circles)
    try:
        yield
    finally:
        _circles.reset(circles_token)
        _chain.reset(token)
    if circles:
        raise circles[0]


def _canonical(url: str) -> str:
    path = url.partition("#")[0].partition("?")[0]
    try:
        return canonical(split(path.encode("utf-8")))
    except MalformedPath:  # the application will answer 400
        return path
