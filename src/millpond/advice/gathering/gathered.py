"""All that is known of an application, in one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.advice.gathering.quoted_lines import SourceLines
from millpond.advice.gathering.seen_crons import seen_crons
from millpond.advice.gathering.seen_events import seen_failures, seen_invalidations
from millpond.advice.gathering.seen_routes import seen_routes
from millpond.advice.gathering.seen_store import StoredPass
from millpond.advice.gathering.seen_traffic import DAY, seen_counts
from millpond.advice.observation import Observed, SeenAnswers, SeenStore, SeenTag, SeenTraffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from millpond.advice.gathering.seen_store import Kept
    from millpond.config import Config
    from millpond.policy.tags import TagRow
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.plan import Plan
    from millpond.stores.maintenance_contract import ListedEntry
    from millpond.telemetry.counters import Series, Value
    from millpond.telemetry.journal import Event
    from millpond.telemetry.minutes import Minute


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNow:
    """The store, open for reading."""

    entries: Iterable[ListedEntry]
    row_of: Callable[[str], TagRow | None]
    bytes: int
    most: int | None = None
    """Entries to look at; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSources:
    """Where all of it comes from."""

    project: Path
    config: Config
    plans: Sequence[Plan]
    manifest: BuildManifest | None
    minutes: Sequence[Minute]
    """A day of them."""
    totals: Mapping[Series, Value]
    events: Sequence[Event]
    """Newest first."""
    environ: Mapping[str, str]
    now: float
    """Seconds since the epoch."""


def observed(sources: KnownSources, stored: StoredNow | None) -> Observed:
    """What is known.

    Args:
        sources: where it comes from.
        stored: the store; None: nobody can look into it.
    """
    project, config, manifest, now = sources.project, sources.config, sources.manifest, sources.now
    since = max(now - DAY, 0.0 if manifest is None else manifest.built_at)
    routes = seen_routes(sources.plans, config, project, manifest, sources.environ)
    counts = seen_counts(sources.minutes, sources.totals, since)
    kept = None if stored is None else _kept(sources, stored)
    origins = {plan.route.origin: plan.route.pattern for plan in sources.plans}
    for plan, route in zip(sources.plans, routes, strict=True):
        route.traffic = counts.routes.get(route.pattern, SeenTraffic())
        if kept is not None:
            route.answers = kept.routes.get(plan.route.origin, SeenAnswers())
            if not route.answers.of_build:
                route.drifted = ()  # they have been rendered again, with what the server has
    of_build = () if manifest is None else manifest.sources
    lines = SourceLines(
        project, [*(route.file for route in routes), *(file for file in of_build if file.endswith(".py"))]
    )
    invalidations = [
        each._replace(given=lines.given(each.tag))
        for each in seen_invalidations(sources.events)
        if each.last >= now - DAY
    ]
    knows_tags = kept is not None and kept.all_tags
    named = {each.tag for each in invalidations}
    return Observed(
        now=now,
        seconds=counts.seconds,
        routes=routes,
        tags=_tags(kept, origins, named, lines) if kept is not None else {},
        answers=0 if kept is None else kept.answers,
        invalidations=invalidations if knows_tags else (),
        failures=seen_failures(sources.events, since),
        slow_fetches=counts.slow_fetches,
        crons=list(
            seen_crons(config.cron, sources.plans, None if kept is None else kept.crons, sources.minutes, lines, now)
        ),
        store=SeenStore(
            is_known=stored is not None,
            bytes=0 if stored is None else stored.bytes,
            limit=config.cache.bytes_in(config.cache.kind),
            entries=0 if kept is None else kept.answers,
            evicted=counts.evicted,
            evicted_read=counts.evicted_read,
            place=lines.table("[cache]", "max_bytes" if config.cache.max_bytes is not None else ""),
            stale_tags={} if kept is None else {tag: each.is_stale for tag, each in kept.tags.items() if tag in named},
        ),
    )


def _kept(sources: KnownSources, stored: StoredNow) -> Kept:
    manifest = sources.manifest
    looking = StoredPass(
        None if manifest is None else manifest.build,
        0.0 if manifest is None else manifest.built_at,
        sources.now,
        stored.row_of,
        codes=bool(sources.config.cache.codings),
    )
    return looking.over(stored.entries, stored.most)


def _tags(kept: Kept, origins: Mapping[str, str], named: set[str], lines: SourceLines) -> dict[str, SeenTag]:
    return {
        tag: SeenTag(
            each.answers,
            tuple(sorted(origins[origin] for origin in each.origins if origin in origins)),
            lines.quoted(tag) if tag in named else "",
        )
        for tag, each in kept.tags.items()
    }
