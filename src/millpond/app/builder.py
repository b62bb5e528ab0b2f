"""Builds an application: prerenders the static routes, and writes the result next to the routes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.app.lifespan import entered
from millpond.app.runtime import assemble, data_cache_of
from millpond.app.served_build import build_to_make, listing_of
from millpond.cache.fetching.loop_clients import close_client
from millpond.cache.observed import ObservedFunctions
from millpond.prerender.prerenderer import Prerenderer
from millpond.prerender.sources.opened_files import opened_files
from millpond.prerender.verify.build_thread import in_idle_loop, observed
from millpond.prerender.verify.passes import Passes
from millpond.prerender.watch import Watch
from millpond.prerender.whole_build import WholeBuild
from millpond.routes.options.lonely_routers import lonely_hints
from millpond.stores.factory import memory_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from millpond.app.construction.instrumentation import Instrumentation
    from millpond.app.context import AppContext
    from millpond.app.runtime import Runtime
    from millpond.policy.entry import Entry
    from millpond.prerender.sources.opened_files import OpenedFiles
    from millpond.prerender.whole_build import Built, Progress
    from millpond.stores.contract import Store


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes the build of one application."""

    context: AppContext
    instrumentation: Instrumentation
    app_dir: Path
    """The folder of the routes."""

    async def run(self, progress: Progress) -> Built:
        """Build. With Cache Components this runs in a separate thread, whose event loop detects when a render waits.

        Raises:
            BuildError: the output can't be written.
        """
        with opened_files() as opened:
            if self.context.config.cache_components:
                return await in_idle_loop(lambda: self._verified(progress, opened))
            watch = Watch(self.context.project, self.context.routes)
            with watch.installed():
                return await self._registered(progress, watch, opened)

    async def _verified(self, progress: Progress, opened: OpenedFiles) -> Built:
        with observed(self.context.project):  # from the start: threads that were started before aren't observed
            return await self._registered(progress, None, opened)

    async def _registered(self, progress: Progress, watch: Watch | None, opened: OpenedFiles) -> Built:
        await self.instrumentation.finish()
        return await asyncio.create_task(self._build(progress, watch, opened), context=self.context.clean.copy())

    async def _build(self, progress: Progress, watch: Watch | None, opened: OpenedFiles) -> Built:
        config = self.context.config
        store = memory_store(config.cache, self.context.clock)
        try:
            async with entered(self.context.app) as state:
                self.context.state.update(state)
                data = data_cache_of(self.context, store)
                runtime = assemble(self.context, store, await build_to_make(self.context, data), data)
                return await self._render(runtime, store, progress, watch, opened)
        finally:
            await close_client()

    async def _render(
        self, runtime: Runtime, store: Store, progress: Progress, watch: Watch | None, opened: OpenedFiles
    ) -> Built:
        config = self.context.config
        runtime.data.observed = functions = ObservedFunctions()
        runtime.activate()
        try:
            whole = WholeBuild(
                routes=self.context.routes,
                prerenderer=self._prerenderer(runtime, watch),
                crons=config.cron,
                data=lambda: self._shipped(store),
                functions=functions,
                hints=lambda: [*self.context.shadowed(), *lonely_hints(self.app_dir, self.context.project)],
                opened=opened,
                config=config,
            )
            built = await whole.run(progress)
            built.warnings.extend(self._public_warnings(built))
            await runtime.drain(config.build.timeout)
            return built
        finally:
            runtime.deactivate()

    def _public_warnings(self, built: Built) -> list[str]:
        """What isn't served of `public/`, and what of the application's is hidden by it."""
        published, records = self.context.published, built.manifest.routes
        paths = {path.path: record.file for record in records for path in record.paths}
        hidden = [
            f"{file.file} hides {path}, which {paths[path]} has rendered; remove or rename one of them."
            for path, file in published.listing.files.items()
            if path in paths
        ]
        return [*published.warnings(self.context.app.routes), *hidden]

    def _prerenderer(self, runtime: Runtime, watch: Watch | None) -> Prerenderer:
        context, config = self.context, self.context.config
        return Prerenderer(
            renderer=runtime.renderer,
            compat=config.compat,
            config=config.build,
            project=context.project,
            clock=context.clock,
            build=runtime.responses.build,
            passes=Passes(runtime.renderer, config.build.timeout) if config.cache_components else None,
            codings=config.cache.codings,
            watch=watch,
            deepest=config.server.max_path_segments,
            listing=listing_of(context, runtime.data, for_build=True),
        )

    def _shipped(self, store: Store) -> Iterable[Entry]:
        """The data entries that are part of the build; function results only without Cache Components."""
        kinds = ("fetch",) if self.context.config.cache_components else ("fetch", "function")
        return [entry for entry in store.entries() if entry.kind in kinds]
