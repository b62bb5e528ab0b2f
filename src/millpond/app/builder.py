"""Builds an application: prerenders the static routes, and writes the result next to the routes."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from millpond.app.lifespan import entered
from millpond.app.runtime import assemble, data_cache_of
from millpond.app.served_build import build_to_make, build_to_share, listing_of
from millpond.cache.fetching.loop_clients import close_client
from millpond.cache.observed import ObservedFunctions
from millpond.errors import BuildError, StoreError
from millpond.prerender.prerenderer import Prerenderer
from millpond.prerender.sharing.build_part import part_folder
from millpond.prerender.sharing.claims import can_share
from millpond.prerender.sharing.crew import Crew
from millpond.prerender.sources.built_sources import loaded_modules
from millpond.prerender.sources.opened_files import opened_files
from millpond.prerender.verify.build_thread import in_idle_loop, observed
from millpond.prerender.verify.passes import Passes
from millpond.prerender.watch import Watch
from millpond.prerender.whole_build import WholeBuild
from millpond.routes.options.lonely_routers import lonely_hints
from millpond.serve.readiness.taken_path import claims_of, refuse_taken
from millpond.stores.factory import build_store, memory_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
    from pathlib import Path

    from millpond.app.construction.instrumentation import Instrumentation
    from millpond.app.context import AppContext
    from millpond.app.runtime import Runtime
    from millpond.app.served_build import ServedBuild
    from millpond.cache.data import DataCache
    from millpond.policy.entry import Entry
    from millpond.prerender.sharing.build_part import PartFolder
    from millpond.prerender.sharing.crew import BuildProcesses
    from millpond.prerender.sharing.crew_member import Member
    from millpond.prerender.sources.opened_files import OpenedFiles
    from millpond.prerender.whole_build import Built, Progress
    from millpond.stores.build_store import BuildStore
    from millpond.stores.contract import Store


T = TypeVar("T")

log = logging.getLogger("millpond")


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes the build of one application."""

    context: AppContext
    instrumentation: Instrumentation
    app_dir: Path
    """The folder of the routes."""

    async def run(self, progress: Progress, processes: BuildProcesses | None = None) -> Built:
        """Build. With Cache Components this runs in a separate thread, whose event loop detects when a render waits.

        Args:
            progress: told how many paths are done, and of how many.
            processes: how further processes are started; None: this one renders alone.

        Raises:
            BuildError: the output can't be written, or another process has ended before its pages were rendered.
            ConfigError: a route has a path of operators, such as `[server] ready_path`.
        """
        context = self.context
        refuse_taken(context.config, claims_of(context.app.routes, context.published.listing.files, context.project))
        if processes is None or processes.most == 1 or not can_share():
            return await self._observed(lambda watch, opened: self._build(progress, watch, opened))
        with part_folder() as folder:
            sharing = _Sharing(processes, folder)
            return await self._observed(lambda watch, opened: self._build(progress, watch, opened, sharing))

    async def take_part(self, member: Member) -> None:
        """Render what this process claims of a build that another one has begun.

        Raises:
            BuildError: the routes aren't those that the other one has loaded.
        """
        await self._observed(lambda watch, opened: self._take_part(member, watch, opened))

    async def _observed(self, work: Callable[[Watch | None, OpenedFiles], Coroutine[Any, Any, T]]) -> T:
        with opened_files() as opened:
            if self.context.config.cache_components:
                return await in_idle_loop(lambda: self._verified(lambda: work(None, opened)))
            watch = Watch(self.context.project, self.context.routes)
            with watch.installed():
                return await self._registered(lambda: work(watch, opened))

    async def _verified(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with observed(self.context.project):  # from the start: threads that were started before aren't observed
            return await self._registered(work)

    async def _registered(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        await self.instrumentation.finish()
        return await asyncio.create_task(work(), context=self.context.clean.copy())

    async def _build(
        self, progress: Progress, watch: Watch | None, opened: OpenedFiles, sharing: _Sharing | None = None
    ) -> Built:
        began = time.perf_counter()
        async with self._started(None if sharing is None else sharing.folder) as data:
            to_start = time.perf_counter() - began
            served = await build_to_make(self.context, data)
            runtime = assemble(self.context, data.store, served, data)
            if sharing is None or data.blocking is None:
                return await self._render(runtime, progress, watch, opened, None)
            with self._crew(sharing, served, to_start) as crew:
                return await self._render(runtime, progress, watch, opened, crew)

    @asynccontextmanager
    async def _started(self, folder: PartFolder | None) -> AsyncIterator[DataCache]:
        """Within the block the lifespan is entered; the value is the build's cache, in `folder` if others share it."""
        cache, clock = self.context.config.cache, self.context.clock
        shared = None if folder is None else await _opened(build_store(folder.store, cache, clock))
        store: Store = memory_store(cache, clock) if shared is None else shared
        if shared is None:
            await store.open()
        try:
            async with entered(self.context.app) as state:
                self.context.state.update(state)
                yield data_cache_of(self.context, store, shared)
        finally:
            await close_client()
            await store.close()

    def _crew(self, sharing: _Sharing, served: ServedBuild, to_start: float) -> Crew:
        context = self.context
        return Crew(
            sharing.processes,
            sharing.folder,
            context.config.build.concurrency,
            context.routes,
            served.build,
            {plan.route.origin: plan.live_paths for plan in served.plans},
            to_start,
        )

    async def _render(
        self, runtime: Runtime, progress: Progress, watch: Watch | None, opened: OpenedFiles, crew: Crew | None
    ) -> Built:
        config = self.context.config
        runtime.data.observed = functions = ObservedFunctions()
        runtime.activate()
        try:
            whole = WholeBuild(
                routes=self.context.routes,
                prerenderer=self._prerenderer(runtime, watch, crew),
                crons=config.cron,
                data=lambda: self._shipped(runtime.data.store),
                functions=functions,
                hints=lambda: [*self.context.shadowed(), *lonely_hints(self.app_dir, self.context.project)],
                opened=opened,
                config=config,
                app_dir=self.app_dir,
            )
            built = await whole.run(progress)
            built.warnings.extend(self._public_warnings(built))
            await runtime.drain(config.build.timeout)
            return built
        finally:
            runtime.deactivate()

    async def _take_part(self, member: Member, watch: Watch | None, opened: OpenedFiles) -> None:
        context, part = self.context, member.part
        targets = part.targets_of(context.routes)
        if not member.enters():
            return
        async with self._started(member.folder) as data:
            if data.blocking is None:
                raise BuildError("it can't open the store of the build.")
            runtime = assemble(context, data.store, build_to_share(context, part), data)
            runtime.data.observed = functions = ObservedFunctions()
            runtime.activate()
            try:
                member.renders()
                await self._prerenderer(runtime, watch, None).render(targets, member)
                await runtime.drain(context.config.build.timeout)
            finally:
                runtime.deactivate()
        member.found(functions, opened, frozenset(loaded_modules()))

    def _public_warnings(self, built: Built) -> list[str]:
        """What isn't served of `public/`, and what of the application's is hidden by it."""
        published, records = self.context.published, built.manifest.routes
        paths = {path.path: record.file for record in records for path in record.paths}
        hidden = [
            f"{file.file} hides {path}, which {paths[path]} has rendered; remove or rename one of them."
            for path, file in published.listing.files.items()
            if path in paths
        ]
        ready = self.context.config.server.ready_path
        if ready in paths:
            hidden.append(f'"server.ready_path" hides {ready}, which {paths[ready]} has rendered; choose another one.')
        return [*published.warnings(self.context.app.routes), *hidden]

    def _prerenderer(self, runtime: Runtime, watch: Watch | None, crew: Crew | None) -> Prerenderer:
        context, config = self.context, self.context.config
        return Prerenderer(
            max_vary_variants=config.cache.max_vary_variants,
            renderer=runtime.renderer,
            compat=config.compat,
            config=config.build,
            project=context.project,
            clock=context.clock,
            build=runtime.responses.build,
            passes=Passes(runtime.renderer, config.build.timeout) if config.cache_components else None,
            codings=config.cache.codings,
            jitter=config.cache.jitter,
            watch=watch,
            deepest=config.server.max_path_segments,
            listing=listing_of(context, runtime.data, for_build=True),
            crew=crew,
        )

    def _shipped(self, store: Store) -> Iterable[Entry]:
        """The data entries that are part of the build; function results only without Cache Components."""
        kinds = ("fetch",) if self.context.config.cache_components else ("fetch", "function")
        return sorted((entry for entry in store.entries() if entry.kind in kinds), key=lambda entry: entry.key)


async def _opened(store: BuildStore) -> BuildStore | None:
    """The store, open; None if its folder is on a disk that can't hold one."""
    try:
        await store.open()
    except StoreError as error:
        log.warning("the build has one process, as others couldn't share its data: %s Set TMPDIR.", error)
        return None
    return store


class _Sharing(NamedTuple):
    """How a build is shared among processes."""

    processes: BuildProcesses
    folder: PartFolder
