"""How far a command is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from millpond.cli.terminal.console import notices

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

SECONDS_BETWEEN_LINES = 5.0


class ProgressBar:
    """A progress bar on a terminal; it disappears at the end. A context manager.

    Args:
        doing: one word, such as "rendering".
        tells_lines: where there is no terminal, print a line now and then.
        clock: seconds, monotonic.
    """

    total = 0

    def __init__(self, doing: str, *, tells_lines: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console = notices()
        self._doing, self._tells_lines, self._clock = doing, tells_lines and not console.is_terminal, clock
        columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._next_line = 0.0

    def __enter__(self) -> Self:
        self._task = self._bar.add_task("", total=None)
        self._bar.start()
        self._next_line = self._clock() + SECONDS_BETWEEN_LINES
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """So much is done, of so much."""
        self.total = total
        if not self._bar.disable:
            self._bar.update(self._task, completed=done, total=total)
        elif self._tells_lines and self._clock() >= self._next_line:
            self._next_line = self._clock() + SECONDS_BETWEEN_LINES
            self._console.print(f"{self._doing}: {done} of {total}")

    def tell(self, line: str) -> None:
        """Print a line, above the bar."""
        self._bar.console.print(line)
