"""A whole build: load, prerender, decide, write."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.errors import BuildError
from millpond.policy.lifetime import FOREVER, Lifetime
from millpond.policy.tags import is_own
from millpond.prerender.build_manifest import (
    VERSION,
    BuildManifest,
    PathRecord,
    RouteRecord,
    read_manifest,
    write_build,
)
from millpond.prerender.fingerprints.route_fingerprints import RouteFingerprints
from millpond.prerender.frozen_environment import KEY_BYTES, fingerprints
from millpond.prerender.frozen_inputs import frozen_failures, idle_allowances
from millpond.prerender.input_records import functions_of, inputs_of
from millpond.prerender.review.refused_crons import refused_crons
from millpond.prerender.review.unasked_guards import unasked_guards
from millpond.prerender.review.unstored_queries import unstored_queries
from millpond.prerender.sources.built_sources import config_digest, sources_of
from millpond.routes.deferred.start_record import made_with, start_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from millpond.cache.observed import ObservedFunctions
    from millpond.config import Config, CronConfig
    from millpond.policy.entry import Entry
    from millpond.prerender.failure import Failure
    from millpond.prerender.input_records import FunctionRecord, RouteInputs
    from millpond.prerender.prerenderer import Prerenderer
    from millpond.prerender.route_result import RouteResult
    from millpond.prerender.sources.opened_files import OpenedFiles
    from millpond.routes.route_contract import Route

    Progress = Callable[[int, int], None]
    """Told how many paths are done, and of how many."""


@dataclass(frozen=True, slots=True, repr=False)  # asyncio asks for a representation, and drops it
class Built:
    """The outcome of a build. With failures nothing was written."""

    manifest: BuildManifest
    failures: list[Failure]
    warnings: list[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class WholeBuild:
    """All of an application's routes, prerendered by one Prerenderer into its project's folder."""

    routes: Sequence[Route]
    prerenderer: Prerenderer
    crons: Sequence[CronConfig]
    """The routes that are asked by the clock."""
    data: Callable[[], Iterable[Entry]]
    """Gives what was fetched and computed meanwhile; it ships with the build."""
    functions: ObservedFunctions
    """What cached functions have used."""
    opened: OpenedFiles
    """The files that were opened since the build began."""
    config: Config
    """The project's configuration."""
    app_dir: Path
    """The folder of the route files."""
    hints: Callable[[], Sequence[str]] = tuple
    """Gives warnings about what isn't a route of these: files that no route is made of, say."""

    async def run(self, progress: Progress) -> Built:
        """Prerender the routes and, when nothing failed, put the build in place of the former one.

        Args:
            progress: told how many paths are done, and of how many.

        Raises:
            BuildError: the output folder can't be written.
        """
        started = time.perf_counter()
        results = await self.prerenderer.run(self.routes, progress)
        crew = self.prerenderer.crew
        if crew is not None:
            crew.add_findings(self.functions, self.opened)
        pages = [page.entry for result in results for page in result.rendered if page.entry is not None]
        entries = [*pages, *self.data()]
        key = secrets.token_bytes(KEY_BYTES)
        manifest = self._manifest(results, len(entries), key)
        failures = self._failures(results, manifest)
        if not failures:
            write_build(self.prerenderer.project, manifest, entries, key)
        warnings = [warning for route in self.routes for warning in route.warnings]
        warnings += [warning for result in results for warning in result.warnings]
        warnings += idle_allowances(self.routes, manifest.routes)
        warnings += unasked_guards(result.plan for result in results)
        warnings += unstored_queries(result.plan.route for result in results)
        warnings += self.hints()
        warnings += crew.warnings if crew is not None else ()
        return Built(manifest, failures, warnings, time.perf_counter() - started)

    def _manifest(self, results: list[RouteResult], entries: int, key: bytes) -> BuildManifest:
        prerenderer = self.prerenderer
        records = [_record(result, prerenderer.renderer.expire_time) for result in results]
        used = functions_of(self.functions, results)
        sources = sources_of(prerenderer.project, self.opened, {record.file for record in records})
        if self.config.cache.across_builds == "stale":
            records = self._with_fingerprints(records, used)
        return BuildManifest(
            millpond=VERSION,
            build=prerenderer.build,
            built_at=prerenderer.clock(),
            compat=prerenderer.compat.value,
            draft_secret=_draft_secret(prerenderer.project),
            entries=entries,
            routes=records,
            functions=used,
            environment=fingerprints(key, records, used, os.environ),
            sources=sources,
            config=config_digest(self.config),
            made_with=made_with(),
        )

    def _with_fingerprints(self, records: list[RouteRecord], functions: list[FunctionRecord]) -> list[RouteRecord]:
        """The records with the fingerprints of their routes, as answers of builds with the same are shared."""
        found = RouteFingerprints(
            project=self.prerenderer.project,
            app_dir=self.app_dir,
            config=self.config,
            routes=self.routes,
            functions=functions,
            opened=frozenset(self.opened.read - self.opened.written),
            environ=os.environ,
        )
        return found.of(records)

    def _failures(self, results: list[RouteResult], manifest: BuildManifest) -> list[Failure]:
        """What keeps the build from taking the former one's place."""
        failures = [failure for result in results for failure in result.failures]
        failures += refused_crons(self.crons, [result.plan for result in results])
        if self.prerenderer.config.frozen == "error":
            cache_components = self.prerenderer.passes is not None
            failures += frozen_failures(manifest.routes, cache_components=cache_components)
        return failures


def _draft_secret(project: Path) -> str:
    """The former build's, where there is one: an editor's cookie outlives a deploy."""
    try:
        former = read_manifest(project)
    except BuildError:  # of another version, or damaged: this build replaces it
        former = None
    return former.draft_secret if former is not None else secrets.token_hex(32)


def _record(result: RouteResult, expire_time: float) -> RouteRecord:
    route, plan, inputs = result.route, result.plan, inputs_of(result)
    lifetime = _lifetime(result, expire_time)
    return RouteRecord(
        pattern=route.pattern,
        origin=route.origin,
        file=route.source,
        digest=route.digest,
        glyph=result.glyph,
        why=plan.why.text,
        place=None if plan.why.place is None else (plan.why.place.file, plan.why.place.line),
        static=plan.static,
        on_demand=plan.on_demand,
        closed=plan.closed,
        revalidate=lifetime.revalidate,
        expire=lifetime.expire,
        paths=_path_records(result, inputs),
        inputs=inputs.records,
        on_demand_paths=sorted(result.demanded),
        live_paths=sorted(plan.live_paths),
        variation=route.variation,
        start=start_record(route),
    )


def _lifetime(result: RouteResult, expire_time: float) -> Lifetime:
    """What the table shows for the route: the lowest of its paths, or what its file says while there are none."""
    if not result.plan.static:
        return FOREVER
    if not result.rendered:
        revalidate = result.route.config.revalidate
        return Lifetime(revalidate or None).bounded(expire_time)
    lifetime = FOREVER
    for page in result.rendered:
        if page.entry is not None:
            lifetime = lifetime.lowered(page.entry.lifetime)
    return lifetime


def _path_records(result: RouteResult, inputs: RouteInputs) -> list[PathRecord]:
    return [
        PathRecord(
            path=page.target.path,
            readable=page.target.readable_variant,
            status=page.entry.status,
            revalidate=page.entry.revalidate,
            expire=page.entry.expire,
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in page.entry.headers},
            tags=[tag for tag in page.entry.tags if not is_own(tag)],
            seconds=page.seconds,
            inputs=inputs.by_key[page.target.key],
            variant="" if page.target.variant is None else page.target.variant.text,
        )
        for page in result.rendered
        if page.entry is not None
    ]
