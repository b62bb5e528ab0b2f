"""Render at build what can be rendered for everybody, and decide for each route (A.1, A.2)."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.cache.answer import LostBody, entry_of, varying
from millpond.cache.coding.dictionaries import announced
from millpond.config import CacheConfig, ServerConfig
from millpond.errors import RenderTimeoutError
from millpond.policy.http.storing import storable_status
from millpond.prerender.failure import Failure, failure_message, unset_message
from millpond.prerender.plan import is_closed
from millpond.prerender.route_result import Page, RouteResult
from millpond.prerender.sharing.team import Alone
from millpond.render.base_exceptions import contained, result_of
from millpond.render.candidacy import candidacy, static_promise
from millpond.render.request.static_promise import broken_promise
from millpond.render.scopes.dynamic_use import DynamicUse, NotStatic, refusal, unasked_guard
from millpond.render.scopes.inputs import merged
from millpond.render.target import Target
from millpond.routes.exports import STATIC_PARAMS
from millpond.routes.path import readable
from millpond.routes.table import Table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from millpond.config import BuildConfig
    from millpond.policy.compat import Compat
    from millpond.policy.entry import Coding
    from millpond.policy.freshness import Clock
    from millpond.prerender.path_listing import PathListing
    from millpond.prerender.sharing.crew import Crew
    from millpond.prerender.sharing.team import Team
    from millpond.prerender.verify.passes import Passes
    from millpond.prerender.watch import Watch
    from millpond.render.renderer import Rendered, Renderer
    from millpond.render.scopes.inputs import Inputs
    from millpond.routes.route_contract import Route

    FirstPass = Inputs | NotStatic | RenderTimeoutError | None
    """What a first pass has used, or why there is no second one; None in the classic model."""

TRIES = 3
"""How often a path may run out of time before the build fails (R3.22)."""


@dataclass(frozen=True, slots=True)
class Prerenderer:
    """Tries every candidate, several at once, and goes on after failures."""

    renderer: Renderer
    compat: Compat
    config: BuildConfig
    project: Path
    clock: Clock
    build: str
    """The id that the entries carry."""
    passes: Passes | None = None
    """Verifies answers in two passes, with Cache Components; None in the classic model."""
    codings: Sequence[Coding] = ()
    jitter: float = 0.0
    """The share of its lifetime by which an answer may go stale earlier."""
    """Those in which bodies are stored besides the plain ones."""
    watch: Watch | None = None
    """Observes renders in the classic model."""
    deepest: int = ServerConfig().max_path_segments
    """The most segments of a path that a server answers."""
    listing: PathListing | None = None
    """How paths are listed; None: without the application's data."""
    max_vary_variants: int = CacheConfig().max_vary_variants
    """The most combinations of values of `cache_vary` that are rendered for one path and host."""
    crew: Crew | None = None
    """Renders with further processes; None: this one renders alone."""

    async def run(self, routes: Sequence[Route], progress: Callable[[int, int], None]) -> list[RouteResult]:
        """Results in the order of `routes`; `progress` is told how many paths are done, and of how many."""
        verified = self.passes is not None
        results = [
            RouteResult(
                route, candidacy(route, self.compat, cache_components=verified), self.max_vary_variants, verified
            )
            for route in routes
        ]
        found = await asyncio.gather(*(self._targets(result) for result in results))
        table = Table(
            (segments, each)
            for each in results
            for segments in (each.route.segments, each.route.everywhere)
            if segments is not None
        )
        listed = [_reached(result, targets, table) for result, targets in zip(results, found, strict=True)]
        work = [(result, target) for result, targets in zip(results, listed, strict=True) for target in targets]
        targets = [target for _, target in work]
        pages = await self._pages(targets, progress)
        warned: set[str] = set()
        for position, (result, target) in enumerate(work):
            page = pages[position]
            if isinstance(page, Failure):
                result.failures.append(page)
                continue
            result.pages.append(page)
            if page.lost is not None:
                page.lost.warn(target, warned)
        return results

    async def _pages(
        self, targets: Sequence[Target], progress: Callable[[int, int], None]
    ) -> Mapping[int, Page | Failure]:
        """What became of all targets, by their position."""
        if self.crew is None:
            alone = Alone(len(targets), self.config.concurrency, progress)
            await self.render(targets, alone)
            return alone.pages
        self.crew.begin(targets, progress)
        await self.render(targets, self.crew)
        return await self.crew.all_pages()

    async def render(self, targets: Sequence[Target], team: Team) -> None:
        """Render those of the targets that this process claims, and tell the team what became of them."""
        if self.watch is not None:
            self.watch.expect(targets)
        if self.passes is None:

            async def one(position: int) -> None:
                team.finished(position, await self._try(targets[position], None))

            await self._each(one, len(targets), team)
            return
        passes = self.passes
        first: dict[int, FirstPass] = {}

        async def fill(position: int) -> None:
            """Fill the caches, and find out whether the target is live, or too slow."""
            try:
                first[position] = await passes.first(targets[position])
            except (NotStatic, RenderTimeoutError) as ended:
                first[position] = ended

        await self._each(fill, len(targets), team)
        await team.first_passes_ended()
        for position in sorted(first):  # one after the other: nothing runs beside a final pass
            team.finished(position, await self._try(targets[position], first[position]))

    async def _each(self, one: Callable[[int], Awaitable[None]], count: int, team: Team) -> None:
        """Call `one` for the positions that are claimed; `concurrency` of the calls run at a time."""

        async def work(place: int) -> None:
            while (position := team.claim(place)) is not None:
                await one(position)

        tasks = [asyncio.create_task(work(place)) for place in range(min(self.config.concurrency, count))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _targets(self, result: RouteResult) -> list[Target]:
        """The paths to try (R3.4)."""
        route, chosen = result.route, result.candidacy
        if chosen.broken_promise is not None:
            result.failures.append(Failure(route.source, route.pattern, {}, f"  {chosen.broken_promise}"))
        if not chosen.static and not is_closed(route):
            return []
        result.shadow = route.unreachable()
        if result.shadow is not None:
            return []
        lister = route.lister or STATIC_PARAMS
        try:
            listed = await (contained(route.listed, lister) if self.listing is None else self.listing.of(route))
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything; it is reported
            result.failures.append(Failure(route.source, None, {}, self._why_not_listed(lister, error)))
            return []
        result.listed = frozenset(path.path for path in listed)
        if not chosen.static:  # a closed route that is live
            return []
        targets = []
        for path in listed:
            shadow = route.unreachable(path)
            if shadow is None:
                targets += self._variants(result, Target.of(route, path.segments, path.params))
            else:
                result.shadowed.append((readable(path.segments), shadow))
        deep = [target for target in targets if len(target.segments) > self.deepest]
        result.failures += [self._failure(target, self._why_unreachable(target)) for target in deep[:1]]
        return [] if deep else targets

    def _variants(self, result: RouteResult, target: Target) -> list[Target]:
        """What to render for a path; the others of its variants are rendered at their first request."""
        variation = target.route.variation
        if variation is None:
            return [target]
        known = variation.known(self.max_vary_variants)
        if not variation.is_finite or variation.combinations > self.max_vary_variants:
            result.on_demand_paths.add(target.path)
        return [target.with_variant(variant) for variant in known]

    async def _try(self, target: Target, first: FirstPass) -> Page | Failure:
        started, now = time.perf_counter(), self.clock()
        try:
            if isinstance(first, Exception):
                raise first
            rendered = await self._render(target)
            entry = entry_of(rendered, target, rendered_at=now, generation=0, build=self.build, jitter=self.jitter)
            entry = announced(entry, target, self.renderer.sent_path, self.codings)
        except NotStatic as outcome:
            return self._ended(target, outcome, time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything; it is reported
            return self._failure(target, self._why_not_rendered(error))
        lost = LostBody.of(rendered)
        if not storable_status(entry.status):
            get = target.route.operations["GET"]
            use = DynamicUse(f"answered {entry.status} at build", get.place)
            return Page(target, None, use, time.perf_counter() - started, lost=lost)
        seconds = time.perf_counter() - started
        return Page(target, varying(entry, self.codings), None, seconds, merged(first, rendered.inputs), lost)

    async def _render(self, target: Target) -> Rendered:
        """A render within the time limit; one in a thread can't be stopped, so it is left behind."""
        if self.passes is not None:
            return await self.passes.final(target)
        for _ in range(TRIES):
            with self.watch.render(target) if self.watch is not None else nullcontext():
                task = asyncio.create_task(self.renderer.shared(target, at_build=True))
                done, _ = await asyncio.wait({task}, timeout=self.config.timeout)
            if done:
                return result_of(task)
            task.cancel()
            task.add_done_callback(_forget)
        raise RenderTimeoutError(
            f"no answer within {self.config.timeout:g} s, in {TRIES} tries; make the handler quicker, raise "
            '[build] timeout, or make the route live with dynamic = "force-dynamic".'
        )

    def _ended(self, target: Target, ended: NotStatic, seconds: float) -> Page | Failure:
        """Live, unless the file promises otherwise (R3.15; D5)."""
        config = target.route.config
        if ended.intercepted and (config.forces_static or config.forbids_dynamic):
            return self._failure(
                target,
                f'  {ended.use}: under dynamic = "{config.dynamic}" every visitor would get that; '
                "put the middleware in front of every request (add_middleware), or make the route live.",
            )
        if ended.unshareable and (config.forces_static or config.forbids_dynamic):
            return self._failure(
                target,
                f'  {ended.use}: under dynamic = "{config.dynamic}" it would go to every visitor; '
                "leave it out, or make the route live.",
            )
        if config.forbids_dynamic:
            return self._failure(target, f"  {refusal(ended.use)}")
        promise = ended.promise or static_promise(target.route.operations["GET"])
        if promise is not None:
            return self._failure(target, f"  {broken_promise(promise, ended.use)}")
        if config.forces_static and ended.use.guard is not None:
            option = target.route.place("dynamic")
            return self._failure(target, f"  {unasked_guard(ended.use.guard, ended.use.api, ended.use.place, option)}")
        return Page(target, None, ended.use, seconds)

    def _why_not_listed(self, lister: str, error: BaseException) -> str:
        unset = unset_message(error, self.project, lister, "give it a default")
        return f"  {unset}" if unset is not None else f"  {lister} failed:\n{failure_message(error, self.project)}"

    def _why_unreachable(self, target: Target) -> str:
        return (
            f"  {STATIC_PARAMS} lists a path of {len(target.segments)} segments, and a server answers 414 to more than "
            f"{self.deepest}; raise [server] max_path_segments, or leave the path out."
        )

    def _why_not_rendered(self, error: BaseException) -> str:
        live = "connection() before it" if self.passes else 'connection() before it, or dynamic = "force-dynamic"'
        unset = unset_message(error, self.project, "a static route", f"read it in a live one: {live}")
        return f"  {unset}" if unset is not None else failure_message(error, self.project)

    def _failure(self, target: Target, message: str) -> Failure:
        return Failure(target.route.source, target.readable_variant, target.shown_params, message)


def _reached(result: RouteResult, targets: list[Target], table: Table[RouteResult]) -> list[Target]:
    """Those targets of a route that no other route of a file answers; the others are noted."""
    if result.route.segments is None:
        return targets
    reached = []
    for target in targets:
        answering = next(each.route for each in table.match(target.segments) if not _declines(each.route, target.path))
        if answering is result:
            reached.append(target)
        else:
            result.shadowed.append((target.readable, f"{answering.route.source} answers it"))
    return reached


def _declines(result: RouteResult, path: str) -> bool:
    return is_closed(result.route) and path not in result.listed


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # what comes too late was reported as a time-out
