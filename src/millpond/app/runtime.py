"""One run of an application, to serve or to build: its cache, renderer and dispatcher, assembled."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from millpond.cache.active_application import OfApplication, activate, deactivate
from millpond.cache.data import DataCache
from millpond.cache.rendering.render_span import RenderSpans
from millpond.cache.rendering.variant_bounds import VariantBounds
from millpond.cache.responses import Responses
from millpond.internals import fastapi_inclusion, fastapi_names, starlette_names
from millpond.internals.private_name import tell_unknown
from millpond.policy.decision import Action, Decision, Reason
from millpond.prerender.plan import plan_table
from millpond.render.after import AfterCallbacks
from millpond.render.pending_tasks import drain_tasks
from millpond.render.renderer import Renderer
from millpond.routes.naming.route_names import RouteNames
from millpond.serve.configured.configured_answers import ConfiguredAnswers
from millpond.serve.dispatch import Dispatcher
from millpond.serve.hits import Hits
from millpond.serve.layers.declared import DeclaredRoutes
from millpond.serve.layers.in_process import InProcess
from millpond.serve.layers.render_stack import SharedStack, live_stack
from millpond.serve.live import LiveRunner
from millpond.serve.matching.match_cache import MatchCache
from millpond.serve.matching.matcher import Matcher
from millpond.serve.queries import Queries
from millpond.serve.revalidation_endpoints import revalidation_endpoints
from millpond.serve.route_claims import RouteClaims
from millpond.serve.watched.live_watch import LiveWatch
from millpond.telemetry.counters import Counters
from millpond.telemetry.spans import Spans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from millpond.app.context import AppContext
    from millpond.app.events.event_log import EventLog
    from millpond.app.served_build import ServedBuild
    from millpond.purge.purges import Purges
    from millpond.render.failures.failure_log import FailureLog
    from millpond.routes.metadata_inventory import MetadataInventory
    from millpond.serve.revalidation_endpoints import Endpoint
    from millpond.stores.build_store import BuildStore
    from millpond.stores.contract import Store
    from millpond.telemetry.request_counts import RequestCounts

log = logging.getLogger("millpond")


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts that answer requests, and that must be shut down together."""

    data: DataCache
    metadata: MetadataInventory
    renderer: Renderer
    responses: Responses
    dispatcher: Dispatcher
    after_callbacks: AfterCallbacks
    crons: ASGIApp
    """Answers the requests of crons."""
    warming: ASGIApp
    """Answers requests from inside for paths that are to be there."""
    loop: asyncio.AbstractEventLoop
    """The event loop that runs it."""
    served: ServedBuild
    began: float
    """When it began; seconds since the epoch."""
    failures: FailureLog | None = None
    """Hears of handlers that fail; None: nobody does."""

    def activate(self) -> None:
        """Make this the application that Millpond's functions use when called outside of handlers."""
        activate(self.data, self.metadata)

    def deactivate(self) -> None:
        """Undo `activate`."""
        deactivate(self.data)

    async def shut_down(self, seconds: float) -> None:
        """Finish regenerations, `after` callbacks and purges within `seconds`; cancel those that take longer."""
        ends = time.monotonic() + seconds
        self.responses.engine.begin_no_more()
        try:
            late = await self.drain(seconds)
            if late:
                log.warning("%d background tasks didn't end within %g s and were cancelled", late, seconds)
            if self.data.purges is not None:  # last: the work above may still invalidate
                await self.data.purges.drain(max(0.0, ends - time.monotonic()))
        finally:
            self.deactivate()

    async def drain(self, seconds: float) -> int:
        """Wait for background work, also for what it starts meanwhile; see `drain_tasks`."""
        return await drain_tasks(self.tasks, seconds)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """The background work that is under way in the running event loop."""
        parts = (self.responses.engine, self.responses.coded, self.after_callbacks, self.data.engine)
        return [task for part in parts for task in part.tasks()]


def data_cache_of(context: AppContext, store: Store, building: BuildStore | None = None) -> DataCache:
    """The cache of fetched data and of functions, on `store`; call it in the event loop that will run it.

    Args:
        context: the application's.
        store: holds it.
        building: the same, while several processes build. Data that another one makes is waited for as long as a page
            may take, and however long that process doesn't answer: if it were killed, the build would end.
    """
    config = context.config
    return DataCache(
        store=store,
        clock=context.clock,
        expire_time=config.expire_time,
        max_data_bytes=config.cache.max_data_bytes,
        max_fetch_bytes=config.cache.max_fetch_bytes,
        jitter=config.cache.jitter,
        soft_timeout=config.cache.soft_timeout,
        eager=0.0 if building is not None else config.cache.eager,
        cache_components=config.cache_components,
        client_stale=config.cache.client_stale,
        patience=config.cache.render_timeout if building is None else config.build.timeout,
        lease_seconds=config.cache.lease_seconds if building is None else building.lease_seconds,
        profiles=config.profiles(),
        loop=asyncio.get_running_loop(),
        names=RouteNames.of(context.routes, config.base_path),
        is_scripts=context.is_scripts and (config.cache.kind == "memory" or context.development),
        clean=context.clean,
        blocking=building,
        counters=counters_of(context),
        spans=Spans(context.tracing.provider),
    )


def counters_of(context: AppContext) -> Counters:
    """Where things count; where the configuration turns that off, nobody looks at them."""
    return Counters() if context.counting is None else context.counting.counters


def assemble(
    context: AppContext,
    store: Store,
    served: ServedBuild,
    data: DataCache,
    failures: FailureLog | None = None,
    events: EventLog | None = None,
) -> Runtime:
    """A runtime on `store`, with the cache of `data_cache_of`; call it in the event loop that will run it.

    Raises:
        ConfigError: the secret of the revalidate endpoint, or of a purger, isn't set.
    """
    tell_unknown((*fastapi_names.NAMES, *fastapi_inclusion.NAMES, *starlette_names.NAMES))
    parts = _Assembly(context, store, served, data, failures, events)
    data.purges = parts.purges()
    app, base_path = context.app, context.config.base_path
    parts.data.application = InProcess.of(app, parts.dispatcher, base_path, "fetch", parts.counts)
    if parts.data.purges is not None:
        parts.data.purges.begin()
    return Runtime(
        parts.data,
        context.metadata,
        parts.renderer,
        parts.responses,
        parts.dispatcher,
        parts.after_callbacks,
        InProcess.of(app, parts.dispatcher, base_path, "cron", parts.counts),
        InProcess.of(app, parts.dispatcher, base_path, "warm", parts.counts),
        asyncio.get_running_loop(),
        served,
        context.clock(),
        failures,
    )


@dataclass(frozen=True)
class _Assembly:
    """The parts of one runtime: each is made once, from those that it depends on."""

    context: AppContext
    store: Store
    served: ServedBuild
    data: DataCache
    failures: FailureLog | None
    events: EventLog | None

    @property
    def counts(self) -> RequestCounts | None:
        """Where requests count; None: nowhere."""
        return None if self.context.counting is None else self.context.counting.requests

    @cached_property
    def after_callbacks(self) -> AfterCallbacks:
        return AfterCallbacks()

    @cached_property
    def renderer(self) -> Renderer:
        context, config = self.context, self.context.config
        return Renderer(
            app=SharedStack(context.app, context.render_middleware, context.unseen.of_renders),
            project=context.project,
            compat=config.compat,
            expire_time=config.expire_time,
            max_bytes=config.cache.max_entry_bytes,
            attachments=self.data.attachments,
            finish=self.after_callbacks.begin,
            state=context.state,
            base_path=context.app.root_path or config.base_path,
            trailing_slash=config.trailing_slash,
            cache_components=config.cache_components,
        )

    @cached_property
    def responses(self) -> Responses:
        context, cache = self.context, self.context.config.cache
        return Responses(
            store=self.store,
            renderer=self.renderer,
            clock=context.clock,
            build=self.served.build,
            render_timeout=cache.render_timeout,
            variants=VariantBounds(cache),
            lease_seconds=cache.lease_seconds,
            codings=cache.codings,
            max_coded_bytes=cache.local_bytes // 2,
            max_overdue_renders=cache.max_overdue_renders,
            refreshes_at_once=cache.refreshes_at_once,
            jitter=cache.jitter,
            eager=cache.eager,
            clean=context.clean,
            spans=RenderSpans(context.tracing.provider),
            counters=counters_of(context),
            failures=self.failures,
        )

    @cached_property
    def dispatcher(self) -> Dispatcher:
        context, config = self.context, self.context.config
        endpoints = self._endpoints()
        table = plan_table(self.served.plans)
        surrogates = config.cdn.surrogates() if config.cdn else None
        root_path = context.app.root_path or config.base_path
        claims = RouteClaims(says_query=config.cache.no_vary_search, reads_query=context.unseen.may_read_queries)
        hits = Hits(
            self.responses, config.server, surrogates, root_path, ConfiguredAnswers.of(config), claims, self.counts
        )
        return Dispatcher(
            matcher=Matcher(
                table,
                config,
                endpoints.keys(),
                context.published.files,
                self.served.draft_secret or "",
            ),
            responses=self.responses,
            live=self._live_runner(),
            declared=OfApplication(DeclaredRoutes(context.app.router, context.endpoint_of, hits.unlearn), self.data),
            endpoint_plans={plan.route.origin: plan for plan in self.served.plans if plan.route.segments is None},
            clock=context.clock,
            hits=hits,
            match_cache=MatchCache(config.server, root_path, is_on=not context.development),
            public=context.published.answers,
            endpoints=endpoints,
            tracing=context.tracing,
            queries=Queries(config.cache.max_query_body_bytes, is_on=not context.development),
            live_decision=Decision(Action.LIVE, Reason.DEVELOPMENT if context.development else Reason.LIVE_ROUTE),
        )

    def _live_runner(self) -> LiveRunner:
        return LiveRunner(
            self.renderer,
            live_stack(self.context.app, self.context.render_middleware),
            self.after_callbacks,
            self.served.draft_secret or "",
            secure_cookies=not self.context.development,
            fronted=self.context.config.cdn is not None,
            watch=None if self.context.counting is None else LiveWatch(self.context.counting.counters),
        )

    def _endpoints(self) -> Mapping[str, Endpoint]:
        """Those that invalidate; none in a build, which needs no secrets. In a test they need none, and know none."""
        configs = self.context.config.revalidate_endpoint if self.served.is_served else ()
        return revalidation_endpoints(configs, self.data, may_lack=self.context.isolated)

    def purges(self) -> Purges | None:
        """The purges of caches in front; None in a build, in development and in tests: none has their answers."""
        config, context = self.context.config, self.context
        if config.cdn is None or not config.cdn.purge or not self.served.is_served:
            return None
        if context.development or context.isolated:
            return None
        from millpond.purge.configured import purges_of  # imported late: few projects need it

        told = () if self.events is None else (self.events.purged,)
        return purges_of(config.cdn.purge, config.expire_time, context.clock, *told)
