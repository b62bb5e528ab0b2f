"""Millpond: joins the rooms; the ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millpond.cache.active_application import activate, deactivate
from millpond.cache.clean_context import CleanContext
from millpond.cache.fetching.fetch import close_client
from millpond.cache.observed import ObservedFunctions
from millpond.config import Config, load_config
from millpond.cron.job import Job
from millpond.errors import BuildError
from millpond.metadata.route_modules import loader
from millpond.policy.compat import Compat
from millpond.prerender.build_manifest import edited_since, has_entries, plans_of, read_entries, read_manifest
from millpond.prerender.frozen_environment import drift
from millpond.prerender.plan import development_plans, unbuilt_plans
from millpond.prerender.prerenderer import Prerenderer
from millpond.prerender.verify.build_thread import in_idle_loop, observed
from millpond.prerender.verify.passes import Passes
from millpond.prerender.watch import Watch
from millpond.prerender.whole_build import Built, make_build, new_build_id
from millpond.render.handler import wrap_handler
from millpond.routes.imports import import_project_file
from millpond.routes.metadata_inventory import MetadataInventory
from millpond.routes.module import refuse_replaced_config
from millpond.routes.route import load_routes
from millpond.routes.scan import scan
from millpond.serve.inner import InnerApp
from millpond.serve.lifespan import Life
from millpond.serve.running import AppContext, Runtime, ServedBuild, assemble
from millpond.stores.factory import chosen_store, memory_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.policy.entry import Entry
    from millpond.policy.freshness import Clock
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.plan import Plan
    from millpond.serve.hits import Hits
    from millpond.stores.contract import Store

log = logging.getLogger("millpond")
environment_log = logging.getLogger("millpond.environment")

INSTRUMENTATION = "instrumentation.py"


class Millpond:
    """The application of one folder of routes.

    It is an ASGI application: serve it, mount it in another, or wrap it. It serves the build that it finds beside
    the folder; without one it renders static answers at their first request.

    Args:
        app_dir: the folder with the routes, `app`. The project is the folder around it.
        config: in place of the project's millpond.toml.
        store: where entries live; what `[cache] store` says when not given, and memory in development.
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
        files = scan(self.app_dir, self.project, placeholders=self.config.compat is Compat.V16)
        load_one = loader(self.config.compat, development=development)
        self.routes = load_routes(files, self.project, self.app_dir, wrap_handler, load_one)
        if self.config.cache_components:
            refuse_replaced_config(route.module for route in self.routes)
        self._inventory = MetadataInventory(self.routes, self.project, self.config)
        self.fastapi: FastAPI = InnerApp(
            [operation.api_route for route in self.routes for operation in route.operations.values()], self.project
        )
        self._clock = clock
        self._store = store
        self._state: dict[str, Any] = {}
        self._outer: list[Callable[[ASGIApp], ASGIApp]] = []
        self._running: Runtime | None = None
        self._stack: ASGIApp | None = None
        self._life: Life | None = None
        self._starting = asyncio.Lock()
        self._registered = False
        self._clean = CleanContext()  # last: route files may have set context variables when they were imported

    @property
    def store(self) -> Store:
        """Where entries live. It is opened at startup: in the process that serves, after any fork."""
        if self._store is None:
            self._store = self._chosen_store()
        return self._store

    @property
    def hits(self) -> Hits | None:
        """What a server may answer at its socket, before this application is called; None while it isn't started."""
        return None if self._running is None else self._running.dispatcher.hits

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
            self._put_together(self._running)

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
            await self._register()
            # A first request may have come here, and what is begun now outlives it.
            return await asyncio.create_task(self._start(), context=self._clean.copy())

    async def _start(self) -> ASGIApp:
        await self._begin_life()
        try:
            await self.store.open()
            running = assemble(self._surroundings, self.store, await self._decide())
        except BaseException:
            await self._end_life()
            raise
        self._running = running
        activate(running.data, self._inventory)
        return self._put_together(running)

    async def shutdown(self) -> None:
        """Finish regenerations, `after` callbacks and purges within `[server] shutdown_timeout`, then let go of all."""
        running, self._running, self._stack = self._running, None, None
        if running is not None:
            seconds = self.config.server.shutdown_timeout
            ends = time.monotonic() + seconds
            late = await running.drain(seconds)
            if late:
                log.warning("%d background tasks didn't end within %g s and were cancelled", late, seconds)
            await running.stop_purging(max(0.0, ends - time.monotonic()))
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

        With Cache Components it happens in a thread of its own, with an event loop that sees when a render waits.

        Raises:
            BuildError: the output can't be written.
        """
        if self.config.cache_components:
            return await in_idle_loop(lambda: self._verified_build(progress))
        watch = Watch(self.project, self.routes)
        with watch.installed():
            return await self._registered_build(progress, watch)

    async def _verified_build(self, progress: Callable[[int, int], None]) -> Built:
        with observed(self.project):  # from the start, as threads that begin earlier aren't observed
            return await self._registered_build(progress, None)

    async def _registered_build(self, progress: Callable[[int, int], None], watch: Watch | None) -> Built:
        await self._register()
        return await asyncio.create_task(self._build(progress, watch), context=self._clean.copy())

    async def _build(self, progress: Callable[[int, int], None], watch: Watch | None) -> Built:
        store = memory_store(self.config.cache, self._clock)
        await self._begin_life()
        decided = ServedBuild(await self._development_plans(), new_build_id(), None)
        running = assemble(self._surroundings, store, decided)
        running.data.observed = functions = ObservedFunctions()
        activate(running.data, self._inventory)
        try:
            prerenderer = Prerenderer(
                renderer=running.renderer,
                compat=self.config.compat,
                config=self.config.build,
                project=self.project,
                clock=self._clock,
                build=decided.build,
                passes=self._passes(running),
                codings=self.config.cache.codings,
                watch=watch,
                deepest=self.config.server.max_path_segments,
            )
            data = functools.partial(self._data_in, store)
            crons = self.config.cron
            built = await make_build(self.routes, prerenderer, self.project, crons, data, functions, progress)
            await running.drain(self.config.build.timeout)
            return built
        finally:
            deactivate(running.data)
            await self._end_life()
            await close_client()

    def jobs(self) -> list[Job]:
        """The crons of the configuration, to be run by whoever serves; see `millpond.cron.clockwork`."""
        return [Job(cron, self, self.config, self.store, self._clock) for cron in self.config.cron]

    def manifest(self) -> BuildManifest | None:
        """The project's build, if there is one.

        Raises:
            BuildError: it can't be read, or is of another version.
        """
        return read_manifest(self.project)

    def _data_in(self, store: Store) -> list[Entry]:
        """What ships with the build besides the routes' own entries; not functions' values with Cache Components."""
        kinds = ("fetch",) if self.config.cache_components else ("fetch", "function")
        return [entry for entry in store.entries() if entry.kind in kinds]

    def _passes(self, running: Runtime) -> Passes | None:
        if not self.config.cache_components:
            return None
        return Passes(running.renderer, self.config.build.timeout)

    async def _development_plans(self) -> list[Plan]:
        return await development_plans(self.routes, self.config.compat, cache_components=self.config.cache_components)

    def _chosen_store(self) -> Store:
        if self.development:
            return memory_store(self.config.cache, self._clock)
        manifest = self.manifest() if self.config.cache.kind == "valkey" else None
        return chosen_store(self.project, self.config.cache, None if manifest is None else manifest.build, self._clock)

    @property
    def _surroundings(self) -> AppContext:
        return AppContext(
            self.project, self.config, self.fastapi, self._clock, self.development, self._clean, self._state
        )

    async def _decide(self) -> ServedBuild:
        """By the build, where there is one and it is to be served."""
        if self.development:
            plans = await self._development_plans()
            return ServedBuild(plans, new_build_id(), secrets.token_hex(32))
        manifest = self.manifest()
        if manifest is None:
            log.warning("no build in %s: static answers are rendered at their first request", self.project)
            plans = await unbuilt_plans(self.routes, self.config.compat, cache_components=self.config.cache_components)
            return ServedBuild(plans, new_build_id(), secrets.token_hex(32))
        if manifest.compat != self.config.compat:
            raise BuildError(
                f'the build was made with compat = "{manifest.compat}", and the configuration now says '
                f'"{self.config.compat}"; run `millpond build` again.'
            )
        for file in edited_since(manifest, self.routes):
            log.warning("%s was edited after the build; its static answers are the old ones", file)
        for sentence in drift(self.project, manifest, os.environ):
            environment_log.warning("%s", sentence)
        if self.config.cache.kind == "valkey" and not has_entries(self.project, manifest):
            log.info("build %s has no answers here: those come from the store, or are rendered", manifest.build)
        else:
            await self.store.seed(read_entries(self.project, manifest))
        return ServedBuild(plans_of(manifest, self.routes), manifest.build, manifest.draft_secret)

    def _put_together(self, running: Runtime) -> ASGIApp:
        stack: ASGIApp = running.dispatcher
        for wrap in self._outer:
            stack = wrap(stack)
        # What stands in front of everything stands in front of hits, too.
        running.dispatcher.hits.at_socket = not self._outer
        self._stack = stack
        return stack

    async def _begin_life(self) -> None:
        if self._life is None:
            life = Life(self.fastapi, self._state)
            await life.begin()
            self._life = life

    async def _end_life(self) -> None:
        if self._life is not None:
            life, self._life = self._life, None
            await life.end()

    async def _register(self) -> None:
        """Call `register(app)` of the project's instrumentation.py with the inner application (R10.4).

        Once, however often this Millpond starts: the inner application keeps what it was given. Context variables that
        it sets are there in each render.
        """
        path = self.project / INSTRUMENTATION
        if self._registered or not path.is_file():
            return

        def register() -> object:
            function = getattr(import_project_file(path, self.project), "register", None)
            if function is None:
                log.warning("%s has no function register(app), so nothing of it is used", INSTRUMENTATION)
                return None
            return function(self.fastapi)

        await self._clean.extend(register)
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
