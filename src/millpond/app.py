"""Millpond: joins the rooms; the ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millpond.build.manifest import edited_since, plans_of, read_entries, read_manifest
from millpond.build.prerender import Prerenderer
from millpond.build.run import Built, make_build, new_build_id
from millpond.build.undecided import development_plans, unbuilt_plans
from millpond.cache.active import activate, deactivate
from millpond.cache.data import DataCache
from millpond.cache.fetch import close_client
from millpond.cache.responses import Responses
from millpond.cache.variants import Variants
from millpond.config import Config, load_config
from millpond.errors import BuildError
from millpond.policy.decision import Reason
from millpond.render.after import Afterwards
from millpond.render.handler import around
from millpond.render.run import Renderer
from millpond.routes.imports import import_project_file
from millpond.routes.route import load_routes
from millpond.routes.scan import scan
from millpond.routes.table import Table
from millpond.serve.dispatch import Dispatcher
from millpond.serve.inner import InnerApp
from millpond.serve.lifespan import Life
from millpond.serve.live import LiveRunner
from millpond.serve.revalidation import RevalidateEndpoint
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.build.manifest import Manifest
    from millpond.build.plan import Plan
    from millpond.policy.entry import Entry
    from millpond.policy.freshness import Clock
    from millpond.stores.contract import Store

log = logging.getLogger("millpond")

INSTRUMENTATION = "instrumentation.py"


@dataclass(frozen=True, slots=True)
class _Decided:
    """What a run of the application goes by."""

    plans: list[Plan]
    build: str
    draft_secret: str


@dataclass(frozen=True, slots=True)
class _Running:
    """The rooms, joined for one run: a server's, or a build's."""

    data: DataCache
    renderer: Renderer
    responses: Responses
    dispatcher: Dispatcher
    afterwards: Afterwards

    async def drain(self, seconds: float) -> int:
        """Wait for background work; after `seconds` in all cancel the rest, and say how much that was."""
        ends = time.monotonic() + seconds
        late = 0
        for drain in (self.responses.flights.drain, self.afterwards.drain, self.data.drain):
            late += await drain(max(0.0, ends - time.monotonic()))
        return late


class Millpond:
    """The application of one folder of routes.

    It is an ASGI application: serve it, mount it in another, or wrap it. It serves the build that it finds beside
    the folder; without one it renders static answers at their first request.

    Args:
        app_dir: the folder with the routes, `app`. The project is the folder around it.
        config: in place of the project's millpond.toml.
        store: where entries live; the memory of this process when not given.
        clock: seconds since the epoch.
        development: no answer is cached, and the build is not looked at.

    Raises:
        MillpondError: the configuration or a route file is wrong; the message says where and how to mend it.
    """

    def __init__(
        self,
        app_dir: str | Path = "app",
        *,
        config: Config | None = None,
        store: Store | None = None,
        clock: Clock = time.time,
        development: bool = False,
    ) -> None:
        self.app_dir = Path(app_dir).absolute()
        self.project = self.app_dir.parent
        self.config = config if config is not None else load_config(self.project)
        self.development = development
        self.routes = load_routes(scan(self.app_dir, self.project), self.project, self.app_dir, around)
        self.fastapi: FastAPI = InnerApp(
            [operation.api_route for route in self.routes for operation in route.operations.values()]
        )
        self._clock = clock
        self.store: Store = store if store is not None else self._memory()
        self._state: dict[str, Any] = {}
        self._outer: list[Callable[[ASGIApp], ASGIApp]] = []
        self._running: _Running | None = None
        self._stack: ASGIApp | None = None
        self._life: Life | None = None
        self._starting = asyncio.Lock()
        self._registered = False

    def add_outer_middleware(self, middleware: Callable[..., ASGIApp], **options: Any) -> None:
        """Put an ASGI middleware in front of everything: it sees every request, hits included.

        Middleware that is added to the inner FastAPI application sees renders and live routes only. The one added
        last is the outermost.

        Args:
            middleware: called with the application to wrap, and with `options`.
            options: what it takes besides.
        """
        self._outer.append(lambda app: middleware(app, **options))
        if self._running is not None:
            self._stack = self._wrapped(self._running.dispatcher)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
            return
        stack = self._stack or await self.startup()
        await stack(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Start on entry and shut down on exit; give it to an application that mounts this one."""
        del app
        await self.startup()
        try:
            yield
        finally:
            await self.shutdown()

    async def startup(self) -> ASGIApp:
        """Run `register` and the inner lifespan, and make the cache ready. A first request does it, too.

        Returns:
            What answers requests.

        Raises:
            BuildError: the build that was found doesn't belong to these routes or this version.
        """
        async with self._starting:
            if self._stack is not None:
                return self._stack
            await self._begin_life()
            try:
                await self.store.open()
                running = self._join(self.store, await self._decide())
            except BaseException:
                await self._end_life()
                raise
            self._running = running
            activate(self._running.data)
            self._stack = self._wrapped(self._running.dispatcher)
            return self._stack

    async def shutdown(self) -> None:
        """Finish regenerations and `after` callbacks, within `[server] shutdown_timeout`, and let go of everything."""
        running, self._running, self._stack = self._running, None, None
        if running is not None:
            seconds = self.config.server.shutdown_timeout
            late = await running.drain(seconds)
            if late:
                log.warning("%d background tasks didn't end within %g s and were cancelled", late, seconds)
            deactivate(running.data)
        try:
            await self._end_life()
        finally:
            await close_client()
            await self.store.close()

    async def build(self, progress: Callable[[int, int], None] = lambda done, total: None) -> Built:
        """Render what can be rendered for everybody, and write it beside the routes.

        Args:
            progress: told how many paths are done, and of how many.

        Raises:
            BuildError: the output can't be written.
        """
        store = self._memory()
        await self._begin_life()
        decided = _Decided(await development_plans(self.routes, self.config.compat), new_build_id(), "")
        running = self._join(store, decided)
        activate(running.data)
        try:
            prerenderer = Prerenderer(
                renderer=running.renderer,
                compat=self.config.compat,
                config=self.config.build,
                project=self.project,
                clock=self._clock,
                build=decided.build,
            )
            built = await make_build(self.routes, prerenderer, self.project, lambda: _data_in(store), progress)
            await running.drain(self.config.build.timeout)
            return built
        finally:
            deactivate(running.data)
            await self._end_life()
            await close_client()

    def manifest(self) -> Manifest | None:
        """The project's build, if there is one.

        Raises:
            BuildError: it can't be read, or is of another version.
        """
        return read_manifest(self.project)

    def _memory(self) -> Store:
        return MemoryStore(max_bytes=self.config.cache.max_bytes, clock=self._clock)

    def _join(self, store: Store, decided: _Decided) -> _Running:
        config, afterwards = self.config, Afterwards()
        data = DataCache(
            store=store,
            clock=self._clock,
            expire_time=config.expire_time,
            max_data_bytes=config.cache.max_data_bytes,
            patience=config.cache.render_timeout,
            profiles=config.profiles(),
            loop=asyncio.get_running_loop(),
        )
        renderer = Renderer(
            app=self.fastapi,
            project=self.project,
            compat=config.compat,
            expire_time=config.expire_time,
            max_bytes=config.cache.max_entry_bytes,
            cache=data,
            finish=afterwards.begin,
            state=self._state,
        )
        responses = Responses(
            store,
            renderer,
            self._clock,
            decided.build,
            config.cache.render_timeout,
            Variants(config.cache.max_query_variants),
        )
        live = LiveRunner(renderer, afterwards, decided.draft_secret, secure_cookies=not self.development)
        table = Table((plan.route.file.segments, plan) for plan in decided.plans)
        settings = config.revalidate_endpoint
        endpoint = RevalidateEndpoint.of(settings, store, data.profiles, self._clock) if settings else None
        reason = Reason.DEVELOPMENT if self.development else Reason.LIVE_ROUTE
        dispatcher = Dispatcher(table, responses, live, self.fastapi, config, self._clock, endpoint, reason)
        data.application = dispatcher
        return _Running(data, renderer, responses, dispatcher, afterwards)

    async def _decide(self) -> _Decided:
        """By the build, where there is one and it is to be served."""
        if self.development:
            plans = await development_plans(self.routes, self.config.compat)
            return _Decided(plans, new_build_id(), secrets.token_hex(32))
        manifest = self.manifest()
        if manifest is None:
            log.warning("no build in %s: static answers are rendered at their first request", self.project)
            plans = await unbuilt_plans(self.routes, self.config.compat)
            return _Decided(plans, new_build_id(), secrets.token_hex(32))
        if manifest.compat != self.config.compat:
            raise BuildError(
                f'the build was made with compat = "{manifest.compat}", and the configuration now says '
                f'"{self.config.compat}"; run `millpond build` again.'
            )
        for file in edited_since(manifest, self.routes):
            log.warning("%s was edited after the build; its static answers are the old ones", file)
        await self.store.seed(read_entries(self.project, manifest))
        return _Decided(plans_of(manifest, self.routes), manifest.build, manifest.draft_secret)

    def _wrapped(self, app: ASGIApp) -> ASGIApp:
        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            await (app if scope["type"] == "http" else self.fastapi)(scope, receive, send)

        stack: ASGIApp = enter
        for wrap in self._outer:
            stack = wrap(stack)
        return stack

    async def _begin_life(self) -> None:
        if self._life is None:
            await self._register()
            life = Life(self.fastapi, self._state)
            await life.begin()
            self._life = life

    async def _end_life(self) -> None:
        if self._life is not None:
            life, self._life = self._life, None
            await life.end()

    async def _register(self) -> None:
        """Call `register(app)` of the project's instrumentation.py with the inner application (R10.4).

        Once, however often this Millpond starts: the inner application keeps what it was given.
        """
        path = self.project / INSTRUMENTATION
        if self._registered or not path.is_file():
            return
        register = getattr(import_project_file(path, self.project), "register", None)
        if register is None:
            log.warning("%s has no function register(app), so nothing of it is used", INSTRUMENTATION)
            return
        result = register(self.fastapi)
        if inspect.isawaitable(result):
            await result
        self._registered = True

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.startup()
        except Exception as error:  # noqa: BLE001 - whatever keeps the server from starting is told to it
            log.critical("%s", error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.shutdown()
        await send({"type": "lifespan.shutdown.complete"})


def _data_in(store: Store) -> list[Entry]:
    """What was fetched and computed; the routes' own entries are the build's business."""
    return [entry for entry in store.entries() if entry.kind != "response"]
