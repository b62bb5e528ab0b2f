"""Millpond: the ASGI application, from startup to shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millpond.app.builder import Builder
from millpond.app.context import AppContext
from millpond.app.instrumentation import Instrumentation
from millpond.app.lifespan import Lifespan
from millpond.app.runtime import assemble
from millpond.app.served_build import build_to_serve, store_of
from millpond.cache.clean_context import CleanContext
from millpond.cache.fetching.upstream import close_client
from millpond.config import Config, load_config
from millpond.cron.job import CronJob
from millpond.metadata.route_modules import loader
from millpond.policy.compat import Compat
from millpond.prerender.build_manifest import read_manifest
from millpond.render.handler import wrap_handler
from millpond.routes.metadata_inventory import MetadataInventory
from millpond.routes.module import refuse_replaced_config
from millpond.routes.route import load_routes
from millpond.routes.scan import scan
from millpond.serve.inner import InnerApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.app.runtime import Runtime
    from millpond.policy.freshness import Clock
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.whole_build import Built, Progress
    from millpond.routes.route import Route
    from millpond.serve.hits import Hits
    from millpond.stores.contract import Store

log = logging.getLogger("millpond")


class Millpond:
    """The application of one folder of routes.

    It is an ASGI application: serve it, mount it in another application, or wrap it. It serves the build next to the
    folder; without one it renders static answers at their first request.

    Args:
        app_dir: the folder with the routes, `app`. Its parent is the project.
        config: used instead of the project's millpond.toml.
        store: where entries are stored; by default the configured `[cache] store`, or memory in development.
        clock: seconds since the epoch.
        development: no answer is cached, and the build is ignored.

    Raises:
        MillpondError: the configuration or a route file is wrong; the message says where and how to fix it.
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
        self.routes = self._loaded_routes()
        self.fastapi: FastAPI = InnerApp(
            [operation.api_route for route in self.routes for operation in route.operations.values()], self.project
        )
        self._store = store
        self._outer: list[Callable[[ASGIApp], ASGIApp]] = []
        self._running: Runtime | None = None
        self._stack: ASGIApp | None = None
        self._starting = asyncio.Lock()
        self._context = AppContext(
            project=self.project,
            config=self.config,
            routes=self.routes,
            metadata=MetadataInventory(self.routes, self.project, self.config),
            inner=self.fastapi,
            clock=clock,
            development=development,
            clean=CleanContext(),  # last: importing the route files may have set context variables
            state={},
        )
        self._instrumentation = Instrumentation(self._context)
        self._lifespan = Lifespan(self._context)

    def _loaded_routes(self) -> list[Route]:
        files = scan(self.app_dir, self.project, placeholders=self.config.compat is Compat.V16)
        load_one = loader(self.config.compat, development=self.development)
        routes = load_routes(files, self.project, self.app_dir, wrap_handler, load_one)
        if self.config.cache_components:
            refuse_replaced_config(route.module for route in routes)
        return routes

    @property
    def store(self) -> Store:
        """Where entries are stored. It is opened at startup: in the process that serves, after any fork."""
        if self._store is None:
            self._store = store_of(self._context)
        return self._store

    @property
    def hits(self) -> Hits | None:
        """The hits that a server may answer at its socket, without calling this application; None before startup."""
        return None if self._running is None else self._running.dispatcher.hits

    def add_outer_middleware(self, middleware: Callable[..., ASGIApp], **options: Any) -> None:
        """Add an ASGI middleware in front of the whole application: it sees every request, hits included.

        Middleware of the inner FastAPI application sees only renders and live routes. The last one added is the
        outermost.

        Args:
            middleware: called with the application to wrap and with `options`.
            options: keyword arguments for `middleware`.
        """
        self._outer.append(lambda app: middleware(app, **options))
        if self._running is not None:
            self._build_stack(self._running)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
            return
        stack = self._stack or await self.startup()
        await stack(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Start on entry and shut down on exit: a lifespan for an application that mounts this one."""
        del app
        await self.startup()
        try:
            yield
        finally:
            await self.shutdown()

    async def startup(self) -> ASGIApp:
        """Run `register`, enter the inner lifespan and open the cache. The first request does so if nothing else has.

        Returns:
            The ASGI application that answers requests.

        Raises:
            BuildError: the build doesn't match these routes or this version.
        """
        async with self._starting:
            if self._stack is not None:
                return self._stack
            await self._instrumentation.register()
            # A first request may have called this, and what is started here outlives that request.
            return await asyncio.create_task(self._start(), context=self._context.clean.copy())

    async def _start(self) -> ASGIApp:
        await self._lifespan.begin()
        try:
            await self.store.open()
            try:
                runtime = assemble(self._context, self.store, await build_to_serve(self._context, self.store))
            except BaseException:
                await self.store.close()
                raise
        except BaseException:
            await self._lifespan.end()
            raise
        self._running = runtime
        runtime.activate()
        return self._build_stack(runtime)

    async def shutdown(self) -> None:
        """Finish regenerations, `after` callbacks and purges within `[server] shutdown_timeout`, then close all."""
        runtime, self._running, self._stack = self._running, None, None
        try:
            if runtime is not None:
                await runtime.shut_down(self.config.server.shutdown_timeout)
        finally:
            try:
                await self._lifespan.end()
            finally:
                await close_client()
                await self.store.close()

    async def build(self, progress: Progress = lambda done, total: None) -> Built:
        """Prerender the static routes, and write the result next to the routes.

        Args:
            progress: called with the number of finished paths and their total.

        Raises:
            BuildError: the output can't be written.
        """
        return await Builder(self._context, self._instrumentation, self._lifespan).run(progress)

    def jobs(self) -> list[CronJob]:
        """The configured crons, for the process that serves to run; see `millpond.cron.scheduler`."""
        return [CronJob(cron, self, self.config, self.store, self._context.clock) for cron in self.config.cron]

    def manifest(self) -> BuildManifest | None:
        """The project's build, if there is one.

        Raises:
            BuildError: it can't be read, or was made by another version.
        """
        return read_manifest(self.project)

    def _build_stack(self, runtime: Runtime) -> ASGIApp:
        stack: ASGIApp = runtime.dispatcher
        for wrap in self._outer:
            stack = wrap(stack)
        # Outer middleware must see hits, too, so the socket may not answer them.
        runtime.dispatcher.hits.at_socket = not self._outer
        self._stack = stack
        return stack

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.startup()
        except Exception as error:  # noqa: BLE001 - any failure of the startup is reported to the server
            log.critical("%s", error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.shutdown()
        await send({"type": "lifespan.shutdown.complete"})
