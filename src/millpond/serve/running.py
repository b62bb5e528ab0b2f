"""The rooms, joined for one run of an application: a server's, or a build's."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from millpond.cache.data import DataCache
from millpond.cache.responses import Responses
from millpond.cache.variants import Variants
from millpond.internals import fastapi_names, starlette_names
from millpond.internals.private_name import tell_unknown
from millpond.policy.decision import Action, Decision, Reason
from millpond.render.after import Afterwards
from millpond.render.renderer import Renderer
from millpond.routes.table import Table
from millpond.serve.dispatch import Dispatcher
from millpond.serve.hits import Hits
from millpond.serve.live import LiveRunner
from millpond.serve.matched import Matched
from millpond.serve.revalidation import RevalidateEndpoint

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

    from millpond.cache.clean_context import CleanContext
    from millpond.config import Config
    from millpond.policy.freshness import Clock
    from millpond.prerender.plan import Plan
    from millpond.purge.purges import Purges
    from millpond.stores.contract import Store


@dataclass(frozen=True, slots=True)
class ServedBuild:
    """What a run goes by."""

    plans: list[Plan]
    build: str
    """The id of the build that is served, or made."""
    draft_secret: str | None
    """The value of the cookie of draft mode; None for a build, which nobody asks anything."""


@dataclass(frozen=True, slots=True)
class AppContext:
    """What every run of one application has in common."""

    project: Path
    config: Config
    inner: FastAPI
    clock: Clock
    development: bool
    clean: CleanContext
    """The context that renders and fills begin in."""
    state: dict[str, Any] = field(default_factory=dict)
    """What the inner application's lifespan yields."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """One run."""

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

    async def stop_purging(self, seconds: float) -> None:
        """Tell caches in front what is still to be told, for at most `seconds`; nothing may be invalidated later."""
        if self.data.purges is not None:
            await self.data.purges.drain(seconds)


def assemble(around: AppContext, store: Store, decided: ServedBuild) -> Runtime:
    """A run on `store`; called in the event loop that it is for.

    Raises:
        ConfigError: the secret of the endpoint for webhooks, or of a purger, isn't set.
    """
    tell_unknown((*fastapi_names.NAMES, *starlette_names.NAMES))
    data, afterwards = _data_cache(around, store, _purges(around, decided)), Afterwards()
    renderer = _renderer(around, data, afterwards)
    responses = _responses(around, store, renderer, decided.build)
    data.application = dispatcher = _dispatcher(around, data, renderer, responses, afterwards, decided)
    if data.purges is not None:
        data.purges.begin()
    return Runtime(data, renderer, responses, dispatcher, afterwards)


def _purges(around: AppContext, decided: ServedBuild) -> Purges | None:
    """Nobody is told of what a build or a server in development does: their answers are in no cache in front."""
    config = around.config
    if config.cdn is None or not config.cdn.purge or around.development or decided.draft_secret is None:
        return None
    from millpond.purge.configured import purges_of  # here, as few need it

    return purges_of(config.cdn.purge, config.expire_time, around.clock)


def _data_cache(around: AppContext, store: Store, purges: Purges | None) -> DataCache:
    config = around.config
    return DataCache(
        store=store,
        clock=around.clock,
        expire_time=config.expire_time,
        max_data_bytes=config.cache.max_data_bytes,
        max_fetch_bytes=config.cache.max_fetch_bytes,
        cache_components=config.cache_components,
        patience=config.cache.render_timeout,
        lease_seconds=config.cache.lease_seconds,
        profiles=config.profiles(),
        loop=asyncio.get_running_loop(),
        purges=purges,
        clean=around.clean,
    )


def _renderer(around: AppContext, data: DataCache, afterwards: Afterwards) -> Renderer:
    config = around.config
    return Renderer(
        app=around.inner,
        project=around.project,
        compat=config.compat,
        expire_time=config.expire_time,
        max_bytes=config.cache.max_entry_bytes,
        cache=data,
        finish=afterwards.begin,
        state=around.state,
    )


def _responses(around: AppContext, store: Store, renderer: Renderer, build: str) -> Responses:
    config = around.config.cache
    return Responses(
        store=store,
        renderer=renderer,
        clock=around.clock,
        build=build,
        render_timeout=config.render_timeout,
        variants=Variants(config.max_query_variants),
        lease_seconds=config.lease_seconds,
        codings=config.codings,
        max_overdue_renders=config.max_overdue_renders,
        clean=around.clean,
    )


def _dispatcher(
    around: AppContext,
    data: DataCache,
    renderer: Renderer,
    responses: Responses,
    afterwards: Afterwards,
    decided: ServedBuild,
) -> Dispatcher:
    config = around.config
    settings = config.revalidate_endpoint if decided.draft_secret is not None else None  # a build needs no secrets
    return Dispatcher(
        table=Table((plan.route.file.segments, plan) for plan in decided.plans),
        responses=responses,
        live=LiveRunner(
            renderer,
            afterwards,
            decided.draft_secret or "",
            secure_cookies=not around.development,
            fronted=config.cdn is not None,
        ),
        inner=around.inner,
        config=config,
        clock=around.clock,
        hits=Hits(responses, config.server, config.cdn.surrogates() if config.cdn else None),
        matched=Matched(config.server),
        endpoint=RevalidateEndpoint.of(settings, data) if settings else None,
        live_decision=Decision(Action.LIVE, Reason.DEVELOPMENT if around.development else Reason.LIVE_ROUTE),
    )
