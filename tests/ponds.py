"""Projects for the tests of what renders and serves: files in a folder, built and asked, with a clock that is moved."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import httpx2

from millpond import Millpond
from millpond.config import parse_config
from millpond.render.target import Target
from millpond.routes.imports import forget
from millpond.serve.layers.failures import LoggedFailures
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.types import ASGIApp

    from millpond.cache.responses import Responses
    from millpond.policy.entry import Entry
    from millpond.prerender.build_manifest import RouteRecord
    from millpond.prerender.whole_build import Built
    from millpond.routes.route import FileRoute

NOON = 1_800_000_000.0
SWR_60 = "s-maxage=60, stale-while-revalidate=31535940"


@dataclass(slots=True)
class Clock:
    """Seconds since the epoch, as the test says."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Running:
    """A started Millpond and a client of it."""

    pond: Millpond
    client: httpx2.AsyncClient

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        return await self.client.get(path, **options)

    async def post(self, path: str, **options: Any) -> httpx2.Response:
        return await self.client.post(path, **options)

    async def cache(self, path: str, **options: Any) -> str | None:
        """What `x-nextjs-cache` says about a GET."""
        return cache_of(await self.get(path, **options))

    async def body(self, path: str, **options: Any) -> str:
        return (await self.get(path, **options)).text

    @property
    def responses(self) -> Responses:
        assert self.pond._runtimes.first is not None
        return self.pond._runtimes.first.responses

    async def settle(self) -> None:
        """Wait for the regenerations and the callbacks that are under way."""
        assert self.pond._runtimes.first is not None
        assert await self.pond._runtimes.first.drain(5) == 0

    def route(self, pattern: str) -> FileRoute:
        return route_of(self.pond, pattern)

    def module(self, pattern: str) -> Any:
        """The route file's module: what its handlers keep in globals."""
        return self.route(pattern).module.module

    def entry(self, pattern: str, **params: str | list[str]) -> Entry | None:
        return self.pond.store.peek(target_of(self.route(pattern), **params).key)


@dataclass
class Project:
    """A folder with a project, and the Millponds that are made of it."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    config: dict[str, Any] = field(default_factory=dict)
    store: MemoryStore | None = None
    """Of all Millponds; None: each has its own."""

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), "utf-8")

    def routes(self, sources: dict[str, str]) -> None:
        """Write route files, named by their patterns: "/", "/items/[id]"."""
        self.write({f"app{pattern.rstrip('/')}/route.py": text for pattern, text in sources.items()})

    def pond(self, *, development: bool = False, **config: Any) -> Millpond:
        """A Millpond of the files as they are now; `config` is what millpond.toml would say."""
        forget(self.folder)
        (self.folder / "app").mkdir(exist_ok=True)
        said = {**self.config, **config}
        said["cache"] = {"store": "memory", **said.get("cache", {})}
        parsed = parse_config(said, "millpond.toml")
        pond = Millpond(
            self.folder / "app",
            config=parsed,
            store=self.store or MemoryStore(max_bytes=2**20, clock=self.clock),
            clock=self.clock,
            development=development,
        )
        pond.served_routes  # noqa: B018 - mistakes in route files are raised here
        return pond

    async def build(self, **config: Any) -> Built:
        return await self.pond(**config).build()

    async def built(self, **config: Any) -> dict[str, RouteRecord]:
        """The records of a build that must succeed, by pattern."""
        outcome = await self.build(**config)
        assert [str(failure) for failure in outcome.failures] == []
        return {record.pattern: record for record in outcome.manifest.routes}

    async def failures(self, **config: Any) -> list[str]:
        """What a build that must fail reports."""
        outcome = await self.build(**config)
        assert outcome.failures
        return [str(failure) for failure in outcome.failures]

    @asynccontextmanager
    async def started(
        self, *, wrap: Callable[[Millpond], ASGIApp] = lambda pond: pond, development: bool = False, **config: Any
    ) -> AsyncIterator[Running]:
        """Serve what was built last, or nothing built."""
        pond = self.pond(development=development, **config)
        async with pond.lifespan(), client_of(wrap(pond)) as client:
            yield Running(pond, client)

    @asynccontextmanager
    async def serving(self, **config: Any) -> AsyncIterator[Running]:
        """Build, and serve that."""
        await self.built(**config)
        async with self.started(**config) as running:
            yield running


def client_of(app: ASGIApp) -> httpx2.AsyncClient:
    """A client of an application behind what Millpond's server has in front of it: errors are logged, and are 500."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=LoggedFailures(app)), base_url="http://shop.example")


async def start(pond: Millpond) -> None:
    """Start an application, and stop it."""
    async with pond.lifespan():
        pass


def route_of(pond: Millpond, pattern: str) -> FileRoute:
    return next(route for route in pond.file_routes if route.pattern == pattern)


def target_of(route: FileRoute, **params: str | list[str]) -> Target:
    segments: list[str] = []
    for segment in route.file.segments:
        value = params[segment.parameter] if segment.dynamic else segment.name
        segments += [value] if isinstance(value, str) else value
    return Target.of(route, segments, params)


def cache_of(answer: httpx2.Response) -> str | None:
    return answer.headers.get("x-nextjs-cache")


async def turns(number: int = 20) -> None:
    """Let every other task run as far as it can."""
    for _ in range(number):
        await asyncio.sleep(0)
