"""The pages of a site, by its own sitemaps: those that robots.txt names, or sitemap.xml; an index leads to others."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from millpond.errors import CommandError
from millpond.metadata.sitemap import MOST_BYTES
from millpond.warm.asked_path import NotAsked, asked_path, origin_of
from millpond.warm.sitemap_xml import BadSitemap, read_sitemap
from millpond.warm.source_file import FoundPaths, ranked_pages
from millpond.warm.unpacking import CantUnpack, unpacked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from millpond.warm.outcome import Warms

MOST_SITEMAPS, MOST_PAGES = 1000, 200_000
"""Sitemaps that are read, and pages that they may list together."""
_MOST_OF_ROBOTS = 500 * 1024
"""Bytes of robots.txt that count (RFC 9309 §2.5)."""


async def pages_of(
    warms: Warms, limit: int, origins: Collection[str], base_path: str = "", more: Sequence[str] = ()
) -> FoundPaths:
    """The paths that the sitemaps of a site list, those of the highest priority first.

    All are read from this site, whatever host they name.

    Args:
        warms: reads them.
        limit: how many paths at most.
        origins: of the site.
        base_path: below which sitemap.xml is.
        more: paths of sitemaps that are known besides.

    Raises:
        CommandError: there is no sitemap.
    """
    waiting = deque(dict.fromkeys([*await _in_robots(warms), f"{base_path}/sitemap.xml", *more]))
    seen, urls, notes, found = set(waiting), list[tuple[str, float]](), list[str](), 0
    indexes = len(waiting)
    while waiting and len(seen) - len(waiting) < MOST_SITEMAPS and len(urls) < MOST_PAGES:
        path = waiting.popleft()
        indexes -= 1
        body = await warms.read(path, MOST_BYTES)
        if body is None:
            continue
        try:
            sitemap = read_sitemap(unpacked((body,), MOST_BYTES))
        except (BadSitemap, CantUnpack) as error:
            notes.append(f"{path} can't be used: {error}")
            continue
        found += 1
        if not sitemap.is_index:
            urls += sitemap.urls
        elif indexes >= 0:  # an index in an index isn't followed
            fresh = [each for each in _paths(url for url, _ in sitemap.urls) if each not in seen]
            seen.update(fresh)
            waiting += fresh
    if not found:
        reasons = f": {'; '.join(notes)}" if notes else ""
        raise CommandError(f"the site has no sitemap that can be read{reasons}.")
    if waiting:
        notes.append(f"{len(waiting)} sitemaps weren't read: the others list enough")
    pages = ranked_pages(urls[:MOST_PAGES], limit, origins)
    return FoundPaths(pages.paths, [*notes, *pages.notes])


async def _in_robots(warms: Warms) -> list[str]:
    body = await warms.read("/robots.txt", _MOST_OF_ROBOTS)
    lines = [] if body is None else body.decode("utf-8", "replace").splitlines()
    fields = (line.partition(":") for line in lines)
    return list(_paths(value.strip() for name, _, value in fields if name.strip().lower() == "sitemap"))


def _paths(urls: Iterator[str]) -> Iterator[str]:
    """The paths of sitemaps, at this site."""
    for url in urls:
        try:
            yield asked_path(url, () if url.startswith("/") else (origin_of(url),))
        except NotAsked:
            continue
