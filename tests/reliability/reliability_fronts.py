"""Simulated processes: several caches over one store, a clock that is moved, and work that ends when a test says."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from weakref import WeakSet

from millpond.cache.data import DataCache, DataRead, Filled
from millpond.cache.rendering.variant_bounds import VariantBounds
from millpond.cache.responses import Responses
from millpond.config import CacheConfig
from millpond.policy.freshness import ANY_READER
from millpond.policy.lifetime import Lifetime
from millpond.render.pending_tasks import drain_tasks
from millpond.render.renderer import Rendered, Renderer
from ponds import Clock, Project, route_of, target_of

if TYPE_CHECKING:
    from millpond.policy.entry import Entry
    from millpond.render.target import Target
    from millpond.stores.memory import MemoryStore

REVALIDATE, EXPIRE = 10.0, 100.0
LIFETIME = Lifetime(REVALIDATE, EXPIRE)
PATIENCE = 60.0


@dataclass(eq=False)
class Run:
    """One render, or one fill."""

    path: str
    fresh_entry_at_start: bool
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None


@dataclass
class Workshop:
    """Where runs are made, one body each."""

    store: MemoryStore
    clock: Clock
    running: list[Run] = field(default_factory=list)
    made: int = 0

    async def make(self, path: str, *, fresh: bool) -> bytes:
        run = Run(path, fresh)
        self.running.append(run)
        try:
            await run.may_end.wait()
        finally:
            self.running.remove(run)
        if run.error is not None:
            raise run.error
        self.made += 1
        return str(self.made).encode()


class Front(Protocol):
    """One process's cache."""

    async def get(self, path: str) -> Entry: ...

    async def stop(self) -> None: ...

    def key(self, path: str) -> str: ...


@functools.cache
def _target(path: str) -> Target:
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        project.routes({"/[id]": "def generate_static_params(): return []\ndef GET(): return 1"})
        return target_of(route_of(project.pond(), "/[id]"), id=path)


def tag_of(path: str) -> str:
    return f"about {path}"


@dataclass
class ResponsesFront:
    """Answers for everybody."""

    workshop: Workshop
    renders: WeakSet[asyncio.Task[Any]] = field(default_factory=WeakSet)

    def __post_init__(self) -> None:
        self.responses = Responses(
            self.workshop.store,
            cast("Renderer", self),
            self.workshop.clock,
            "build",
            PATIENCE,
            VariantBounds(CacheConfig()),
        )

    async def shared(self, target: Target, *, at_build: bool = False) -> Rendered:
        """In the renderer's place."""
        del at_build
        path = target.segments[0]
        task = asyncio.current_task()
        assert task is not None
        self.renders.add(task)
        body = await self.workshop.make(path, fresh=self.responses.hit(target.key) is not None)
        return Rendered(200, (), body, LIFETIME, (tag_of(path), "all"))

    def sent_path(self, target: Target) -> str:
        """In the renderer's place."""
        return target.path

    async def get(self, path: str) -> Entry:
        target = _target(path)
        return (self.responses.hit(target.key) or await self.responses.answer(target)).entry

    async def stop(self) -> None:
        await drain_tasks(self.responses.engine.tasks, 0)
        for task in self.renders:
            task.cancel()  # a process that ends takes its renders with it

    def key(self, path: str) -> str:
        return _target(path).key


@dataclass
class DataFront:
    """Data that live handlers read."""

    workshop: Workshop

    def __post_init__(self) -> None:
        self.data = DataCache(
            store=self.workshop.store,
            clock=self.workshop.clock,
            expire_time=EXPIRE,
            max_data_bytes=1_000,
            patience=PATIENCE,
        )

    async def get(self, path: str) -> Entry:
        async def fill(_: object) -> Filled:
            entry = self.workshop.store.peek(read.key)
            fresh = entry is not None and read.judge(entry).fresh
            body = await self.workshop.make(path, fresh=fresh)
            return Filled(200, (), body, LIFETIME, (tag_of(path), "all"), storable=True)

        read = DataRead(self.data, self.key(path), path, ANY_READER, fill)
        return await self.data.obtain(read)

    async def stop(self) -> None:
        await drain_tasks(self.data.engine.tasks, 0)

    def key(self, path: str) -> str:
        return f"fetch\0{path}"
