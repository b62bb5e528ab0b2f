"""What each process does in the background for its embedded store."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

import lmdb

from millpond.stores.lmdb import entries as lmdb_entries
from millpond.stores.lmdb import leases as lmdb_leases
from millpond.stores.lmdb.environment import FileReplaced
from millpond.stores.lmdb.layout import NO_BUILD, build_of, mark_of, route_part
from millpond.stores.lmdb.upkeep.pruning import prune, rows_in
from millpond.stores.lmdb.upkeep.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from millpond.stores.contract import Lease
    from millpond.stores.lmdb.open_transaction import Writing
    from millpond.stores.lmdb.transactions import Transactions

log = logging.getLogger("millpond.stores")

_SECONDS_BETWEEN_REAPS = 60
_LEASE, _LEASE_SECONDS = "\0upkeep", 120.0
"""One process of the machine works through the store at a time. Two would do no harm, only the work twice."""


class Housekeeping:
    """Tasks of this process's event loop that maintain the file.

    Args:
        transactions: of the store.
        max_tags: the number of tag rows kept.
        clock: seconds since the epoch.
        monotonic: seconds, for leases, by a clock that all processes of the machine share.
        each_second: what the store itself does then.
    """

    def __init__(
        self,
        transactions: Transactions,
        max_tags: int,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        each_second: Callable[[], None],
    ) -> None:
        self._transactions, self._max_tags, self._prune_at = transactions, max_tags, max_tags
        self._clock, self._monotonic, self._each_second = clock, monotonic, each_second
        self._builds: frozenset[bytes] = frozenset()
        self._shared: frozenset[bytes] = frozenset()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Begin, in the running event loop."""
        self._tasks = [asyncio.create_task(work) for work in (self._keep_house(), self._keep_tidy())]

    async def end(self) -> bool:
        """End it; returns whether it had begun. Its event loop may be another, even one that is closed."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            loop = task.get_loop()
            if loop is asyncio.get_running_loop():
                task.cancel()
                await asyncio.wait((task,))
                if not task.cancelled() and (error := task.exception()) is not None:
                    log.error("the upkeep of the store failed", exc_info=error)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
        return bool(tasks)

    def serve_only(self, builds: Iterable[str]) -> None:
        """Answers of builds other than these are never served from now on; they are dropped. With none, nothing is."""
        marks = frozenset(mark_of(build) for build in builds)
        if marks:
            self._builds = marks | {NO_BUILD}

    def spare(self, fingerprints: Iterable[str]) -> None:
        """Those that builds share may be served, if their routes have one of these fingerprints; see `shared_key`."""
        self._shared = frozenset(mark_of(each) for each in fingerprints)

    async def _keep_house(self) -> None:
        for second in itertools.count(1):
            await asyncio.sleep(1)
            self._each_second()
            try:
                self._transactions.look()
                if second % _SECONDS_BETWEEN_REAPS == 0:
                    self._transactions.environment.reap()
            except lmdb.Error as error:
                self._transactions.failed(error)

    async def _keep_tidy(self) -> None:
        while True:
            await asyncio.sleep(1)
            await self.tidy()

    async def tidy(self) -> None:
        """Do what there is to do for the whole store, unless another process does it now.

        That is: drop the answers of other builds, and prune the rows of tags.
        """
        try:
            if self._builds and await self._alone(self._drop_other_builds):
                self._builds = frozenset()
            if self._rows() > self._prune_at and await self._alone(self._prune):
                # More than the limit, while rows can't go that entries need: to look for them each second is no use.
                self._prune_at = max(self._max_tags, self._rows() + self._max_tags // 8)
        except FileReplaced:
            return  # in the file that is there now this begins again in a second
        except lmdb.Error as error:
            self._transactions.failed(error)

    async def _alone(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do some work as the only process; returns whether it was done."""
        lease = await self._transactions.write_soon(
            lambda writing: lmdb_leases.grant(writing, _LEASE, self._monotonic(), _LEASE_SECONDS)
        )
        if lease is None:
            return False
        try:
            await work()
        finally:
            await self._give_back(lease)
        return True

    async def _give_back(self, lease: Lease) -> None:
        """Raises nothing: an error here would take the place of the cancellation that ends the upkeep."""
        try:
            await self._transactions.write_soon(lambda writing: lmdb_leases.give_back(writing, lease))
        except FileReplaced:
            return  # and the lease with it
        except lmdb.Error as error:  # the lease then expires
            self._transactions.failed(error)

    def _rows(self) -> int:
        with self._transactions.reading() as reading:
            return rows_in(reading)

    async def _prune(self) -> None:
        await prune(self._transactions, self._max_tags, self._clock)

    async def _drop_other_builds(self) -> None:
        steps, builds, shared = Steps(self._transactions), self._builds, frozenset(map(route_part, self._shared))

        def is_over(mark: bytes) -> bool:
            return mark not in builds and route_part(mark) not in shared

        def drop(writing: Writing, key: bytes) -> bool:
            known = lmdb_entries.kept(writing, key)
            if known is not None and is_over(known.build):
                lmdb_entries.drop(writing, key)
            return True

        async for keys in steps.walk(lambda tables: tables.kept, lambda _, record: is_over(build_of(record))):
            await steps.write_each(keys, drop)
