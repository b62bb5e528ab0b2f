"""Which of a build's answers servers have rendered again: what they hold is no longer what the build read."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from millpond.errors import StoreError
from millpond.policy.allowance import InputKind
from millpond.policy.key import response_key
from millpond.stores.factory import inspection_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from millpond.config import CacheConfig
    from millpond.prerender.build_manifest import BuildManifest

_MOST = 10_000
"""Answers that are looked for; those beyond count as the build's."""


def rendered_since(project: Path, cache: CacheConfig, manifest: BuildManifest) -> frozenset[str]:
    """The keys of answers that were made of environment variables, and that the store has from after the build.

    Args:
        project: its folder.
        cache: what its configuration says.
        manifest: the build's.
    """
    if cache.kind == "memory" or not manifest.environment:
        return frozenset()
    try:
        with inspection_of(project, cache) as store:
            found = ((key, store.named(key, manifest.build)) for key in islice(_keys(manifest), _MOST))
            entries = ((key, None if listed is None else listed.entry) for key, listed in found)
            return frozenset(
                key for key, entry in entries if entry is not None and entry.rendered_at > manifest.built_at
            )
    except StoreError:  # no server has used it yet; or it says what is wrong when it is opened
        return frozenset()


def _keys(manifest: BuildManifest) -> Iterator[str]:
    for route in manifest.routes:
        numbers = {number for number, record in enumerate(route.inputs) if record.kind is InputKind.ENV}
        for path in route.paths:
            if not numbers.isdisjoint(path.inputs):
                yield response_key(route.origin, path.path)
