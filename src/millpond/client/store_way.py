"""Through the store: the embedded one's file, or a shared one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.cache.invalidation_log import counted_by
from millpond.cache.invalidation_order import InvalidationOrder
from millpond.client.project_names import project_names
from millpond.client.reached import Reached
from millpond.config.project.env_files import env_files_read
from millpond.config.store_url import parse_store_url
from millpond.errors import PurgeError, StoreError, UnreachedError
from millpond.stores.factory import invalidation_of, store_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from millpond.cache.invalidation_order import OrderBody
    from millpond.config import Config
    from millpond.purge.purges import Purges
    from millpond.stores.maintenance_contract import StoreInvalidation
    from millpond.telemetry.journal import Origin

PURGE_SECONDS = 30.0
"""How long the caches in front are waited for."""

_in_use = threading.RLock()
"""Held while the variables of env files are set, which threads would take from one another, and while a store's file
is open: a process that is forked then could never open it. So a fork waits, for as long as a call takes."""
os.register_at_fork(before=_in_use.acquire, after_in_parent=_in_use.release, after_in_child=_in_use.release)


@contextlib.contextmanager
def environment_of(project: Path | None, config: Config) -> Iterator[None]:
    """Within the block the variables of a project's env files are set, which may hold secrets.

    Raises:
        ConfigError: a file can't be read.
    """
    if project is None:
        yield
        return
    with _in_use, env_files_read(project, config.app.env_files):
        yield


@dataclass(frozen=True, slots=True)
class StoreWay:
    """The store that a project's configuration names."""

    project: Path
    """Its folder."""
    app_dir: Path
    """The folder of its route files; it may be missing, then no path is said to have no route."""
    config: Config
    creates: bool = False
    """Whether a store is made where there is none: its first server will know of the invalidation."""
    purge_seconds: float = PURGE_SECONDS
    """How long to wait until the caches in front have acknowledged their purges."""
    origin: Origin = "client"
    """Who invalidates, as the journal tells it."""

    def carry_out(self, order: OrderBody, seconds: float) -> Reached:
        """See `Way`."""
        names, unless = project_names(self.project, self.app_dir, self.config) if order.paths else (None, "")
        checked = InvalidationOrder.of(order.tags, order.paths, order.type, names, order.host)
        expire_after = order.expire_after(self.config.profiles())
        purges = self._purges()

        def invalidate() -> dict[str, int]:
            with (
                self._opened(seconds) as store,
                counted_by(self.origin, self.project, self.config.metrics, store, time.time),
            ):
                return checked.carry_out(store, purges, expire_after=expire_after)

        try:
            done = _told_in_front(invalidate, purges, self.purge_seconds)
        except StoreError as error:
            raise UnreachedError.of(error.reason or "failed", str(error)) from error
        return Reached(
            **done,
            via="valkey" if self.config.cache.kind == "valkey" else "lmdb",
            where=self._where(),
            warnings=[warning + unless for warning in checked.warnings],
        )

    def _purges(self) -> Purges | None:
        """The purges of the caches in front: no server sends them for an invalidation from here."""
        cdn = self.config.cdn
        if cdn is None or not cdn.purge:
            return None
        from millpond.purge.configured import purges_of  # imported late: few projects need it

        with environment_of(self.project, self.config):
            return purges_of(cdn.purge, self.config.expire_time, time.time)

    @contextlib.contextmanager
    def _opened(self, seconds: float) -> Iterator[StoreInvalidation]:
        cache = self.config.cache
        if cache.kind == "memory":
            raise UnreachedError.of(
                "memory",
                'the configuration has [cache] store = "memory": the cache is in the memory of each process that '
                "serves, and only [revalidate_endpoint] reaches it there. Give the server's URL: `millpond revalidate "
                "--url`, or MILLPOND_URL or url= for millpond.client.",
            )
        with contextlib.ExitStack() as stack:
            if cache.kind == "lmdb":
                stack.enter_context(_in_use)
            with environment_of(self.project, self.config):
                store = invalidation_of(self.project, cache, seconds, creates=self.creates)
            yield stack.enter_context(store)

    def _where(self) -> str:
        cache = self.config.cache
        return str(parse_store_url(cache.store) if cache.kind == "valkey" else store_folder(self.project, cache))


def _told_in_front(invalidate: Callable[[], dict[str, int]], purges: Purges | None, seconds: float) -> dict[str, int]:
    """The result of `invalidate`, when all caches in front have acknowledged the purges that it has queued.

    Raises:
        PurgeError: one hasn't, within `seconds`.
    """
    if purges is None:
        return invalidate()

    async def told() -> dict[str, int]:
        purges.begin()
        try:
            done = invalidate()
            await purges.acknowledged(purges.latest, seconds)
            return done
        except PurgeError as error:
            raise PurgeError(f"invalidated here, but {error}") from None
        finally:
            await purges.drain(0)

    with ThreadPoolExecutor(1, "millpond-purge") as thread:  # this one may have an event loop that runs
        return thread.submit(asyncio.run, told()).result()
