"""Millpond: a FastAPI application whose file routes have a caching model."""

from __future__ import annotations

import contextlib
import sys
import time
from asyncio import get_running_loop
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware

from millpond.app.answering import Answering
from millpond.app.construction.app_folder import DEFAULT_APP_DIR, app_dir_of
from millpond.app.construction.fastapi_options import refuse_unknown, warned_at_the_caller
from millpond.app.construction.former_names import gone
from millpond.app.construction.instrumentation import Instrumentation
from millpond.app.context import AppContext
from millpond.app.development import adjusted, in_development
from millpond.app.documents.query_operations import DescribedFastAPI
from millpond.app.endpoints import Endpoints
from millpond.app.file_routes import FileRoutes
from millpond.app.isolation import is_isolated, is_script
from millpond.app.lifespan import entered, failing, serve_lifespan, warn_at_start
from millpond.app.rehearsal import rehearsal_here
from millpond.app.runtimes import Runtimes
from millpond.app.served_build import store_of
from millpond.app.unseen import Unseen
from millpond.cache.clean_context import CleanContext
from millpond.config import Config, load_config
from millpond.cron.job import CronJob
from millpond.internals import starlette_names
from millpond.prerender.build_manifest import read_manifest
from millpond.render.middleware_boundary import RenderMiddleware
from millpond.render.user_code import user_place
from millpond.routes.metadata_inventory import MetadataInventory
from millpond.serve.layers.declared import Front
from millpond.serve.layers.hits_first import HitsFirst
from millpond.serve.matching.base_path import enter_base_path
from millpond.serve.span import Tracing
from millpond.serve.validation_errors import validation_error_response
from millpond.stores.contract import Store
from millpond.telemetry.counting import Counting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from starlette.datastructures import URLPath
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.app.builder import Builder
    from millpond.app.published import Published
    from millpond.app.runtime import Runtime
    from millpond.policy.freshness import Clock
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.whole_build import Built, Progress
    from millpond.routes.route import FileRoute
    from millpond.routes.route_contract import Route
    from millpond.serve.hits import Hits


class Millpond(DescribedFastAPI):
    """A FastAPI application, with the routes of a folder: static, fresh or live.

    Everything that FastAPI's class has means what it means there. The routes of the files come before those that are
    declared in code. The application serves the build next to the folder; without one it renders static answers at
    their first request. In tests it touches neither the build nor the store of the project (see `isolated`).

    Args:
        app_dir: the folder with the routes; its parent is the project. Relative to the working directory, or else to
            the file that makes the application. Without one it is `app`, which may be missing.
        config: used instead of the project's millpond.toml.
        store: where entries are stored; by default the configured `[cache] store`, or memory in development.
        clock: seconds since the epoch.
        development: no answer is cached, and the build is ignored.
        fastapi: the options of FastAPI's constructor. File routes obey them as included routers do.

    Raises:
        MillpondError: the configuration, or instrumentation.py, is wrong; the message says where and how to fix it.
            Route files are loaded at their first use.
        TypeError: an option is unknown.
    """

    isolated: bool | None = None
    """Whether it keeps away from the project's build and store. None: it does if a test asks it, that is Starlette's
    test client or code that pytest or unittest runs, and no `store` was given."""

    def __init__(
        self,
        app_dir: str | Path = DEFAULT_APP_DIR,
        *,
        config: Config | None = None,
        store: Store | None = None,
        clock: Clock = time.time,
        development: bool = False,
        **fastapi: Any,
    ) -> None:
        refuse_unknown(fastapi)
        self.app_dir = app_dir_of(app_dir, sys._getframe(1))  # noqa: SLF001 - the documented way to a caller's frame
        self.project = self.app_dir.parent
        self.config = adjusted(config if config is not None else load_config(self.project))
        self.development = development = development or in_development()
        with warned_at_the_caller():
            super().__init__(**fastapi)
        if self.exception_handlers.get(RequestValidationError) is request_validation_exception_handler:
            self.exception_handlers[RequestValidationError] = validation_error_response
        self._given_store, self._own_store, self._clock = store, dict[bool, Store](), clock
        self._tracing = Tracing((fastapi.get("telemetry") or {}).get("tracer_provider"))
        self._counting = Counting.of(self.project, self.config.metrics)
        self._render_middleware: list[RenderMiddleware] = []
        self._clean, self._runtimes = CleanContext(), Runtimes(self._store_of, self._on_start)
        self._is_unseen = Unseen(self, _CALL, self._tracing)
        ways = self._whole, self.config, self._here, self._start, self._is_unseen, self._render_middleware
        self._answering = Answering(self, *ways, self._counting, development=development)
        self._files = FileRoutes(
            self.project, self.app_dir, self.config, development=development, router=self.router, clean=self._clean
        )
        self._endpoints = Endpoints(self.project, self.router, self._files, self.config)
        self._stands_before_router = starlette_names.stand_before(self.router, self._at_the_router)
        if not self._stands_before_router:
            self.router.routes.insert(0, Front(self._at_the_router))
        self._instrumentation = Instrumentation(self.project, self._clean)
        self._instrumentation.register(self)

    if not TYPE_CHECKING:  # which would take them for attributes
        fastapi, add_outer_middleware = gone("fastapi"), gone("add_outer_middleware")

    @property
    def routes(self) -> list[BaseRoute]:
        """All routes: those of the files, which are loaded by the first look, and those that are declared in code."""
        if "_files" in vars(self):  # not yet while FastAPI's constructor runs
            self._files.load()
        return self.router.routes

    @property
    def file_routes(self) -> Sequence[FileRoute]:
        """The routes of the files. Raises MillpondError: a route file is wrong."""
        return self._files.load()

    @property
    def served_routes(self) -> Sequence[Route]:
        """As `own_routes`, for who serves them: files that are as they were built are loaded when they are asked."""
        return self._context(None, serves=True).routes

    @property
    def own_routes(self) -> Sequence[Route]:
        """The routes that have the caching model: those of the files, and those of endpoints with `@static`.

        Raises:
            MillpondError: a route file is wrong, or `@static` is on an endpoint that has no GET.
        """
        return self._endpoints.behind(self._files.load())

    @property
    def published(self) -> Published:
        """The files of `public/`, as of the loading of the routes."""
        self._files.known()
        return self._files.published

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """As in FastAPI; the operation of `app/items/[id]/route.py` is `get_items_by_id`."""
        self._files.load()
        return super().url_path_for(name, **path_params)

    @property
    def root_path(self) -> str:
        """FastAPI's option, which a proxy takes from the path, and after it `base_path`; empty without the option."""
        given = self._root_path
        return given + self.config.base_path if given else ""

    @root_path.setter
    def root_path(self, root_path: str) -> None:
        self._root_path = root_path

    def add_render_middleware(
        self, middleware_class: Callable[..., ASGIApp], *, keep_headers: bool = False, **options: Any
    ) -> None:
        """Add an ASGI middleware around renders for everybody, and around live runs of file routes.

        In a render for everybody it gets a made-up request, and what it reads of that counts as read by the handler.
        The last one added is the outermost.

        Args:
            middleware_class: called with the application to wrap and with `options`.
            keep_headers: store the headers that it adds to an answer for everybody with it. Without this they are
                dropped there, as they were made for one request.
            options: keyword arguments for `middleware_class`.

        Raises:
            RuntimeError: the application has started.
        """
        if self._runtimes.first is not None:
            raise RuntimeError("Cannot add middleware after an application has started")
        frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
        place = user_place(frame, self.project)
        self._render_middleware.insert(0, RenderMiddleware(middleware_class, options, keep_headers, place))

    @property
    def store(self) -> Store:
        """Where entries are stored. It is opened at startup: in the process that serves, after any fork."""
        runtimes = self._runtimes_here()
        return runtimes.store_of(self._context(None)) if runtimes.first is None else runtimes.first.responses.store

    @property
    def hits(self) -> Hits | None:
        """The hits that a server may answer at its socket, without calling this application; None before startup."""
        running = self._runtimes.first
        return None if running is None else running.dispatcher.hits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._begin_and_end(scope, receive, send)
            return
        if self._instrumentation.is_pending:
            await self._instrumentation.finish()
        if given := self._root_path:  # as FastAPI does
            scope["root_path"] = given
        if self.config.base_path:
            enter_base_path(scope, scope.get("root_path", ""), self.config.base_path)
        await (self._answering.http if kind == "http" else self._answering.websocket)(scope, receive, send)
        if not self._runtimes.has_lifespan:
            await self._runtimes.settle(self.config.cache.render_timeout, scope)

    async def _begin_and_end(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._instrumentation.finish()
        except Exception as error:
            failed = error  # a server must be told, or it goes on without the lifespan
            await serve_lifespan(lambda: failing(failed), scope, receive, send)
            raise
        await (self._whole if self._stands_before_router else self._at_the_router)(scope, receive, send)

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        """FastAPI's own way. Looked up at each call: an agent may replace it at any time."""
        await super().__call__(scope, receive, send)

    async def _at_the_router(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(lambda: self._lifespan(scope, by_a_server=True), scope, receive, send)
        else:
            await self._answering.at_the_router(scope, receive, send)

    def innermost(self) -> Middleware:
        """What stands inside of the user's middleware: hits need nothing that comes further in."""
        return Middleware(HitsFirst, hit=self._answering.hit, caches=self._answering.caches)

    def _here(self) -> Runtime | None:
        first = self._runtimes.first
        if first is not None and first.loop is get_running_loop() and rehearsal_here() is None:  # nearly always
            return first
        return self._runtimes_here().here()

    async def _start(self, scope: Scope | None) -> Runtime:
        return await self._runtimes_here().begin(self._context(scope, serves=True))

    async def registered(self) -> None:
        """Await what an async `register` of instrumentation.py awaits; requests, lifespans and builds do so first.

        Raises:
            Exception: whatever `register` raises.
        """
        await self._instrumentation.finish()

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[Mapping[str, Any]]:
        """Start on entry and stop on exit; for a parent that mounts this application: its `lifespan`, or inside of it.

        Args:
            app: whose lifespan it is; ignored.

        Raises:
            BuildError: the build doesn't match these routes or this version.
            StoreError: the store can't be opened.
            Exception: what the application's own lifespan raises.
        """
        del app
        await self._instrumentation.finish()
        async with self._lifespan(None) as state:
            yield state

    @contextlib.asynccontextmanager
    async def _lifespan(self, scope: Scope | None, *, by_a_server: bool = False) -> AsyncIterator[Mapping[str, Any]]:
        """The user's lifespan, and within it Millpond's own: handlers use what the user's has made."""
        runtimes, context = self._runtimes_here(), self._context(scope, serves=True)
        failure: Exception | None = None
        async with entered(self) as state:
            context.state.clear()
            context.state.update(state)
            async with contextlib.AsyncExitStack() as stack:
                stack.callback(context.state.clear)
                try:
                    await stack.enter_async_context(runtimes.running(context))
                except Exception as error:  # noqa: BLE001 - raised below, when the user's lifespan has ended as usual
                    failure = error
                else:
                    if by_a_server and not context.isolated:
                        warn_at_start(self.config)
                    yield dict(context.state)
        if context.isolated:  # the next test begins with nothing
            self._own_store.pop(True, None)
        if failure is not None:
            raise failure

    def _runtimes_here(self) -> Runtimes:
        """Those that serve, or those of the rehearsal that the running code belongs to."""
        rehearsal = rehearsal_here()
        return self._runtimes if rehearsal is None else rehearsal.runtimes_of(self, self._on_start)

    async def runtime(self) -> Runtime:
        """What answers requests in the running event loop; started if it isn't."""
        return self._here() or await self._start(None)

    def _context(self, scope: Scope | None, *, serves: bool = False) -> AppContext:
        rehearsal = rehearsal_here()
        isolated = is_isolated(self.isolated, rehearsal, scope, has_store=self._given_store is not None)
        reads_build = not isolated if rehearsal is None else rehearsal.reads_build
        waits = serves and rehearsal is None and reads_build and self._is_unseen.lets_routes_wait()
        files = (self._files.to_serve if waits else self._files.load)()
        return AppContext(
            project=self.project,
            config=self.config,
            routes=self._endpoints.behind(files),
            endpoint_of=self._endpoints.of,
            shadowed=self._endpoints.shadowed,
            metadata=MetadataInventory(files, self.project, self.config),
            app=self,
            render_middleware=self._render_middleware,
            clock=self._clock if rehearsal is None else rehearsal.clock,
            development=self.development,
            isolated=isolated,
            is_scripts=self._given_store is None and not isolated and is_script(scope),
            reads_build=reads_build,
            tracing=self._tracing,
            counting=self._counting,
            unseen=self._is_unseen,
            clean=self._clean,
            published=self._files.published,
            state=self._runtimes_here().state,
        )

    def _store_of(self, context: AppContext) -> Store:
        if self._given_store is not None:
            return self._given_store
        if context.isolated not in self._own_store:
            self._own_store[context.isolated] = store_of(context)
        return self._own_store[context.isolated]

    def _on_start(self, runtime: Runtime) -> None:
        self._files.serve(runtime.dispatcher.matcher)
        hits = runtime.dispatcher.hits
        hits.is_unseen = partial(self._is_unseen.of_hits, hits)
        hits.is_unseen()  # paths that are learnt before a CORSMiddleware is recognised would be learnt twice
        self._is_unseen.look_again()

    async def build(self, progress: Progress = lambda done, total: None) -> Built:
        """Prerender the static routes, and write the result next to the routes. The lifespan is entered for it.

        Args:
            progress: called with the number of finished paths and their total.

        Raises:
            BuildError: the output can't be written.
        """
        return await self.builder().run(progress)

    def builder(self) -> Builder:
        """What makes the build; `millpond build` shares it among processes."""
        from millpond.app.builder import Builder  # imported late: servers build nothing

        return Builder(self._context(None), self._instrumentation, self.app_dir)

    def jobs(self) -> list[CronJob]:
        """The configured crons, for the process that serves to run; see `millpond.cron.scheduler`."""
        made = self._answer_cron, self.config, self.store, self._clock
        return [CronJob(cron, *made, told=self._runtimes_here().cron_ended) for cron in self.config.cron]

    async def _answer_cron(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._here() or await self._start(scope)).crons(scope, receive, send)

    def manifest(self) -> BuildManifest | None:
        """The project's build, if there is one.

        Raises:
            BuildError: it can't be read, or was made by another version.
        """
        return read_manifest(self.project)


_CALL = Millpond.__call__
"""Before an agent can replace it."""
