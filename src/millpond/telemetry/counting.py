"""The counters of one application in one process: what counts, and where all processes add up."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from millpond.telemetry.counter_files import CounterFiles
from millpond.telemetry.counters import Counters
from millpond.telemetry.journal import Journal
from millpond.telemetry.meters import Meters, is_set_up
from millpond.telemetry.minute_keeper import MinuteKeeper
from millpond.telemetry.minutes import Minutes
from millpond.telemetry.request_counts import RequestCounts

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opentelemetry.metrics import MeterProvider

    from millpond.config import MetricsConfig
    from millpond.telemetry.counters import Series, Value
    from millpond.telemetry.minutes import Minute


@dataclass(slots=True)
class Counting:
    """Counts what one application does.

    Args:
        folder: where the processes of this host add up.
        project: the application's folder.
    """

    folder: Path
    project: Path | None = None
    """The application's folder."""
    counters: Counters = field(default_factory=Counters)
    requests: RequestCounts = field(init=False)
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""
    journal: Journal = field(default_factory=lambda: Journal(None))
    """What has happened lately."""
    _files: CounterFiles | None = None
    _keeper: MinuteKeeper | None = None
    _meters: Meters | None = None

    def __post_init__(self) -> None:
        self.requests = RequestCounts(self.counters)

    @classmethod
    def of(cls, project: Path, config: MetricsConfig) -> Self | None:
        """That of a project; None: its configuration turns it off."""
        return cls(project / config.folder, project) if config.counters else None

    def tell(self, provider: MeterProvider | None) -> None:
        """Tell OpenTelemetry, if anybody there listens: the application's provider, or None: the process's."""
        if self._meters is None and is_set_up(provider):
            self._meters = Meters(self.counters, provider)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count together with the other processes, as long as `loop` runs."""
        if self._files is None:
            self._keeper = MinuteKeeper(self.folder, self.totals, self.clock)
            self._files = CounterFiles(self.folder, self.counters, self._keeper.tick)
            self._files.open()
            self.journal = Journal(self.folder)
        self._files.keep(loop)

    def end(self) -> None:
        """Leave what was counted to the processes that go on."""
        if self._files is not None:
            self._files.close()
            self._files = None
        if self._keeper is not None:
            self._keeper.end()
            self._keeper = None

    @contextmanager
    def at_once(self) -> Iterator[Self]:
        """Within the block a command counts, and notes, beside the processes that serve."""
        files = CounterFiles(self.folder, self.counters)
        files.open()
        self.journal = Journal(self.folder)
        try:
            yield self
        finally:
            files.close()

    def minutes(self, since: float) -> list[Minute]:
        """A minute's figures of this host, those that have ended after a time; seconds since the epoch."""
        return Minutes(self.folder).since(since)

    def totals(self) -> dict[Series, Value]:
        """What all processes of this host have counted, and what is so now."""
        if self._files is not None:
            return self._files.totals()
        return {**self.counters.counted(), **self.counters.gauges()}
