"""Whether an invalidation reaches anything: tags and paths that nothing in the store has."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from millpond.errors import BuildError, StoreError
from millpond.policy.tags import kept_tag
from millpond.prerender.build_manifest import read_entries, read_manifest
from millpond.stores.factory import inspection_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from millpond.config import CacheConfig
    from millpond.stores.maintenance_contract import StoreInspection

_SECONDS = 2.0
"""How long all are looked for; what isn't found by then may be there."""
_PLACES = ("path:/", "route:/", "below:/")


def unreached(project: Path, cache: CacheConfig, tags: Sequence[str], paths: Mapping[str, Sequence[str]]) -> list[str]:
    """A sentence for each tag and path that nothing in the project's store has; it changes nothing.

    Args:
        project: its folder.
        cache: what its configuration says.
        tags: that are to be invalidated.
        paths: as they were given, with their tags.
    """
    try:
        with inspection_of(project, cache) as store:
            return list(_sentences(store, functools.cache(lambda: _built_tags(project)), tags, paths))
    except StoreError:  # there is none yet, or it says what is wrong when it is used
        return []


def _built_tags(project: Path) -> frozenset[str]:
    """The tags of the build's entries: a server that has yet to begin begins with them."""
    try:
        manifest = read_manifest(project)
        entries = iter(()) if manifest is None else read_entries(project, manifest)
        return frozenset(tag for entry in entries for tag in entry.tags)
    except BuildError:  # the server says so, when it can't read it either
        return frozenset()


def _sentences(
    store: StoreInspection,
    built: Callable[[], frozenset[str]],
    tags: Sequence[str],
    paths: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    ends = time.monotonic() + _SECONDS
    for tag in tags:
        if _is_missing(store, built, (tag,), ends):
            path = next((tag.removeprefix(place[:-1]) for place in _PLACES if tag.startswith(place)), None)
            instead = "" if path is None else f"; for the built-in tags of paths there is --path {path}"
            yield f'nothing in the store has the tag "{tag}", so this has reached nothing{instead}.'
    for path, own in paths.items():
        if own and _is_missing(store, built, own, ends):
            yield f"nothing in the store is of the path {path}, so this has reached nothing."


def _is_missing(store: StoreInspection, built: Callable[[], frozenset[str]], tags: Sequence[str], ends: float) -> bool:
    """Whether it is certain that no entry has any of them."""
    kept = list(map(kept_tag, tags))
    for tag in kept:
        for number, listed in enumerate(store.listed(tag=tag)):
            if listed.entry is not None and tag in listed.entry.tags:
                return False
            if number % 64 == 63 and time.monotonic() > ends:
                return False
    return time.monotonic() <= ends and built().isdisjoint(kept)
