"""Who renders the pages of a build: this process alone, or several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from millpond.prerender.sharing.claims import Claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.prerender.failure import Failure
    from millpond.prerender.route_result import Page


class Team(ABC):
    """The processes that render, as one of them sees them."""

    @abstractmethod
    def claim(self, place: int) -> int | None:
        """The position of a target that this process is to render, and no other; None: there is none for this place.

        Args:
            place: which of this process's concurrent renders asks, from 0.
        """

    @abstractmethod
    def finished(self, position: int, page: Page | Failure) -> None:
        """A page that this process has claimed is rendered.

        Raises:
            BuildError: another process has ended before its pages were rendered.
        """

    async def first_passes_ended(self) -> None:  # noqa: B027 - a process alone waits for nobody
        """With Cache Components: return when the first passes of all processes have ended."""


class Alone(Team):
    """This process alone.

    Args:
        count: how many targets there are.
        concurrency: how many are rendered at a time.
        progress: told how many paths are done, and of how many.
    """

    def __init__(self, count: int, concurrency: int, progress: Callable[[int, int], None]) -> None:
        self.count, self.concurrency, self._progress = count, concurrency, progress
        self.claims = Claims(count)
        self.pages: dict[int, Page | Failure] = {}
        """By position: what this process knows to be rendered."""
        progress(0, count)

    def claim(self, place: int) -> int | None:
        """See `Team`."""
        return self.claims.claim(place, self.concurrency)

    def finished(self, position: int, page: Page | Failure) -> None:
        """See `Team`."""
        self.pages[position] = page
        self.tell(len(self.pages))

    def tell(self, done: int) -> None:
        """Tell that so many pages are done."""
        self._progress(done, self.count)
