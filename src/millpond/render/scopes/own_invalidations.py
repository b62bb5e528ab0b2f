"""What one request has invalidated, to be counted again when it has committed what it does at its end.

A dependency with `yield` commits when the handler has returned, and FastAPI closes it after the answer was sent. What
is rendered between the call and the commit has read the old rows, and would count as newer than the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millpond.internals.exit_stacks import call_last, closes_last, closing
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from millpond.stores.contract import Store

MOST_TAGS = 10_000
"""More of one request are counted at once: a WebSocket, or a stream without an end, may go on for days."""


class OwnInvalidations:
    """Those of one run.

    Args:
        asgi: the scope of its request, as FastAPI has it.
        runs: how many runs this process has begun whose results are stored.
    """

    def __init__(self, asgi: Mapping[str, Any], runs: Callable[[], int]) -> None:
        self._asgi, self._runs = asgi, runs
        self._store: Store | None = None
        self._tags: dict[float | None, dict[str, None]] = {}
        """By the seconds for which older answers may be served."""
        self._seen = 0
        self._watched: set[int] = set()
        self._closes_last = self._is_unknown = False

    def note(self, store: Store, tags: Iterable[str], expire_after: float | None, begun: int) -> None:
        """The run has invalidated these: they count again when the stacks that are open now have closed.

        Args:
            store: where it did.
            tags: in their stored form.
            expire_after: seconds for which older answers may be served.
            begun: how many runs had begun before.
        """
        if not self._tags:
            self._seen = begun
        self._store = store
        self._tags.setdefault(expire_after, {}).update(dict.fromkeys(tags))
        if sum(map(len, self._tags.values())) > MOST_TAGS:
            self.count()
            self._tags.clear()
            return
        stacks = closing(self._asgi)
        self._is_unknown = self._is_unknown or stacks is None
        for stack in stacks or ():
            if id(stack) not in self._watched:
                self._watched.add(id(stack))
                self._closes_last = self._closes_last or closes_last(self._asgi, stack)
                call_last(stack, self.count)

    def count(self) -> None:
        """Count all again, in the store alone: caches in front are told twice anyway, `again_after` seconds later.

        Nothing is to be done where this process alone uses the store, and has begun no run since.
        """
        if self._store is None or not self._tags:
            return
        seen, self._seen = self._seen, self._runs()
        if seen == self._seen and isinstance(self._store, MemoryStore):
            return
        for expire_after, tags in list(self._tags.items()):
            self._store.invalidate(list(tags), expire_after=expire_after)

    def finish(self, *, has_background: bool) -> None:
        """The run has ended, and so have the tasks in its background.

        Args:
            has_background: whether there are some, or may be.
        """
        if self._is_unknown or (has_background and not self._closes_last):
            self.count()
