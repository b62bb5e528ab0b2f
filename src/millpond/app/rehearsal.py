"""A rehearsal: applications run for a test, with caches and a clock of their own."""

from __future__ import annotations

import contextlib
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from millpond.app.runtimes import Runtimes
from millpond.stores.factory import memory_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from millpond.app.runtime import Runtime
    from millpond.config import Config
    from millpond.policy.freshness import Clock
    from millpond.stores.contract import Store


class _Part(NamedTuple):
    """One application's part in a rehearsal."""

    runtimes: Runtimes
    stores: list[Store]
    """The one in memory that is used now, once it has been asked for."""


class Rehearsal:
    """What the requests of one test client, or of several that belong together, are answered by.

    An application that gets a request, or starts, within `present` has runtimes for this rehearsal alone, beside those
    by which it may serve. So two clients of one application share nothing, and neither changes the application.

    Args:
        clock: seconds since the epoch.
        reads_build: whether the project's build is served; it must exist then.
    """

    def __init__(self, clock: Clock, *, reads_build: bool) -> None:
        self.clock, self.reads_build = clock, reads_build
        self._parts: dict[FastAPI, _Part] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def present(self) -> Iterator[None]:
        """Within the block, and in tasks and threads that it starts, applications take part."""
        self.step_forward()
        token = _present.set(self)
        try:
            yield
        finally:
            _present.reset(token)

    def runtimes_of(self, app: FastAPI, on_start: Callable[[Runtime], None]) -> Runtimes:
        """Those of an application that takes part; `on_start` is called with each."""
        part = self._parts.get(app)
        if part is None:
            with self._lock:
                runtimes = Runtimes(lambda context: self._store_of(app, context.config), on_start)
                runtimes.rest(rests=_in_front is not self)
                part = self._parts.setdefault(app, _Part(runtimes, []))
        return part.runtimes

    def _store_of(self, app: FastAPI, config: Config) -> Store:
        with self._lock:
            stores = self._parts[app].stores
            if not stores:
                stores.append(memory_store(config.cache, self.clock))
            return stores[0]

    def here(self) -> list[Runtime]:
        """The runtimes of the current event loop."""
        here = (part.runtimes.here() for part in list(self._parts.values()))
        return [runtime for runtime in here if runtime is not None]

    def latest(self, app: FastAPI) -> Runtime | None:
        """The runtime that has answered last, or still does, for an application that takes part."""
        part = self._parts.get(app)
        return None if part is None else part.runtimes.first

    def restart(self) -> None:
        """Forget all that was stored and learnt: the next request is answered as the first one was."""
        for part in list(self._parts.values()):
            part.runtimes.restart()
            part.stores.clear()

    def step_forward(self) -> None:
        """Become the rehearsal whose applications Millpond's functions use outside of handlers, as tests call them."""
        global _in_front
        if _in_front is self:
            return
        if _in_front is not None:
            _in_front.step_back()
        for part in list(self._parts.values()):
            part.runtimes.rest(rests=False)
        _in_front = self

    def step_back(self) -> None:
        """Let other applications of this process be the ones that Millpond's functions use outside of handlers."""
        global _in_front
        for part in list(self._parts.values()):
            part.runtimes.rest(rests=True)
        if _in_front is self:
            _in_front = None


_present: ContextVar[Rehearsal | None] = ContextVar("millpond_rehearsal", default=None)
_in_front: Rehearsal | None = None

rehearsal_here: Callable[[], Rehearsal | None] = _present.get
"""The rehearsal that the running code belongs to."""
