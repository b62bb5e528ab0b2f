"""Paths from a file: an access log, a list with one path a line, or a sitemap; perhaps compressed by gzip."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from millpond.errors import CommandError
from millpond.warm.asked_path import NotAsked, asked_path, origin_of
from millpond.warm.log_lines import logged_request
from millpond.warm.ranking import Ranking
from millpond.warm.sitemap_xml import BadSitemap, read_sitemap
from millpond.warm.unpacking import CantUnpack, unpacked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_PIECE = 65_536
_LONGEST_LINE = 65_536
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class FoundPaths:
    """Paths to ask for, best first, and what was left out."""

    paths: list[str]
    notes: list[str] = field(default_factory=list)


def paths_in(file: BinaryIO, name: str, limit: int, origins: Collection[str], *, live: bool) -> FoundPaths:
    """The paths that a file names.

    Those of a log are the ones that were answered 200 most. Those of a list come in its order, repeated ones first.

    Args:
        file: open for reading.
        name: for messages.
        limit: how many paths at most.
        origins: of whose URLs the paths are taken; without any it is that of the first URL. A sitemap's own counts in
            any case: a site lists its public host.
        live: whether to take paths of which the log says that no cache has answered.

    Raises:
        CommandError: it can't be read, or names no path.
    """
    try:
        return _paths_in(file, name, limit, origins, live=live)
    except (BadSitemap, CantUnpack) as error:
        raise CommandError(f"{name} can't be used: {error}.") from None
    except OSError as error:
        raise CommandError(f"{name} can't be read: {error.strerror}.") from None


def _paths_in(file: BinaryIO, name: str, limit: int, origins: Collection[str], *, live: bool) -> FoundPaths:
    chunks = unpacked(iter(lambda: file.read(_PIECE), b""))
    first = next(chunks, b"").removeprefix(_BOM)
    whole = itertools.chain((first,), chunks)
    if not first.lstrip().startswith(b"<"):
        return _of_lines(_lines(whole), name, limit, origins, live=live)
    sitemap = read_sitemap(whole)
    if sitemap.is_index:
        raise CommandError(f"{name} is an index of sitemaps; name one of these, or use --from sitemap.")
    return ranked_pages(sitemap.urls, limit, origins)


def ranked_pages(urls: Iterable[tuple[str, float]], limit: int, origins: Collection[str]) -> FoundPaths:
    """The paths of a sitemap's pages, those of the highest priority first.

    A site lists its public host, and is asked at another address as a rule: pages are taken that have the host of the
    first one.
    """
    ranking, left_out, site = Ranking(), 0, _Site(origins, has_public=True)
    for url, priority in urls:
        try:
            path = site.path(url)
        except NotAsked:
            left_out += 1
        else:
            ranking.count(path, priority)
    notes = [f"{left_out} URLs of the sitemap are of another host, or none"] if left_out else []
    return FoundPaths(ranking.best(limit), notes)


class _Site:
    """The origins of one site.

    Args:
        origins: that are given.
        has_public: whether the first URL of another origin tells one more, that of the site in public.
    """

    def __init__(self, origins: Collection[str], *, has_public: bool) -> None:
        self._origins, self._has_public = set(origins), has_public

    def path(self, text: str) -> str:
        """Raises NotAsked: it is no path of the site."""
        if self._has_public and not text.startswith("/"):
            origin = origin_of(text)
            self._has_public = origin in self._origins
            self._origins.add(origin)
        return asked_path(text, self._origins)


def _of_lines(lines: Iterable[str], name: str, limit: int, origins: Collection[str], *, live: bool) -> FoundPaths:
    ranking, other, uncached = Ranking(), 0, 0
    site = _Site(origins, has_public=not origins)
    for line in lines:
        try:
            is_path = line.startswith("/") or "://" in line[:16]
            if is_path and " " not in line:
                ranking.count(site.path(line))
                continue
            logged = logged_request(line)
            if logged is None:
                other += 1
            elif logged.is_live and not live:
                uncached += 1
            elif logged.method == "GET" and logged.status == 200 and logged.target is not None:
                ranking.count(asked_path(logged.target, origins))
        except NotAsked:
            other += 1
    if other and not len(ranking):
        raise CommandError(
            f"{name} names no path: its {other} lines are neither paths nor of a log that is known (Millpond's own, or "
            "the common and combined formats of nginx and Apache)."
        )
    notes = [f"{other} lines of {name} name no path of this site"] if other else []
    if uncached:
        notes.append(f"{uncached} lines of {name} are of answers that no cache has; --live asks for these, too")
    return FoundPaths(ranking.best(limit), notes)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines that aren't empty or comments. Too long ones are left out, however long they are."""
    held, skips = b"", False
    for chunk in itertools.chain(chunks, (b"\n",)):
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line, held = held + part, b""
            if not skips and len(line) <= _LONGEST_LINE:
                text = line.decode("utf-8", "replace").strip()
                if text and not text.startswith("#"):
                    yield text
            skips = False
        held += rest
        if len(held) > _LONGEST_LINE:
            held, skips = b"", True
