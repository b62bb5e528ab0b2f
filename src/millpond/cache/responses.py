"""Stored answers while serving: hit, stale, miss, and one render per key (R4.1 to R4.34)."""

from __future__ import annotations

import logging
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from millpond.cache.answer import LostBody, entry_of, varying
from millpond.cache.clean_context import CleanContext
from millpond.cache.coding.coded_bodies import CodedBodies
from millpond.cache.coding.dictionaries import Dictionaries, announced
from millpond.cache.read import Fate, Made, Obtained, Read, Run
from millpond.cache.refresh import ReadThrough
from millpond.cache.rendering.counted_render import CountedRender
from millpond.cache.rendering.render_failure import RenderFailed
from millpond.cache.rendering.render_span import RenderSpans, cause
from millpond.cache.runs.lease import LEASE_SECONDS
from millpond.cache.runs.store_spans import told_tags
from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.freshness import Judgement, judge
from millpond.policy.http.sendable import stored_fault
from millpond.policy.http.storing import storable_status
from millpond.policy.lifetime import FOREVER, Lifetime
from millpond.render.overdue import MOST_OVERDUE, TimedRenders
from millpond.render.scopes.dynamic_use import NotStatic
from millpond.stores.bounded_dict import BoundedDict
from millpond.telemetry.counters import Counters
from millpond.telemetry.instruments import REFRESHES_RUNNING, REFRESHES_WAITING
from millpond.telemetry.spans import TAGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from millpond.cache.rendering.variant_bounds import VariantBounds
    from millpond.policy.entry import Coding, Entry
    from millpond.policy.freshness import Clock
    from millpond.render.failures.failure_log import FailureLog
    from millpond.render.renderer import Rendered, Renderer
    from millpond.render.scopes.dynamic_use import DynamicUse
    from millpond.render.target import Target
    from millpond.stores.contract import Store

log = logging.getLogger("millpond.cache")

LIVE_SECONDS = 10.0
"""How long a path that turned dynamic runs live before a shared render is attempted again."""
_MOST_LIVE_PATHS = 10_000


@dataclass(frozen=True, slots=True)
class Cached:
    """A cacheable answer, from the store or just rendered, and the decision about it."""

    entry: Entry
    decision: Decision

    @property
    def lifetime(self) -> Lifetime:
        """For what is made of it: old data that counts as fresh because its refresh has failed gets no new age.

        Endless for an answer that isn't kept: it has none.
        """
        decision, lifetime = self.decision, self.entry.lifetime
        if decision.reason is Reason.REFRESH_FAILED and decision.ttl is not None:
            return lifetime.lowered(Lifetime(max(decision.ttl, 1)))
        return FOREVER if lifetime.revalidate == 0 else lifetime


@dataclass(slots=True)
class Responses:
    """Answers for static and fresh routes."""

    store: Store
    renderer: Renderer
    clock: Clock
    build: str
    render_timeout: float
    """Seconds for one render."""
    variants: VariantBounds
    lease_seconds: float = LEASE_SECONDS
    codings: Sequence[Coding] = ()
    """Content codings in which clients may get answers, best first."""
    max_coded_bytes: int = 16 * 1024 * 1024
    """Bytes of bodies in content codings that are kept."""
    max_overdue_renders: int = MOST_OVERDUE
    refreshes_at_once: int | None = None
    """How many stale answers are rendered again at a time, in the background; None: any number."""
    jitter: float = 0.0
    """The share of its lifetime by which an answer may go stale earlier."""
    eager: float = 0.0
    """The last share of its lifetime in which an answer is refreshed, if it is asked for."""
    renders: TimedRenders = field(init=False)
    clean: CleanContext = field(default_factory=CleanContext)
    """The context that renders begin in."""
    spans: RenderSpans = field(default_factory=RenderSpans)
    counters: Counters = field(default_factory=Counters)
    failures: FailureLog | None = None
    """Hears of renders that fail, and of those that work again."""
    engine: ReadThrough = field(init=False)
    coded: CodedBodies = field(init=False)
    """The bodies in content codings."""
    dictionaries: Dictionaries = field(init=False)
    _live: BoundedDict[str, tuple[float, DynamicUse]] = field(default_factory=lambda: BoundedDict(_MOST_LIVE_PATHS))
    """Paths that turned dynamic: until when they run live, and why. Bounded, as visitors choose the paths."""
    _warned: set[str] = field(default_factory=set)
    """Route files that were warned about dropped bodies."""
    _queried: set[str] = field(default_factory=set)
    """Route files whose QUERY was said to be live: clients choose bodies, and each may be another attempt."""

    def __post_init__(self) -> None:
        self.renders = TimedRenders(self.renderer, self.clock, self.render_timeout, self.max_overdue_renders)
        self.engine = ReadThrough(
            self.store,
            self.clock,
            self.render_timeout,
            _report,
            self.lease_seconds,
            self.clean,
            self.refreshes_at_once,
            counters=self.counters,
            spans=self.spans.inside,
        )
        self.counters.gauge(REFRESHES_RUNNING, self.engine, ReadThrough.running)
        self.counters.gauge(REFRESHES_WAITING, self.engine, ReadThrough.waiting)
        self.dictionaries = Dictionaries(self.store)
        self.coded = CodedBodies(self.codings, self.max_coded_bytes, self.clean, self.dictionaries)

    def hit(self, key: str, *, waits: bool = False) -> Cached | None:
        """A fresh answer that is available without waiting, or None; also None for `waits`, where it is due."""
        entry = self.store.peek(key)
        if entry is None:
            return None
        judgement = self.judge(entry)
        return Cached(entry, _decision(judgement)) if judgement.fresh and not (waits and judgement.due) else None

    def ahead(self, target: Target, entry: Entry) -> bool:
        """Note a hit of an answer that may be due: it is rendered again in the background if it was asked for before.

        Returns:
            Whether it was, or isn't due; otherwise tell of the next hit, too.
        """
        if not self.eager or not self.judge(entry).due:
            return True
        return self.engine.ahead(_AnswerRead(self, target, waits=False), entry)

    async def answer(self, target: Target, *, waits: bool = False) -> Cached:
        """The shared answer: from the store, stale while it is rendered again, or rendered now (4.2).

        Args:
            target: what is asked for.
            waits: for a fresh one, where a stale one is stored.

        Raises:
            NotStatic: the route turned dynamic; run the request live (D7).
            RenderFailed: nothing servable is stored, and the render failed (R4.27).
        """
        obtained = await self.engine.read(_AnswerRead(self, target, waits=waits))
        if obtained.made:
            return _just_rendered(obtained)
        return Cached(obtained.entry, _decision(obtained.judgement))

    def judge(self, entry: Entry) -> Judgement:
        """What may be done now with an entry of this build.

        An entry that can't be sent counts as missing: an older version or another program may have written it.
        """
        if stored_fault(entry.status, entry.headers) is not None:
            return Judgement(False, False, Reason.COLD)
        now, is_synced = self.clock(), self.store.is_synced()
        return judge(entry, now, self.store.row, self.build, is_synced=is_synced, eager=self.eager)

    def refuse_if_live(self, key: str) -> None:
        """Keep requests for a path that turned dynamic from waiting for another render attempt (docs/design.md).

        Raises:
            NotStatic: the path turned dynamic less than `LIVE_SECONDS` ago.
        """
        known = self._live.get(key)
        if known is None:
            return
        until, use = known
        if self.clock() < until:
            raise NotStatic(use)
        self._live.forget(key)

    def live_use(self, key: str) -> DynamicUse | None:
        """Why a path runs live, if it has turned dynamic; None: it hasn't."""
        known = self._live.get(key)
        return None if known is None else known[1]

    def turned_dynamic(self, target: Target, use: DynamicUse, level: int = logging.WARNING) -> None:
        """Run a path that was static at build live for `LIVE_SECONDS`; `level` is how the log calls it."""
        self._live.keep(target.key, (self.clock() + LIVE_SECONDS, use))
        if target.content is not None:
            level = logging.DEBUG if target.route.source in self._queried else level
            self._queried.add(target.route.source)
            log.log(
                level,
                "QUERY %s isn't stored: its answer depends on more than the body: %s. It runs live for now. Leave "
                "cache_query_body out of %s, or keep other request data out of QUERY and of render middleware.",
                target.label,
                use,
                target.route.source,
            )
            return
        log.log(
            level,
            "%s was static at build, and now its answer depends on the request: %s. It runs live for now. "
            "%s, or keep request data out of GET and of render middleware.",
            target.variant_label,
            use,
            target.route.live_remedy,
        )

    def warn_of_lost_body(self, rendered: Rendered, target: Target) -> None:
        """Warn, once per route file, about a body that is dropped because the answer's status allows none."""
        lost = LostBody.of(rendered)
        if lost is not None:
            lost.warn(target, self._warned)


class _AnswerRead(Read):
    """One request for the answer of a static or fresh route."""

    def __init__(self, responses: Responses, target: Target, *, waits: bool) -> None:
        self._responses, self._target, self.waits = responses, target, waits
        spans = responses.spans
        self.caused_by = cause() if spans.are_made() else None
        self.key, self.name, self.group = target.key, target.variant_label, target.route.origin

    def judge(self, entry: Entry) -> Judgement:
        return self._responses.judge(entry)

    def refuse(self) -> None:
        self._responses.refuse_if_live(self.key)

    async def make(self, run: Run) -> Made:
        """Raises NotStatic: the route turned dynamic, which has been logged; RenderFailed: the render failed."""
        counted = CountedRender(self._responses.counters, self._target.route.pattern, background=run.background)
        former = self._responses.store.peek(self.key)
        with counted:
            made = await self._make_traced(run)
            counted.ended(made, former)
            return made

    async def _make_traced(self, run: Run) -> Made:
        spans = self._responses.spans
        if not spans.are_made():
            return await self._make(run)
        with spans.around(self._target, self.caused_by, background=run.background, because=self.because) as span:
            self.traced = span.get_span_context() if span.is_recording() else None
            made = await self._make(run)
            span.set_attribute("http.response.status_code", made.entry.status)
            span.set_attribute(TAGS, told_tags(made.entry.tags))
            return made

    async def _make(self, run: Run) -> Made:
        responses, target, context = self._responses, self._target, copy_context()
        rendered = None
        try:
            rendered = await responses.renders.regenerate(target, context)
            entry = entry_of(
                rendered,
                target,
                rendered_at=run.began,
                generation=run.generation,
                build=responses.build,
                jitter=responses.jitter,
            )
        except NotStatic as ended:
            level = logging.WARNING if rendered is None else self._level(rendered.status)
            responses.turned_dynamic(target, ended.use, level)
            raise
        except Exception as error:
            if responses.failures is not None:
                # Who waits for a fresh answer, as a refresh does, is no visitor: visitors keep the old one.
                served: Literal["older", "500"] = "older" if run.background or self.waits else "500"
                responses.failures.failed(
                    error, route=target.route.pattern, path=target.path, served=served, key=self.key
                )
            raise RenderFailed(target, error, context) from error
        if responses.failures is not None:
            responses.failures.worked(self.key, target.path)
        responses.warn_of_lost_body(rendered, target)
        if not storable_status(entry.status):
            log.log(
                self._level(entry.status),
                "rendering %s answered %d, which is not stored",
                target.variant_label,
                entry.status,
            )
            return Made(entry, Fate.BACK_OFF)
        entry = announced(entry, target, responses.renderer.sent_path, responses.codings)
        await responses.dictionaries.keep(entry)
        return Made(varying(entry, responses.codings))

    def _level(self, status: int) -> int:
        """How the log calls an answer of this status that isn't stored.

        Any client can cause refusals such as 400 and 403, by a path that nobody listed or by its query. They are worth
        a warning only where the handler has answered well before, or where there is one path.
        """
        asked = self._target.query or self._target.content is not None or self._target.route.params
        if 400 <= status < 500 and asked and self._responses.store.peek(self._target.key) is None:
            return logging.DEBUG
        return logging.WARNING

    def after_failure(self, error: BaseException, run: Run) -> Fate:
        del run
        return Fate.REMOVE if isinstance(error, NotStatic) and error.unshareable else Fate.BACK_OFF

    def surplus(self, entry: Entry) -> Iterable[str]:
        return self._responses.variants.stored(self._target, entry.key)


def _decision(judgement: Judgement) -> Decision:
    """The decision for an answer from the store."""
    action = Action.HIT if judgement.fresh else Action.STALE
    return Decision(action, judgement.reason, tag=judgement.tag, ttl=judgement.ttl)


def _just_rendered(obtained: Obtained) -> Cached:
    entry, after = obtained.entry, obtained.judgement
    decision = Decision(
        Action.MISS,
        obtained.because,
        tag=after.tag,
        stored=obtained.stored,
        collapsed=obtained.joined,
        status=entry.status,
    )
    # If the answer isn't stored here, caches in front must not keep it either: a 500 would outlive its cause there. The
    # same holds if it was invalidated meanwhile: they would take it for fresh.
    lasting = obtained.stored and after.tag is None
    return Cached(entry if lasting else msgspec.structs.replace(entry, revalidate=0, expire=None), decision)


def _report(key: str, error: BaseException) -> None:
    if isinstance(error, RenderFailed):
        error.log()
    elif not isinstance(error, NotStatic):  # that has been logged, with the route
        log.error("refreshing %s failed", key, exc_info=error)
