"""Where the paths come from that are warmed."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from millpond.errors import CommandError, StoreError, UsageError
from millpond.stores.factory import inspection_of
from millpond.warm.most_read import most_read
from millpond.warm.sitemap_reading import pages_of
from millpond.warm.source_file import paths_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from millpond.config import Config
    from millpond.warm.outcome import Warms
    from millpond.warm.source_file import FoundPaths

MOST_READ, SITEMAP, STDIN = "most-read", "sitemap", "-"


class Sources:
    """Those that are named, or the default: what was read most, or where nothing is stored the site's sitemap.

    Args:
        named: the words of the command line; anything else than the known ones is a file.
        limit: how many paths at most.
        live: whether paths that no cache answers are wanted, too.
    """

    def __init__(self, named: Sequence[str], limit: int, *, live: bool = False) -> None:
        if list(named).count(STDIN) > 1:
            raise UsageError("--from - can be given once: there is one stdin.")
        self.named, self.live, self._limit = list(named), live, limit
        self.notes: list[str] = []
        """Warnings about what was left out."""
        self.used = ", ".join(self.named)
        """Where the paths came from, in words."""
        self._read: list[str] = []

    def read_store(self, project: Path, config: Config, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Look up what was read most, if that is asked for: before anybody opens the store, and drops old answers.

        Args:
            project: its folder.
            config: says where the store is.
            goes_on: asked between entries; once it says no, what was seen by then counts.

        Raises:
            StoreError: most-read is named, and there is no store.
            ConfigError: the store's configuration is wrong.
        """
        if self.named and MOST_READ not in self.named:
            return
        try:
            with inspection_of(project, config.cache) as inspection:
                self._read = most_read(inspection, config.base_path, self._limit, goes_on)
        except StoreError:
            if self.named:
                raise

    async def paths(self, warms: Warms, origins: Collection[str], base_path: str, seconds: float) -> list[str]:
        """The paths of all sources, each once, best first.

        Args:
            warms: reads sitemaps.
            origins: of the site.
            base_path: of its paths.
            seconds: for sitemaps; a file is read to its end.

        Raises:
            CommandError: a source can't be read, or names no path.
        """
        named = self.named or [MOST_READ if self._read else SITEMAP]
        self.used = ", ".join("stdin" if name == STDIN else name for name in named)
        found: dict[str, None] = {}
        try:
            async with asyncio.timeout(seconds):
                for name in named:
                    found.update(dict.fromkeys(await self._of(name, warms, origins, base_path)))
        except TimeoutError:
            raise CommandError(f"the sitemap took longer than {seconds:g} s.") from None
        return list(found)[: self._limit]

    async def _of(self, name: str, warms: Warms, origins: Collection[str], base_path: str) -> list[str]:
        if name == MOST_READ:
            return self._read
        found = await pages_of(warms, self._limit, origins, base_path) if name == SITEMAP else self._file(name, origins)
        self.notes += found.notes
        return found.paths

    def _file(self, name: str, origins: Collection[str]) -> FoundPaths:
        if name == STDIN:
            return paths_in(sys.stdin.buffer, "stdin", self._limit, origins, live=self.live)
        try:
            with open(name, "rb") as file:
                return paths_in(file, name, self._limit, origins, live=self.live)
        except OSError as error:
            raise CommandError(f"{name} can't be read: {error.strerror}.") from None
