"""What a store tells of itself while it is used: how full it is, and what it evicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class StoreFigures(NamedTuple):
    """How full a store is. All processes that share it see the same."""

    bytes: int
    """What all entries count against the limit."""
    limit: int
    """The bytes at which it evicts."""
    entries: int


class Eviction(NamedTuple):
    """An entry that had to go, as there was no room."""

    rendered_at: float
    """Seconds since the epoch."""
    was_read: bool
    """Whether anybody has read an entry of its key. Processes write down about once a second what they have read."""


Evicted: TypeAlias = "Callable[[Sequence[Eviction]], None]"


def untold(evictions: Sequence[Eviction]) -> None:
    """Tell nobody of evictions."""
