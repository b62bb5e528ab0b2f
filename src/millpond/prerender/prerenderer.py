"""Render at build what can be rendered for everybody, and decide for each route (A.1, A.2)."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from millpond.cache.answer import compressed, entry_of, warn_of_lost_body
from millpond.cache.coding.dictionaries import announced
from millpond.config import ServerConfig
from millpond.errors import RenderTimeoutError
from millpond.policy.http.storing import storable_status
from millpond.prerender.failure import Failure, failure_message, unset_message
from millpond.prerender.plan import Plan, is_closed
from millpond.prerender.verify.passes import Passes
from millpond.render.base_exceptions import contained, result_of
from millpond.render.candidacy import Candidacy, ModeReason, candidacy
from millpond.render.scopes.dynamic_use import DynamicUse, NotStatic, refusal, unasked_guard
from millpond.render.scopes.inputs import merged
from millpond.render.target import Target
from millpond.routes.exports import STATIC_PARAMS
from millpond.routes.path import readable
from millpond.routes.table import Table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from millpond.config import BuildConfig
    from millpond.policy.compat import Compat
    from millpond.policy.entry import Coding, Entry
    from millpond.policy.freshness import Clock
    from millpond.prerender.path_listing import PathListing
    from millpond.prerender.verify.passes import Passes
    from millpond.prerender.watch import Watch
    from millpond.render.renderer import Rendered, Renderer
    from millpond.render.scopes.inputs import Inputs
    from millpond.routes.route_contract import Route

    FirstPass = Inputs | NotStatic | RenderTimeoutError | None
    """What a first pass has used, or why there is no second one; None in the classic model."""

T = TypeVar("T")
R = TypeVar("R")

TRIES = 3
"""How often a path may run out of time before the build fails (R3.22)."""


@dataclass(frozen=True, slots=True)
class Page:
    """One path of a route that was tried: an entry, or the reason why it is live."""

    target: Target
    entry: Entry | None
    use: DynamicUse | None
    seconds: float
    inputs: Inputs | None = None
    """What was used for the entry."""


@dataclass(slots=True)
class RouteResult:
    """What the build found out about one route."""

    route: Route
    candidacy: Candidacy
    verified: bool = False
    """Whether the build looks at what a GET does, as with Cache Components."""
    pages: list[Page] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    shadow: str | None = None
    """Why no request gets to the route; None: some do."""
    shadowed: list[tuple[str, str]] = field(default_factory=list)
    """Paths that other routes answer: not rendered. With the reason."""
    listed: frozenset[str] = frozenset()
    """Canonical paths that the route lists, as far as that matters."""

    @property
    def rendered(self) -> list[Page]:
        return [page for page in self.pages if page.entry is not None]

    @property
    def plan(self) -> Plan:
        """The decision (A.1): one live path ends on-demand rendering for all others (R3.17)."""
        if self.shadow is not None:
            return Plan(self.route, ModeReason(f"never reached: {self.shadow}"))
        live = [page for page in self.pages if page.entry is None]
        why = ModeReason(live[0].use.api, live[0].use.place) if live and live[0].use is not None else self.candidacy.why
        static = self.candidacy.static and bool(self.rendered or not live)
        closed = is_closed(self.route)
        open_ended = static and bool(self.route.params) and not live and not closed
        if self._unseen and open_ended:
            why = ModeReason("not verified, as it lists no path", self.route.place(STATIC_PARAMS))
        rendered = frozenset(page.target.path for page in self.rendered)
        return Plan(
            route=self.route,
            why=why,
            static=static,
            on_demand=open_ended,
            closed=closed,
            listed=rendered,
            live_paths=self.listed - rendered if closed else frozenset(),
        )

    @property
    def warnings(self) -> list[str]:
        """What the build can't vouch for, and what it didn't build."""
        get = self.route.operations.get("GET")
        never = self.shadowed if self.shadow is None else [(self.route.pattern, self.shadow)]
        by_folder = self.route.segments is not None
        remedy = "leave it out of the list" if by_folder else "declare it before that, or remove one of them"
        shadowed = [
            f"{'' if get is None else f'{get.place}: '}GET {path} is never reached, and isn't built: {shadow}; "
            f"{remedy}."
            for path, shadow in never
        ]
        others = [self._unverified, self._closed_to_all]
        return [*shadowed, *(warning for warning in others if warning is not None)]

    @property
    def _closed_to_all(self) -> str | None:
        route = self.route
        if not is_closed(route) or self.listed or self.failures or self.shadow is not None:
            return None
        what = f"{route.lister} lists no path" if route.lister is not None else "nothing lists paths"
        place = route.place("dynamic_params")
        return f"{place}: dynamic_params = False, and {what}: every request of {route.pattern} is 404."

    @property
    def _unverified(self) -> str | None:
        """While serving nobody sees what a GET reads besides the request."""
        plan = self.plan
        if not (self._unseen and plan.on_demand):
            return None
        return (
            f"{plan.why.place}: {STATIC_PARAMS} lists no path, so no GET of {self.route.pattern} was verified: a "
            "clock, a random number or a database that it reads outside of @cached would be stored for everybody; "
            "list at least one path."
        )

    @property
    def _unseen(self) -> bool:
        return self.verified and not self.pages

    @property
    def glyph(self) -> str:
        """`○` static, `●` static with parameters, `λ` live; a route with live and static paths is live (R8.2, R8.5)."""
        plan = self.plan
        if not plan.static or any(page.entry is None for page in self.pages):
            return "λ"
        if not self.route.params:
            return "○"
        on_demand_only = not self.pages and (self.route.config.forces_static or self.route.config.forbids_dynamic)
        return "○" if on_demand_only else "●"


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
    """Those in which bodies are stored besides the plain ones."""
    watch: Watch | None = None
    """Observes renders in the classic model."""
    deepest: int = ServerConfig().max_path_segments
    """The most segments of a path that a server answers."""
    listing: PathListing | None = None
    """How paths are listed; None: without the application's data."""
    told: set[str] = field(default_factory=set)
    """Files that were warned of bodies where none may be."""

    async def run(self, routes: Sequence[Route], progress: Callable[[int, int], None]) -> list[RouteResult]:
        """Results in the order of `routes`; `progress` is told how many paths are done, and of how many."""
        verified = self.passes is not None
        results = [
            RouteResult(route, candidacy(route, self.compat, cache_components=verified), verified) for route in routes
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
        if self.watch is not None:
            self.watch.expect(targets)
        done = 0
        progress(done, len(work))
        first = await self._first_passes(targets)

        async def one(target: Target) -> Page | Failure:
            nonlocal done
            page = await self._try(target, first.get(target.key) if first else None)
            done += 1
            progress(done, len(work))
            return page

        at_once = self.config.concurrency if self.passes is None else 1  # nothing runs beside a final pass
        for (result, _), page in zip(work, await _each(one, targets, at_once), strict=True):
            if isinstance(page, Failure):
                result.failures.append(page)
            else:
                result.pages.append(page)
        return results

    async def _first_passes(self, targets: Sequence[Target]) -> dict[str, FirstPass]:
        """With Cache Components: fill the caches, and find out which targets are live, or too slow."""
        if self.passes is None:
            return {}
        passes = self.passes

        async def one(target: Target) -> tuple[str, FirstPass]:
            try:
                return target.key, await passes.first(target)
            except (NotStatic, RenderTimeoutError) as ended:
                return target.key, ended

        return dict(await _each(one, targets, self.config.concurrency))

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
                targets.append(Target.of(route, path.segments, path.params))
            else:
                result.shadowed.append((readable(path.segments), shadow))
        deep = [target for target in targets if len(target.segments) > self.deepest]
        result.failures += [self._failure(target, self._why_unreachable(target)) for target in deep[:1]]
        return [] if deep else targets

    async def _try(self, target: Target, first: FirstPass) -> Page | Failure:
        started, now = time.perf_counter(), self.clock()
        try:
            if isinstance(first, Exception):
                raise first
            rendered = await self._render(target)
            entry = entry_of(rendered, target, rendered_at=now, generation=0, build=self.build)
            entry = announced(entry, target, self.renderer.sent_path, self.codings)
        except NotStatic as outcome:
            return self._ended(target, outcome, time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything; it is reported
            return self._failure(target, self._why_not_rendered(error))
        warn_of_lost_body(rendered, target, self.told)
        if not storable_status(entry.status):
            get = target.route.operations["GET"]
            use = DynamicUse(f"answered {entry.status} at build", get.place)
            return Page(target, None, use, time.perf_counter() - started)
        seconds = time.perf_counter() - started
        return Page(target, compressed(entry, self.codings), None, seconds, merged(first, rendered.inputs))

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
        return Failure(target.route.source, target.readable, target.shown_params, message)


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


async def _each(one: Callable[[T], Awaitable[R]], items: Sequence[T], at_once: int) -> list[R]:
    """The results of `one` for `items`, in their order; so many run at a time."""
    results: list[R | None] = [None] * len(items)
    waiting = iter(enumerate(items))

    async def work() -> None:
        for position, item in waiting:
            results[position] = await one(item)

    await asyncio.gather(*(work() for _ in range(min(at_once, len(items)))))
    return cast("list[R]", results)


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # what comes too late was reported as a time-out
