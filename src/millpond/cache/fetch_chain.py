"""Chains of fetches of the application's own paths: an answer that would wait for itself is an error (D19)."""

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
    """An answer of this application that is being made, and needs another."""

    path: str
    shared: bool
    """Others wait for it, too."""


FetchChain = tuple[_Step, ...]
"""Outermost first."""

_LONGEST_CHAIN = 16
"""How many of the application's own answers may be made of one another."""

_chain: ContextVar[FetchChain] = crossing(ContextVar("millpond_fetch_chain", default=()))
"""The answers of this application that wait for what this code makes."""
_circles: ContextVar[list[UsageError] | None] = crossing(ContextVar("millpond_fetch_circles", default=None))
"""The circles that were found in the chain: a live run answers 500 for one, and whoever asked it must not keep that."""


def chain_to(url: str, scope: Scope | None) -> FetchChain:
    """The answers that will wait for the one of `url`, which code in `scope` fetches.

    Raises:
        UsageError: one of them is that of `url` itself, or there is no end of them.
    """
    chain = _chain.get()
    if scope is not None:
        chain = (*chain, _Step(scope.path, scope.is_prerender))
    path = _canonical(url)
    if len(chain) > _LONGEST_CHAIN or _Step(path, shared=True) in chain:
        circle = " → ".join([*(step.path for step in chain[-4:]), path])
        raise note_circle(UsageError(f'fetch("{url}") goes in a circle: {circle}; read the data directly.'))
    return chain


def note_circle(circle: UsageError) -> UsageError:
    """Let each answer of the chain know, whatever becomes of the error itself; returns it."""
    circles = _circles.get()
    if circles is not None:
        circles.append(circle)
    return circle


@contextmanager
def waited_for_by(chain: FetchChain) -> Iterator[None]:
    """What is made within the block knows which answers wait for it.

    Raises:
        UsageError: it went in a circle.
    """
    circles = _circles.get()
    if circles is None:
        circles = []
    token, noting = _chain.set(chain), _circles.set(circles)
    try:
        yield
    finally:
        _circles.reset(noting)
        _chain.reset(token)
    if circles:
        raise circles[0]


def _canonical(url: str) -> str:
    path = url.partition("#")[0].partition("?")[0]
    try:
        return canonical(split(path.encode("utf-8")))
    except MalformedPath:  # the application will say so, by a 400
        return path
