"""How many entries are refreshed in the background at once, and which come first."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

MOST_WAITING = 10_000
"""Keys that wait; a further one is noted when it is asked for again."""


class Refreshable(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def group(self) -> str:
        """What it shares its time with: the route."""
        ...


R = TypeVar("R", bound=Refreshable)


class _Running(NamedTuple):
    key: str
    group: str


class _Waiting(Generic[R]):
    __slots__ = ("asked", "read")

    def __init__(self, read: R) -> None:
        self.read, self.asked = read, 0


class _Line(Generic[R]):
    """Those of one group that wait, by how often they were asked for."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting[R]] = {}
        self._turns: list[tuple[int, int, str]] = []
        """A heap: how often a key was asked for, negative; the number of the turn; the key."""
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: object) -> bool:
        return key in self._waiting

    def ask(self, read: R) -> None:
        waiting = self._waiting.setdefault(read.key, _Waiting(read))
        waiting.asked += 1
        if waiting.asked & (waiting.asked - 1) == 0:  # at each power of two: the heap stays small
            heapq.heappush(self._turns, (-waiting.asked, next(self._numbers), read.key))

    def asked(self) -> int:
        """How often the first of the line was asked for, about; there is one."""
        while self._turns[0][2] not in self._waiting:  # it had its turn already
            heapq.heappop(self._turns)
        return -self._turns[0][0]

    def pop(self) -> R:
        """The first of the line, of which `asked` has told."""
        return self._waiting.pop(heapq.heappop(self._turns)[2]).read


class RefreshQueue(Generic[R]):
    """The refreshes of one event loop.

    A stale entry is served while it waits for its turn, so nobody waits for it. Without a bound, a site whose pages go
    stale together would render all of them at once, and an unrelated hit would wait for its turn among them.

    One group gets half of the places at most: a route whose upstream hangs must not keep others from being refreshed.

    Args:
        at_once: how many run at a time.
        begin: starts one; None if there is nothing to do any more: it runs already, or the entry is fresh.
        refused: is told that too many wait.
    """

    def __init__(
        self,
        at_once: int,
        begin: Callable[[R], asyncio.Task[Any] | None],
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._at_once, self._begin, self._refused = at_once, begin, refused
        self._of_one_group = max(1, (at_once + 1) // 2)
        self._running: dict[asyncio.Task[Any], _Running] = {}
        self._keys: set[str] = set()
        """Of those that run."""
        self._groups: Counter[str] = Counter()
        """How many of each group run."""
        self._lines: dict[str, _Line[R]] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._lines.values()))

    @property
    def running(self) -> int:
        """How many run."""
        return len(self._running)

    def ask(self, read: R) -> None:
        """Refresh an entry now, or once those that are asked for more often have been."""
        if read.key in self._keys:
            return
        line = self._lines.get(read.group)
        if line is None and self._has_place(read.group):
            self._start(read)
            return
        if line is None or read.key not in line:
            if len(self) >= MOST_WAITING:
                self._refused()
                return
            line = self._lines.setdefault(read.group, _Line())
        line.ask(read)

    def clear(self) -> None:
        """Let none of those that wait begin: the process ends, and their entries stay stale."""
        self._lines.clear()

    def _has_place(self, group: str) -> bool:
        return len(self._running) < self._at_once and self._groups[group] < self._of_one_group

    def _go_on(self) -> None:
        while lines := [line for group, line in self._lines.items() if self._has_place(group)]:
            read = max(lines, key=_Line.asked).pop()
            if not self._lines[read.group]:
                del self._lines[read.group]
            self._start(read)

    def _start(self, read: R) -> None:
        task = self._begin(read)
        if task is None or task.done():
            return
        self._running[task] = _Running(read.key, read.group)
        self._keys.add(read.key)
        self._groups[read.group] += 1
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        key, group = self._running.pop(task)
        self._keys.discard(key)
        self._groups[group] -= 1
        if not self._groups[group]:
            del self._groups[group]
        self._go_on()
