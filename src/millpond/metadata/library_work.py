"""Work of a library alone, in which no code of the user's runs: whoever observes renders may look away meanwhile."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    LookingAway = Callable[[], AbstractContextManager[None]]

_observers: list[LookingAway] = []


@contextmanager
def looked_away_by(looking_away: LookingAway) -> Iterator[None]:
    """Within the block, enter what this makes around all such work."""
    _observers.append(looking_away)
    try:
        yield
    finally:
        _observers.remove(looking_away)


@contextmanager
def library_work() -> Iterator[None]:
    """Around such work; in any thread."""
    with ExitStack() as stack:
        for looking_away in [*_observers]:
            stack.enter_context(looking_away())
        yield
