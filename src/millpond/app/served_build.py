"""The build that an application serves or makes: the routes' plans, and the build id of its entries."""

from __future__ import annotations

import itertools
import logging
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.cache.coding.dictionaries import dictionaries_of
from millpond.errors import BuildError
from millpond.prerender.build_manifest import (
    edited_since,
    has_entries,
    new_build_id,
    plans_of,
    read_entries,
    read_manifest,
)
from millpond.prerender.fingerprints.shared_answers import shared_fingerprints, under_shared_keys
from millpond.prerender.frozen_environment import drift
from millpond.prerender.later_renders import rendered_since
from millpond.prerender.path_listing import PathListing
from millpond.prerender.plan import development_plans, live_plans, unbuilt_plans
from millpond.prerender.sources.built_sources import edited_sources
from millpond.stores.factory import chosen_store, memory_store

if TYPE_CHECKING:
    from millpond.app.context import AppContext
    from millpond.cache.data import DataCache
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.plan import Plan
    from millpond.prerender.sharing.build_part import BuildPart
    from millpond.stores.contract import Store

log = logging.getLogger("millpond")

_SEEDED_AT_ONCE = 500
environment_log = logging.getLogger("millpond.environment")


@dataclass(frozen=True, slots=True)
class ServedBuild:
    """The build of one runtime."""

    plans: list[Plan]
    build: str
    """The id of the build that is served or made."""
    draft_secret: str | None = field(repr=False)
    """The value of the draft mode cookie; None while a build is made: it has no clients."""

    made_at: float | None = None
    """When the build was made, in seconds since the epoch; None: it is none that `millpond build` has written."""
    drifted: tuple[str, ...] = ()
    """A sentence for each environment variable that answers of the build hold, and that differs here."""

    @property
    def is_served(self) -> bool:
        """Whether the build is served to clients; otherwise it is being made."""
        return self.draft_secret is not None


def store_of(context: AppContext) -> Store:
    """The configured store, not yet open; in development and in tests a memory store of this process.

    Raises:
        ConfigError: as `chosen_store` does.
        StoreError: as `chosen_store` does.
        BuildError: a shared store belongs to a build, and the project's build can't be read.
    """
    cache = context.config.cache
    if context.development or context.isolated:
        return memory_store(cache, context.clock)
    manifest = read_manifest(context.project) if cache.kind == "valkey" else None
    return chosen_store(context.project, cache, None if manifest is None else manifest.build, context.clock)


async def build_to_serve(context: AppContext, store: Store, data: DataCache) -> ServedBuild:
    """The project's build, after seeding `store` with its entries; without one, plans made from the routes alone.

    Raises:
        BuildError: the build can't be read, or was made from other routes, by another version or with another `compat`;
            or a test asks for a build, and there is none.
    """
    if context.development:
        return ServedBuild(
            await _live_plans(context, data, for_build=False), new_build_id(context.clock()), secrets.token_hex(32)
        )
    if not context.reads_build:
        return await _unbuilt(context, data)
    manifest = read_manifest(context.project)
    if manifest is None and context.isolated:
        raise BuildError(f"there is no build in {context.project} for the test; run `millpond build` before it.")
    if manifest is None:
        if context.routes:
            log.warning("no build in %s: static answers are rendered at their first request", context.project)
        return await _unbuilt(context, data)
    drifted, is_as_built = _check(context, manifest)
    fingerprints = shared_fingerprints(manifest, context.config.cache)
    if fingerprints and not is_as_built:
        log.warning("so answers aren't shared with other builds (cache.across_builds) until it is built again")
        fingerprints = {}
    if fingerprints:
        store.keep_shared(manifest.build, frozenset(fingerprints.values()))
    if context.config.cache.kind == "valkey" and not has_entries(context.project, manifest):
        log.info("build %s has no answers on this host: they come from the store, or are rendered", manifest.build)
    else:
        entries = under_shared_keys(read_entries(context.project, manifest), fingerprints)
        while part := list(itertools.islice(entries, _SEEDED_AT_ONCE)):  # all of a large build would fill the memory
            await store.seed([*part, *dictionaries_of(part)])
    plans = plans_of(manifest, context.routes, fingerprints)
    return ServedBuild(plans, manifest.build, manifest.draft_secret, manifest.built_at, drifted)


async def build_to_make(context: AppContext, data: DataCache) -> ServedBuild:
    """A new build: while it is made, handlers that request their own application get live answers."""
    return ServedBuild(await _live_plans(context, data, for_build=True), new_build_id(context.clock()), None)


def build_to_share(context: AppContext, part: BuildPart) -> ServedBuild:
    """The same build, in a further process that takes part in it: what closed routes list is known."""
    config = context.config
    plans = live_plans(context.routes, config.compat, part.live_paths, cache_components=config.cache_components)
    return ServedBuild(plans, part.build, None)


def listing_of(context: AppContext, data: DataCache, *, for_build: bool) -> PathListing:
    """How the paths of routes are listed: with the data that is cached."""
    return PathListing(context.project, context.config.compat, data.attachments, for_build)


async def _live_plans(context: AppContext, data: DataCache, *, for_build: bool) -> list[Plan]:
    """Plans in which every route is live."""
    config, listing = context.config, listing_of(context, data, for_build=for_build)
    return await development_plans(
        context.routes, config.compat, cache_components=config.cache_components, listing=listing
    )


async def _unbuilt(context: AppContext, data: DataCache) -> ServedBuild:
    config, listing = context.config, listing_of(context, data, for_build=False)
    plans = await unbuilt_plans(
        context.routes, config.compat, cache_components=config.cache_components, listing=listing
    )
    return ServedBuild(plans, new_build_id(context.clock()), secrets.token_hex(32))


def _check(context: AppContext, manifest: BuildManifest) -> tuple[tuple[str, ...], bool]:
    """Refuse a build made with another `compat`, and warn about what has changed since it was made.

    Returns:
        What has changed in the environment, and whether nothing has changed at all.
    """
    if manifest.compat != context.config.compat:
        raise BuildError(
            f'the build was made with compat = "{manifest.compat}", but the configuration now has '
            f'"{context.config.compat}"; run `millpond build` again.'
        )
    edited = edited_since(manifest, context.routes)
    for plan in plans_of(manifest, context.routes) if edited else ():
        file = plan.route.source
        guard = plan.route.guard if plan.static and file in edited else None
        if guard is not None:
            raise BuildError(
                f"{guard.place}: {guard.name} stands before {file}, and one of both files was edited after the build, "
                "whose answers might pass it; run `millpond build` again."
            )
    for file in edited:
        log.warning("%s was edited after the build; its static answers are from before the edit", file)
    sources = edited_sources(context.project, manifest, context.config)
    for source in sources:
        log.warning("%s was edited after the build; static answers that use it are from before the edit", source)
    drifted = tuple(drift(context.project, manifest, os.environ))
    again = frozenset[str]()
    if drifted and not (context.development or context.isolated):
        again = rendered_since(context.project, context.config.cache, manifest)
    told = tuple(drift(context.project, manifest, os.environ, again))
    for sentence in told:
        environment_log.warning("%s", sentence)
    return told, not (edited or sources or drifted)
